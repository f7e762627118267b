"""A corpus in parts: which of its files, documents and tokens are in which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 0, of the `of` parts of a corpus."""

    number: int = 0
    of: int = 1

    def share(self, total: int | None) -> int | None:
        """How much of `total` is in this shard; None, for no limit, stays None."""
        return None if total is None else len(range(self.number, total, self.of))

    def deals_files(self, files: Sequence[Item]) -> bool:
        """Whether there are enough files that each shard gets whole ones and need not read those of others."""
        return len(files) >= self.of

    def files(self, files: Sequence[Item]) -> Sequence[Item]:
        """The files to read: this shard's where files are dealt out, else all of them."""
        return files[self.number :: self.of] if self.deals_files(files) else files

    def documents(self, stream: Iterator[Item], most: int | None, *, dealt: bool) -> Iterator[Item]:
        """Its own of the first `most` documents: every `of`-th, or its share where files are `dealt` out."""
        return islice(stream, self.share(most)) if dealt else islice(stream, self.number, most, self.of)
