"""Token files as a stream of chunks, so that a corpus of any size needs little memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.ngrams.counting import Chunk
from lm_saturation.ngrams.counting_kernels import mark_starts
from lm_saturation.ngrams.priority_sampling import EVERYTHING, sample_threshold, thin
from lm_saturation.text.token_files import Tokens

CHUNK = 1 << 23  # tokens


@dataclass(frozen=True)
class NgramStream:
    """The n-grams of the shards of a corpus, all of them or a sample; each call is a pass over its chunks.

    An n-gram never goes from one shard to the next, and from one document to the next only if `cross_documents`.
    """

    shards: list[Tokens]
    order: int
    cross_documents: bool = False
    seed: int = 0
    threshold: int = EVERYTHING  # priority of the last n-gram of the sample

    def sample(self, sample_size: int, seed: int) -> "NgramStream":
        """A uniform sample of that many n-grams, without replacement, or all if there are no more."""
        threshold = sample_threshold(self.total, sample_size, seed)
        return NgramStream(self.shards, self.order, self.cross_documents, seed, threshold)

    @property
    def total(self) -> int:
        """N-grams in the corpus, of which a sample holds some."""
        lengths = (np.diff(self._ends(shard), prepend=0) for shard in self.shards)
        return sum(int(np.maximum(length - self.order + 1, 0).sum()) for length in lengths)

    @property
    def longest_document(self) -> int:
        """Tokens in the longest document, or shard if n-grams may cross documents."""
        return max(int(np.diff(self._ends(shard), prepend=0).max(initial=0)) for shard in self.shards)

    def _ends(self, shard: Tokens) -> NDArray[np.int64]:
        return np.array([len(shard.ids)]) if self.cross_documents else shard.ends

    def __call__(self) -> Iterator[Chunk]:
        """The chunks: ids, and whether an n-gram of the sample starts at each."""
        number = 0
        for shard in self.shards:
            ends = np.ascontiguousarray(self._ends(shard))
            for first in range(0, len(shard.ids), CHUNK):
                ids = _read(shard, first, CHUNK + self.order - 1)
                starts = np.zeros(min(CHUNK, len(ids)), np.bool_)
                mark_starts(starts, ends, first, self.order)
                if self.threshold != EVERYTHING:
                    number += thin(starts, number, self.threshold, self.seed)
                yield ids, starts


def _read(shard: Tokens, first: int, count: int) -> NDArray[Any]:
    """Some ids, copied from the file: pages of a memory map would count as memory of this process."""
    ids = shard.ids
    if not isinstance(ids, np.memmap):
        return ids[first : first + count]
    assert ids.filename is not None
    return np.fromfile(ids.filename, ids.dtype, count, offset=first * ids.dtype.itemsize)
