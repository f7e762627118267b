"""The held-out sample that every checkpoint of a suite is measured on: the same tokens each time."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lm_saturation.errors import InputError


class Text(Protocol):
    """Token ids (T,), and the position just past each document's last token (documents,)."""

    @property
    def ids(self) -> NDArray[Any]:
        """The token ids, which need not fit memory."""

    @property
    def ends(self) -> NDArray[np.int64]:
        """The ends of the documents."""


@dataclass(frozen=True)
class EvaluationSample:
    """Sequences of tokens: each hidden state that is kept predicts one target."""

    inputs: NDArray[np.int64]  # (sequences, tokens read): what the model reads
    targets: NDArray[np.int64]  # (sequences, tokens predicted): the tokens after the last of them
    documents: NDArray[np.int64]  # (sequences, tokens predicted): the number of the document that each target is of
    sha256: str  # of the ids of the sequences, as little-endian 32-bit integers
    size: int  # bytes of text of all targets

    @property
    def skip(self) -> int:
        """How many of a sequence's first hidden states predict no target: 1 with a first token, else 0."""
        return self.inputs.shape[1] - self.targets.shape[1]


def draw_sample(
    texts: Sequence[Text],
    tokens: int,
    length: int,
    seed: int,
    sizes: NDArray[np.int64],
    first: int | None,
    key: str = "metrics.tokens",
) -> EvaluationSample:
    """Draw sequences of `length` tokens, at least `tokens` of them predicted, from random places that do not overlap.

    They come from as many documents as they can: none gets a second sequence before all have one, and of too many
    documents long ones are drawn more often (`_shares`). A sequence lies within one document, or within some short ones
    that follow one another. The first token of a sequence is only context; `first`, if any, is put before it. `sizes`
    (V,) are the bytes of each token's text. Raises InputError, which names the option `key`, if there is too little
    text.
    """
    number = -(-tokens // (length - 1))
    offsets = np.cumsum([0, *(len(text.ids) for text in texts)])
    total = int(offsets[-1])
    if total < number * length:
        raise InputError(
            f"{key} is {tokens}, which takes {number} sequences of {length} tokens; there are "
            f"only {total} tokens of held-out text: take more text, fewer tokens or a larger held_out.share"
        )
    ends = np.concatenate([text.ends + offset for text, offset in zip(texts, offsets, strict=False)])
    begins = _places(ends, number, length, np.random.default_rng(seed))
    arrays = [text.ids for text in texts]
    ids = np.stack([_slice(arrays, begin, begin + length) for begin in begins.tolist()]).astype(np.int64)
    documents = np.searchsorted(ends, begins[:, None] + np.arange(1, length), side="right")
    prefix = np.full((number, 0 if first is None else 1), -1 if first is None else first, np.int64)
    sha256 = hashlib.sha256(ids.astype("<u4").tobytes()).hexdigest()
    return EvaluationSample(
        np.hstack([prefix, ids[:, :-1]]), ids[:, 1:], documents, sha256, int(sizes[ids[:, 1:]].sum())
    )


def _places(ends: NDArray[np.int64], number: int, length: int, random: np.random.Generator) -> NDArray[np.int64]:
    """(number,) where the sequences of `length` tokens begin, in order, in text whose documents end at `ends`."""
    blocks = _blocks(ends, length)
    if (np.diff(blocks) // length).sum() < number:  # too little text to keep any of it unread
        blocks = np.array([0, ends[-1]])
    sizes = np.diff(blocks)
    shares = _shares(sizes, sizes // length, number, random)
    places = []
    for begin, size, share in zip(blocks[:-1][shares > 0], sizes[shares > 0], shares[shares > 0], strict=True):
        gaps = random.choice(size - share * (length - 1), share, replace=False, shuffle=False)
        places.append(begin + np.sort(gaps) + np.arange(share) * (length - 1))
    return np.concatenate(places)


def _blocks(ends: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """(blocks + 1,) the bounds of blocks of full documents, as small as they can be with `length` tokens in each."""
    begins = np.append(0, ends[:-1])
    last = np.searchsorted(ends, begins + length).tolist()  # document that ends a block which begins with each
    bounds, document = [0], 0
    while document < len(last) and last[document] < len(last):
        bounds.append(int(ends[last[document]]))
        document = last[document] + 1
    bounds[-1] = int(ends[-1])  # documents that are left belong to the last block
    return np.array(bounds)


def _shares(
    sizes: NDArray[np.int64], capacities: NDArray[np.int64], number: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """(blocks,) how many of `number` sequences each block gets, at most its capacity: all one, then all two, and so on.

    A round that is for a part of the blocks only draws them in proportion to their sizes, as far as none is drawn
    twice, by systematic sampling: with many documents, every token is drawn alike.
    """
    shares = np.zeros_like(sizes)
    while (left := number - shares.sum()) > 0:
        free = np.flatnonzero(shares < capacities)
        if left < len(free):
            cumulated = np.minimum(np.cumsum(_inclusion(sizes[free].astype(float), left)), left)
            free = free[np.diff(np.floor(cumulated - (1 - random.random())), prepend=-1.0) > 0]
        shares[free] += 1
    return shares


def _inclusion(sizes: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """(n,) the probabilities, min(1, c · size), that sum to `number` < n."""
    certain = np.zeros(len(sizes), np.bool_)
    while True:
        chances = np.where(certain, 1, sizes * (number - certain.sum()) / sizes[~certain].sum())
        if (chances <= 1).all():
            return chances
        certain |= chances > 1


def _slice(arrays: Sequence[NDArray[Any]], begin: int, end: int) -> NDArray[Any]:
    """Places `begin` to `end` of some arrays (n,) one after the other, which need not fit memory."""
    parts = []
    for array in arrays:
        parts.append(array[max(begin, 0) : max(end, 0)])
        begin, end = begin - len(array), end - len(array)
    return np.concatenate(parts)


def token_sizes(tokenizer: Tokenizer, vocabulary_size: int) -> NDArray[np.int64]:
    """(V,) bytes of UTF-8 of the text that each token stands for.

    Byte-level tokenizers write each byte as one character. SentencePiece writes a space as ▁ and bytes that are no
    character as <0xNN>. Added tokens are text as it is.
    """
    definition = json.loads(tokenizer.to_str())
    added = {token["id"] for token in definition["added_tokens"]}
    byte_level = '"ByteLevel"' in json.dumps([definition["pre_tokenizer"], definition["decoder"]])
    sizes = np.zeros(vocabulary_size, np.int64)
    for token, number in tokenizer.get_vocab(with_added_tokens=True).items():
        if byte_level and number not in added:
            sizes[number] = len(token)
        elif len(token) == len("<0x00>") and token.startswith("<0x") and token.endswith(">"):
            sizes[number] = 1
        else:
            sizes[number] = len(token.replace("▁", " ").encode())
    return sizes
