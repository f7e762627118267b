"""A modified Kneser–Ney 5-gram model of a corpus, and its loss on the documents held out."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from lm_saturation.config.metrics import HeldOut
from lm_saturation.errors import InputError
from lm_saturation.io.logs import log
from lm_saturation.io.tables import read_parts
from lm_saturation.ngrams.counting import MAX_ORDER
from lm_saturation.ngrams.kneser_ney import KneserNey, estimate, probability, require_estimate_memory
from lm_saturation.ngrams.repeats import repeat_columns
from lm_saturation.text.splits import Documents, Split, split_documents
from lm_saturation.text.token_files import Tokens

CHUNK = 1 << 18  # tokens whose probabilities are looked up at a time


def fit_model(shards: Sequence[Tokens], held_out: HeldOut, memory_mb: int) -> tuple[KneserNey, Split]:
    """The model of the documents that are not held out, and how the documents are split.

    Raises InputError if it takes more memory than is allowed, or as `split_documents`.
    """
    require_estimate_memory(sum(len(shard.ids) for shard in shards), memory_mb)
    split = split_documents(shards, held_out)
    model = estimate(split.train.ids, split.train.ends, shards[0].vocabulary_size)
    log.info("entries of orders 1 to 5: %s", model.entries)
    return model, split


def held_out_bytes(split: Split, text_tables: Sequence[str]) -> int:
    """Bytes of text of the held-out documents; of the end of a single document, by its share of the tokens.

    Raises InputError if the tables hold other documents than the token files.
    """
    sizes = document_bytes(text_tables)
    if len(sizes) == 1:
        test, train = len(split.test.ids), len(split.train.ids)
        return round(int(sizes[0]) * test / (test + train))
    if len(sizes) != len(split.held_out):
        raise InputError(
            f"{text_tables[0]}: the corpus has {len(sizes)} documents, its token files {len(split.held_out)}; "
            "delete both and run again"
        )
    return int(sizes[split.held_out].sum())


def document_bytes(text_tables: Iterable[str]) -> NDArray[np.int64]:
    """(documents,) bytes of UTF-8 of each document in the tables `corpus_text` of all shards."""
    return np.concatenate([_shard_bytes(table) for table in text_tables])


def _shard_bytes(table: str) -> NDArray[np.int64]:
    parts = list(read_parts("corpus_text", table, ["document", "text"]))
    if not parts:  # a shard may be empty
        return np.empty(0, np.int64)
    document = np.concatenate([part["document"].to_numpy() for part in parts])
    size = np.concatenate([pc.binary_length(part["text"]).to_numpy() for part in parts])
    return np.bincount(np.unique(document, return_inverse=True)[1], size).astype(np.int64)


def language_model_columns(model: KneserNey, split: Split, text_bytes: int) -> dict[str, Any]:
    """The columns of the table `language_model` beside its keys."""
    unseen = ~np.isin(split.test.ids, model.types)
    losses = document_losses(model, split.test, unseen)
    columns = loss_columns(losses, np.diff(split.test.ends, prepend=0), text_bytes)
    log.info("%.4f nats/token, %.4f bits/byte", columns["cross_entropy_nats"], columns["bits_per_byte"])
    return {
        "vocabulary_size": model.bos,
        "train_documents": len(split.train.ends),
        "train_tokens": len(split.train.ids),
        "held_out_documents": len(split.test.ends),
        "held_out_tokens": len(split.test.ids),
        "held_out_bytes": text_bytes,
        "unseen_tokens": int(np.count_nonzero(unseen)),
        **{f"entries_{order}": number for order, number in enumerate(model.entries, 1)},
        **columns,
        **repeat_columns(split.train, split.test),
    }


def loss_columns(losses: NDArray[Any], lengths: NDArray[np.int64], text_bytes: int) -> dict[str, Any]:
    """Cross-entropy over all tokens and its standard error, from the losses (documents,) in nats and their lengths.

    The standard error is that of a ratio of sums over documents, which are the units that were drawn.
    """
    tokens = int(lengths.sum())
    entropy = float(losses.sum()) / tokens
    error = None
    if (documents := len(losses)) > 1:
        squares = float(((losses - entropy * lengths) ** 2).sum())
        error = math.sqrt(documents / (documents - 1) * squares) / tokens
    return {
        "cross_entropy_nats": entropy,
        "cross_entropy_standard_error": error,
        "perplexity": math.exp(entropy),
        "bits_per_byte": float(losses.sum()) / math.log(2) / text_bytes,
    }


def document_losses(model: KneserNey, documents: Documents, unseen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(documents,) nats of each document under the model, without its end.

    The model gives all that it never saw one probability, <unk>'s; each id of the tokenizer that is not in it gets an
    equal part of that, so that the probabilities of all its ids and </s> sum to 1. `unseen` (T,) says which tokens
    those are.
    """
    shared = math.log(max(model.bos - len(model.types), 1))
    begins = np.concatenate([[0], documents.ends[:-1]])
    losses = np.zeros(len(documents.ends))
    for start in range(0, len(documents.ids), CHUNK):
        places = np.arange(start, min(start + CHUNK, len(documents.ids)))
        document = np.searchsorted(documents.ends, places, side="right")
        contexts = _contexts(model, documents.ids, places, begins[document])
        nats = unseen[places] * shared - np.log(probability(model, contexts, documents.ids[places]))
        first = document[0]
        losses[first : document[-1] + 1] += np.bincount(document - first, nats)
    return losses


def _contexts(
    model: KneserNey, ids: NDArray[Any], places: NDArray[np.int64], begins: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(n, 4) the tokens before each place, from <s> on, in documents that begin at `begins` (n,)."""
    contexts = np.full((len(places), MAX_ORDER - 1), model.eos, np.int64)  # which nothing follows in any model
    for back in range(1, MAX_ORDER):
        before = places - back
        inside, column = before >= begins, contexts[:, -back]
        column[inside] = ids[before[inside]]
        column[before == begins - 1] = model.bos
    return contexts
