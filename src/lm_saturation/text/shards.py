"""A corpus in parts: which of its files, documents and tokens are in which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 0, of the `count` parts of a corpus."""

    number: int = 0
    count: int = 1

    def share(self, total: int | None) -> int | None:
        """How much of `total` is in this shard; None, for no limit, stays None."""
        return None if total is None else len(range(self.number, total, self.count))

    def deals_files(self, files: Sequence[Item]) -> bool:
        """Whether there are enough files that each shard gets its own and need not read those of others."""
        return len(files) >= self.count

    def files(self, files: Sequence[Item]) -> Sequence[Item]:
        """The files to read: this shard's where files are dealt out, else all of them."""
        return files[self.number :: self.count] if self.deals_files(files) else files

    def documents(self, documents: Iterator[Item], maximum: int | None, *, dealt: bool) -> Iterator[Item]:
        """Of the first `maximum` documents of the corpus, those of this shard.

        Where files are `dealt` out, `documents` are those of this shard's files, and it takes its share of the maximum;
        else they are those of the corpus, and it takes every `count`-th.
        """
        if dealt:
            return islice(documents, self.share(maximum))
        return islice(documents, self.number, maximum, self.count)
