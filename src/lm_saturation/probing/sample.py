"""The small fixed sample that a probe measures on: the same tokens for the same texts, whatever the random state."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Tokenizer

from lm_saturation.errors import InputError
from lm_saturation.in_memory import as_sequences
from lm_saturation.inference.evaluation_sample import draw_sample, token_sizes
from lm_saturation.inference.logits import head_of
from lm_saturation.inference.trunk import positions_of
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.random_text import draw_unigram
from lm_saturation.metrics.singular_entropy import entropy
from lm_saturation.options import Count, Section, option
from lm_saturation.text.tokenizers import vocabulary_size

SEED = 0
UNARGMAXABLE_UP_TO = 8192  # tokens of a vocabulary: beyond it their search takes minutes


class SampleOptions(Section):
    """How much is measured."""

    tokens: Count = option(4096, "tokens of text that are predicted, at most; from 1")
    sequence_length: int = option(256, "tokens of a sequence, at most; from 2", ge=2)
    unigram_tokens: int = option(2048, "tokens of random text that are predicted, about; 0 for none", ge=0)
    batch_size: Count = option(8, "sequences run at a time; from 1")
    unargmaxable: bool | None = option(None, "search for tokens never likeliest; unset: up to 8,192 tokens")


@dataclass(frozen=True)
class ProbeSample:
    """What a model is measured on."""

    spec: EvaluationSpec
    unigram: NDArray[np.int64] | None  # (sequences, tokens) of random text
    unigram_entropy: float  # nats/token: of the law that it is drawn by
    knows_bytes: bool  # whether the bytes of the text are known: ids alone do not tell

    def described(self) -> dict[str, Any]:
        """Its size, and the hash by which two readings are known to be of the same text."""
        sample = self.spec.sample
        sequences, tokens = sample.targets.shape
        return {"sequences": sequences, "tokens": sequences * tokens, "sha256": sample.sha256}


@dataclass(frozen=True)
class _Ids:
    """Token ids (T,) of documents that end at `ends` (documents,)."""

    ids: NDArray[np.int64]
    ends: NDArray[np.int64]


def make_sample(model: Any, tokenizer: Any, texts: Any, options: SampleOptions | None = None) -> ProbeSample:
    """Draw the sample for a causal model of transformers from `texts`, one or more.

    Without a tokenizer (None), `texts` are token ids, (tokens,) or (sequences, tokens). It does not depend on, nor
    change, any random state. Raises InputError if there are no two tokens, or the ids are not the model's.
    """
    options = options or SampleOptions()
    rows = len(head_of(model).weight)
    backend = None if tokenizer is None else backend_of(tokenizer)
    text = _from_ids(texts) if backend is None else _encoded(backend, texts)
    _check_ids(text.ids, rows)
    size = rows if backend is None else min(rows, vocabulary_size(backend))
    first = None if backend is None else _first(backend)
    length = _length(text, options.sequence_length, positions_of(model), first)
    tokens = min(options.tokens, len(text.ids) // length * (length - 1))
    sizes = np.ones(size, np.int64) if backend is None else token_sizes(backend, vocabulary_size(backend))
    sample = draw_sample([text], tokens, length, SEED, sizes, first, key="tokens")
    counts = np.bincount(text.ids, minlength=size)
    search = size <= UNARGMAXABLE_UP_TO if options.unargmaxable is None else options.unargmaxable
    spec = EvaluationSpec(sample, counts, options.batch_size, unargmaxable=search, text=None, first=first)
    shape = (max(1, round(options.unigram_tokens / (length - 1))), length)
    unigram = draw_unigram(counts, shape, np.random.default_rng(SEED)) if options.unigram_tokens else None
    return ProbeSample(spec, unigram, entropy(counts.astype(np.float64)), knows_bytes=backend is not None)


def backend_of(tokenizer: Any) -> Tokenizer:
    """The tokenizer of the library `tokenizers`. Raises InputError if it is no such one, nor wraps one."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, Tokenizer):
        raise InputError(
            f"tokenizer: {type(tokenizer).__name__}; allowed: a fast one of transformers, one of `tokenizers`, or None "
            "with token ids as texts"
        )
    backend = Tokenizer.from_str(backend.to_str())  # a copy: the caller's keeps its truncation and padding
    backend.no_truncation()
    backend.no_padding()
    return backend


def _encoded(tokenizer: Tokenizer, texts: str | Iterable[str]) -> _Ids:
    documents = [texts] if isinstance(texts, str) else list(texts)
    if not all(isinstance(document, str) for document in documents):
        raise InputError("texts: not all are text; allowed: a text or several, or token ids with tokenizer None")
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(documents, add_special_tokens=False)]
    encoded = [ids for ids in encoded if ids]
    return _Ids(np.array([number for ids in encoded for number in ids], np.int64), _ends(map(len, encoded)))


def _from_ids(texts: ArrayLike) -> _Ids:
    if isinstance(texts, str) or (isinstance(texts, list) and texts and isinstance(texts[0], str)):
        raise InputError("texts: text without a tokenizer; allowed with tokenizer None: token ids")
    rows = as_sequences(texts)
    return _Ids(rows.ravel(), _ends([rows.shape[1]] * len(rows)))


def _ends(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum(list(lengths), dtype=np.int64)


def _check_ids(ids: NDArray[np.int64], rows: int) -> None:
    if len(ids) < 2:
        raise InputError(f"texts: {len(ids)} tokens; allowed: at least two")
    if ids.min() < 0 or ids.max() >= rows:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise InputError(f"texts: token {wrong}; allowed: 0 to {rows - 1}, the LM head's rows; another tokenizer?")


def _first(tokenizer: Tokenizer) -> int | None:
    """The token that the tokenizer itself puts before a text; None if it puts none."""
    plain, special = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
    return special[0] if len(special) > len(plain) and special[: len(plain)] != plain else None


def _length(text: _Ids, asked: int, positions: int | None, first: int | None) -> int:
    """Tokens of a sequence: as asked for, if there is so much text and the model has so many positions."""
    room = len(text.ids) if positions is None else positions + 1 - (first is not None)
    return max(2, min(asked, len(text.ids), room))
