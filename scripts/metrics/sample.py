"""The held-out sample that every checkpoint of a suite is measured on: the same tokens each time."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scripts.common.jobs import InputError


@dataclass(frozen=True)
class Sample:
    """Sequences of tokens: each hidden state kept foretells one target."""

    inputs: NDArray[np.int64]  # (sequences, tokens read): what the model reads
    targets: NDArray[np.int64]  # (sequences, tokens predicted): the tokens after the last of them
    sha256: str  # of the ids of the sequences, as little-endian 32-bit integers
    size: int  # bytes of text of all targets

    @property
    def skip(self) -> int:
        """How many of a sequence's first hidden states foretell no target: 1 with a first token, else 0."""
        return self.inputs.shape[1] - self.targets.shape[1]


def draw_sample(
    documents: Sequence[NDArray[Any]], tokens: int, length: int, seed: int, sizes: NDArray[np.int64], first: int | None
) -> Sample:
    """Draw sequences of `length` tokens, at least `tokens` of them predicted, from random places that do not overlap.

    `documents` are token ids, some arrays one after the other; a sequence may begin in one document and end in the
    next. The first token of a sequence is only context; `first`, if any, is put before it. `sizes` (V,) are the bytes
    of each token's text. Raises InputError if there is too little text.
    """
    number = -(-tokens // (length - 1))
    total = sum(map(len, documents))
    if (spare := total - number * length) < 0:
        raise InputError(
            f"metrics.tokens is {tokens}, which takes {number} sequences of {length} tokens; there are "
            f"only {total} tokens of held-out text: take more text, fewer tokens or a larger held_out.share"
        )
    gaps = np.random.default_rng(seed).choice(spare + number, number, replace=False, shuffle=False)
    begins = np.sort(gaps) + np.arange(number) * (length - 1)
    ids = np.stack([_slice(documents, begin, begin + length) for begin in begins.tolist()]).astype(np.int64)
    prefix = np.full((number, 0 if first is None else 1), -1 if first is None else first, np.int64)
    sha256 = hashlib.sha256(ids.astype("<u4").tobytes()).hexdigest()
    return Sample(np.hstack([prefix, ids[:, :-1]]), ids[:, 1:], sha256, int(sizes[ids[:, 1:]].sum()))


def _slice(arrays: Sequence[NDArray[Any]], begin: int, end: int) -> NDArray[Any]:
    """Places `begin` to `end` of some arrays (n,) one after the other, which need not fit memory."""
    parts = []
    for array in arrays:
        parts.append(array[max(begin, 0) : max(end, 0)])
        begin, end = begin - len(array), end - len(array)
    return np.concatenate(parts)


def first_token(tokenizer: Tokenizer, text: str | None) -> int | None:
    """The id of the token to put before every sequence. Raises InputError if the tokenizer has none of that text."""
    if text is None:
        return None
    if (found := tokenizer.token_to_id(text)) is None:
        raise InputError(f"first_token: the tokenizer has no token {text!r}")
    return found


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
