"""Rule `ngram_language_model`: a modified Kneser–Ney 5-gram model, and its loss on documents that it has not seen."""

import math
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kenlm
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from scripts.common.held_out import Documents, Split, split_documents
from scripts.common.jobs import InputError, job, log
from scripts.common.tables import read_parts, write_tables
from scripts.common.token_files import open_tokens
from scripts.ngrams.arpa import write_arpa
from scripts.ngrams.kneser_ney import KneserNey, check_memory, estimate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def document_bytes(tables: Iterable[str]) -> NDArray[np.int64]:
    """(documents,) bytes of UTF-8 of each document of the corpus tables of all shards."""
    return np.concatenate([_bytes_of(table) for table in tables])


def _bytes_of(table: str) -> NDArray[np.int64]:
    parts = list(read_parts("corpus_text", table, ["document", "text"]))
    document = np.concatenate([part["document"].to_numpy() for part in parts])
    size = np.concatenate([pc.binary_length(part["text"]).to_numpy() for part in parts])
    return np.bincount(np.unique(document, return_inverse=True)[1], size).astype(np.int64)


def held_out_bytes(split: Split, tables: Sequence[str]) -> int:
    """Bytes of text of the held-out documents; of a tail, by its share of the tokens.

    Raises InputError if the tables hold other documents than the token files.
    """
    sizes = document_bytes(tables)
    if len(sizes) == 1:
        tail, head = len(split.test.ids), len(split.train.ids)
        return round(int(sizes[0]) * tail / (tail + head))
    if len(sizes) != len(split.held):
        raise InputError(
            f"{tables[0]}: the corpus has {len(sizes)} documents, its token files {len(split.held)}; "
            "delete both and run again"
        )
    return int(sizes[split.held].sum())


@contextmanager
def file_to_query(arpa: str | Path) -> Iterator[Path]:
    """KenLM's binary form of the model, for as long as it is needed, where its tool is on PATH; else the model itself.

    The binary form is quick to read. It is removed again, so that results do not depend on what a machine has.
    """
    binary = Path(arpa).with_suffix(".binary")
    try:
        tool = shutil.which("build_binary")
        yield binary if tool and _built(tool, Path(arpa), binary) else Path(arpa)
    finally:
        binary.unlink(missing_ok=True)


def _built(tool: str, arpa: Path, binary: Path) -> bool:
    done = subprocess.run([tool, str(arpa), str(binary)], check=False, capture_output=True, text=True)
    if done.returncode:  # no room for it, say
        log.warning("build_binary failed, so the text form is read: %s", (done.stderr.splitlines() or [""])[-1])
    return not done.returncode


def document_losses(path: Path, documents: Documents, unseen: NDArray[np.bool_], unseen_types: int) -> NDArray[Any]:
    """(documents,) nats of each document under the model in the file at `path`, without its end.

    The model gives all that it never saw one probability, <unk>'s; each of the `unseen_types` ids of the tokenizer
    that it does not know gets an equal part of it, so that the probabilities of all its ids and </s> sum to 1.
    `unseen` (T,) says which tokens those are.
    """
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    model = kenlm.Model(str(path), config)
    begins = np.concatenate([[0], documents.ends[:-1]])
    losses = []
    for begin, end in zip(begins, documents.ends, strict=True):
        words = " ".join(map(str, documents.ids[begin:end].tolist()))
        bits = math.fsum(score for score, _, _ in model.full_scores(words, bos=True, eos=False))
        shared = np.count_nonzero(unseen[begin:end]) * math.log(max(unseen_types, 1))
        losses.append(shared - bits * math.log(10))
    return np.array(losses)


def loss_columns(losses: NDArray[Any], lengths: NDArray[np.int64], text_bytes: int) -> dict[str, Any]:
    """Cross-entropy over all tokens and its standard error, with documents as the units that were drawn."""
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


def table_columns(model: KneserNey, split: Split, losses: NDArray[Any], text_bytes: int) -> dict[str, Any]:
    """The columns of the table `language_model` beside its keys."""
    lengths = np.diff(split.test.ends, prepend=0)
    return {
        "vocabulary_size": model.bos,
        "train_documents": len(split.train.ends),
        "train_tokens": len(split.train.ids),
        "held_out_documents": len(split.test.ends),
        "held_out_tokens": len(split.test.ids),
        "held_out_bytes": text_bytes,
        "unseen_tokens": int(np.count_nonzero(~np.isin(split.test.ids, model.types))),
        **{f"entries_{order}": number for order, number in enumerate(model.entries, 1)},
        **loss_columns(losses, lengths, text_bytes),
    }


def main(
    records: list[str], tables: list[str], options: Any, memory_mb: int, keys: dict[str, str], output: Any
) -> None:
    """Estimate the model, write it, query it from there, and write its row of the table `language_model`."""
    check_memory(records, memory_mb)
    shards = [open_tokens(record) for record in records]
    split = split_documents(shards, options.held_out, options.split_seed)
    text_bytes = held_out_bytes(split, tables)
    model = estimate(split.train.ids, split.train.ends, shards[0].vocabulary_size)
    log.info("entries of orders 1 to 5: %s", model.entries)
    write_arpa(model, output.model)
    unseen = ~np.isin(split.test.ids, model.types)
    with file_to_query(output.model) as path:
        losses = document_losses(path, split.test, unseen, model.bos - len(model.types))
    columns = table_columns(model, split, losses, text_bytes)
    log.info("%.4f nats a token, %.4f bits a byte", columns["cross_entropy_nats"], columns["bits_per_byte"])
    write_tables("language_model", output.table, [{**keys, **columns}])


if __name__ == "__main__":
    with job(snakemake):
        main(
            list(snakemake.input.records),
            list(snakemake.input.texts),
            snakemake.params,
            snakemake.resources.mem_mb,
            dict(snakemake.wildcards),
            snakemake.output,
        )
