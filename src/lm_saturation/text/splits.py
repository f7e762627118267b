"""The documents that a language model is trained on, and those held out to test it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.text.token_files import Tokens

MAXIMUM_SHARE = 1 / 3  # of the documents, held out to reach the minimum: most text is left to train on


class HeldOutRule(Protocol):
    """How many documents are held out, as section `held_out` of the configuration says."""

    @property
    def share(self) -> float:
        """Of the documents."""

    @property
    def minimum_documents(self) -> int:
        """Held out even if that is more than the share, up to MAXIMUM_SHARE of the documents."""

    @property
    def seed(self) -> int:
        """Of the choice of documents."""


@dataclass(frozen=True)
class Documents:
    """Some documents: `ids` (T,) and `ends` (documents,), the position just past each."""

    ids: NDArray[Any]
    ends: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """A corpus in two; `held_out` (documents,) says of each document whether it is held out.

    A single document counts as two: its beginning and its end.
    """

    train: Documents
    test: Documents
    held_out: NDArray[np.bool_]


def held_out_number(documents: int, rule: HeldOutRule) -> int:
    """How many of two or more documents are held out: at least one, and not all.

    The share, but at least `minimum_documents` where that is no more than MAXIMUM_SHARE of them. Intervals over text
    rest on the number of documents, not of tokens: few long ones say little of other text.
    """
    minimum = min(rule.minimum_documents, int(MAXIMUM_SHARE * documents))
    return min(max(1, minimum, round(rule.share * documents)), documents - 1)


def split_documents(shards: Sequence[Tokens], rule: HeldOutRule) -> Split:
    """Hold out a seeded choice of `held_out_number` documents; of a single document its last tokens, by the share.

    Raises InputError if that leaves no token to train on, or none held out.
    """
    ids = np.concatenate([shard.ids for shard in shards])
    lengths = np.concatenate([np.diff(shard.ends, prepend=0) for shard in shards])
    if len(lengths) == 1:
        tail = max(1, round(rule.share * len(ids)))
        lengths = np.array([max(0, len(ids) - tail), min(tail, len(ids))])
        held_out = np.array([False, True])
    else:
        held_out = np.zeros(len(lengths), np.bool_)
        order = np.random.default_rng(rule.seed).permutation(len(lengths))
        held_out[order[: held_out_number(len(lengths), rule)]] = True
    token_held_out = np.repeat(held_out, lengths)
    train = Documents(ids[~token_held_out], np.cumsum(lengths[~held_out]))
    test = Documents(ids[token_held_out], np.cumsum(lengths[held_out]))
    if not len(train.ids) or not len(test.ids):
        raise InputError(
            f"corpus {shards[0].record['corpus']}: {len(train.ids)} tokens to train on and {len(test.ids)} held out; "
            "both must have some: take more text or another held_out.share"
        )
    return Split(train, test, held_out)
