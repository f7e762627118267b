"""The documents that a language model learns from, and those held out to test it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.common.jobs import InputError
from scripts.common.token_files import Tokens


@dataclass(frozen=True)
class Documents:
    """Some documents: `ids` (T,) and `ends` (documents,), the position just past each."""

    ids: NDArray[Any]
    ends: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """A corpus in two; `held` (documents,) says of each document whether it is held out.

    A corpus of a single document counts as two: its head and its tail.
    """

    train: Documents
    test: Documents
    held: NDArray[np.bool_]


def split_documents(shards: Sequence[Tokens], share: float, seed: int) -> Split:
    """Hold out a seeded share of the documents, at least one; of a single document its last tokens.

    Raises InputError if that leaves no token on one of the sides.
    """
    ids = np.concatenate([shard.ids for shard in shards])
    lengths = np.concatenate([np.diff(shard.ends, prepend=0) for shard in shards])
    if len(lengths) == 1:
        tail = max(1, round(share * len(ids)))
        lengths = np.array([max(0, len(ids) - tail), min(tail, len(ids))])
        held = np.array([False, True])
    else:
        held = np.zeros(len(lengths), np.bool_)
        number = min(max(1, round(share * len(lengths))), len(lengths) - 1)
        held[np.random.default_rng(seed).permutation(len(lengths))[:number]] = True
    of_token = np.repeat(held, lengths)
    train = Documents(ids[~of_token], np.cumsum(lengths[~held]))
    test = Documents(ids[of_token], np.cumsum(lengths[held]))
    if not len(train.ids) or not len(test.ids):
        raise InputError(
            f"corpus {shards[0].record['corpus']}: {len(train.ids)} tokens to learn from and {len(test.ids)} held out; "
            "both must have some: take more text or another held_out.share"
        )
    return Split(train, test, held)
