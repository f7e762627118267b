r"""Perplexity for each word of running text, as lm-evaluation-harness measures WikiText (its rolling log-likelihood).

Documents are cut into windows; every token is predicted once, the first of a document from a special token, the first
of a further window from the token before it; a document's last window reaches back as far as it can. (A model with no
special token reads the first token of a document and does not predict it.) Words are what
`re.split(r"\s+", text)` gives, empty strings at the ends among them. exp(total loss in nats / words).
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.inference.start_token import start_token
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.io.tables import read_parts
from lm_saturation.metrics.cross_entropy import target_losses
from lm_saturation.metrics.registry import metric
from lm_saturation.text.token_files import Tokens

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


@dataclass(frozen=True)
class Text:
    """Whole documents: the ids of each, and the words of all."""

    documents: list[NDArray[np.int64]]
    words: int


@dataclass(frozen=True)
class Window:
    """Tokens that a model reads, and the `targets` that its last states predict."""

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]


def read_text(shards: Sequence[Tokens], tables: Sequence[str], tokens: int) -> Text:
    """The first whole documents of a corpus, until they hold `tokens` tokens; empty ones are left out.

    Raises InputError if the corpus table has other documents than the token file.
    """
    documents: list[NDArray[np.int64]] = []
    words = total = 0
    for shard, table in zip(shards, tables, strict=True):
        begin = 0
        texts = _texts(table)
        for end in shard.ends.tolist():
            if total >= tokens:
                return Text(documents, words)
            if (text := next(texts, None)) is None:
                raise InputError(f"{table}: fewer documents than its token file; delete both and run again")
            if end > begin:
                documents.append(np.asarray(shard.ids[begin:end], np.int64))
                words += len(re.split(r"\s+", text))
            total, begin = total + end - begin, end
    return Text(documents, words)


def _texts(table: str) -> Iterator[str]:
    """The text of each document of a corpus table."""
    number: int | None = None
    pieces: list[str] = []
    for part in read_parts("corpus_text", table, ["document", "text"]):
        for document, text in zip(part["document"].to_pylist(), part["text"].to_pylist(), strict=True):
            if document != number and pieces:
                yield "".join(pieces)
                pieces = []
            number = document
            pieces.append(text)
    if pieces:
        yield "".join(pieces)


def windows(ids: NDArray[np.int64], prefix: int | None, width: int) -> Iterator[Window]:
    """The windows of a document (T,), of which the model reads at most `width` tokens; `prefix` stands before it."""
    read, ids = (ids, ids[1:]) if prefix is None else (np.append(prefix, ids), ids)
    for begin in range(0, len(ids), width):
        end = min(begin + width, len(ids))
        yield Window(read[max(0, end - width) : end], ids[begin:end])


def word_perplexity(model: Any, text: Text, first: int | None, width: int, batch_size: int) -> float | None:
    """exp(loss / word), the model reading `width` tokens at a time; None if that exceeds float64."""
    prefix = start_token(model, first)
    parts = [part for ids in text.documents for part in windows(ids, prefix, width)]
    parts.sort(key=lambda part: len(part.inputs))  # alike in length: little padding
    total = sum(_loss(model, parts[at : at + batch_size]) for at in range(0, len(parts), batch_size))
    try:
        return math.exp(total / text.words)
    except OverflowError:
        return None


def _loss(model: Any, parts: list[Window]) -> float:
    """The nats of all targets of some windows. Padding stands behind, where a causal model does not look."""
    width = max(len(part.inputs) for part in parts)
    ids = np.stack([np.pad(part.inputs, (0, width - len(part.inputs))) for part in parts])
    states = trunk_states(model, torch.from_numpy(ids).to(model.device), len(parts))
    kept = [
        row[len(part.inputs) - len(part.targets) : len(part.inputs)] for row, part in zip(states, parts, strict=True)
    ]
    targets = torch.from_numpy(np.concatenate([part.targets for part in parts])).to(model.device)
    return float(target_losses(model, torch.cat(kept), targets).double().sum())


@metric
def columns(forward: "ForwardPass") -> dict[str, float | None]:
    """On the text that the configuration names, if it names one."""
    spec = forward.spec
    if not spec.text:
        return {"word_perplexity": None}
    width = spec.sample.inputs.shape[1]
    return {"word_perplexity": word_perplexity(forward.model, spec.text, spec.first, width, spec.batch_size)}
