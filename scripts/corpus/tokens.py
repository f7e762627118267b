"""Rule `tokens`: a shard of a corpus in the ids of a tokenizer, as a token file."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scripts.common.jobs import job, log, progress
from scripts.common.tables import read_parts
from scripts.common.token_files import write_tokens
from scripts.common.tokenizer_files import continuing, load_tokenizer, vocabulary_size
from scripts.corpus.shards import Shard

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def tokenise(corpus: str | Path, tokenizer: Tokenizer) -> Iterator[NDArray[np.uint32]]:
    """The ids of each document of the corpus table, without special tokens."""
    further = continuing(tokenizer)
    document: int | None = None
    pieces: list[NDArray[np.uint32]] = []
    parts = read_parts("corpus_text", corpus, ["document", "piece", "text"])
    for part in progress(parts, f"tokens of {corpus}", unit="part"):
        for number, ids in zip(part["document"].to_pylist(), _encode(part, tokenizer, further), strict=True):
            if number != document and pieces:
                yield np.concatenate(pieces)
                pieces = []
            document = number
            pieces.append(ids)
    if pieces:
        yield np.concatenate(pieces)


def _encode(part: pa.Table, tokenizer: Tokenizer, further: Tokenizer) -> list[NDArray[np.uint32]]:
    """The ids of each row's text: by `tokenizer` where a document begins, by `further` where it goes on."""
    numbers, texts = part["piece"].to_pylist(), part["text"].to_pylist()
    ids = [np.empty(0, np.uint32)] * len(texts)
    for encode, rows in (
        (tokenizer, [row for row, number in enumerate(numbers) if not number]),
        (further, [row for row, number in enumerate(numbers) if number]),
    ):
        encodings = encode.encode_batch_fast([texts[row] for row in rows], add_special_tokens=False)
        for row, encoding in zip(rows, encodings, strict=True):
            ids[row] = np.array(encoding.ids, np.uint32)
    return ids


def first_tokens(documents: Iterable[NDArray[np.uint32]], most: int | None) -> Iterator[NDArray[np.uint32]]:
    """The documents up to the `most`-th token, the last one cut short; all of them if `most` is None."""
    left = float("inf") if most is None else most
    for ids in documents:
        if left <= 0:
            return
        yield ids if len(ids) <= left else ids[: int(left)]
        left -= len(ids)


def main(
    corpus: str | Path, tokenizer_path: str | Path, record_path: str | Path, most: int | None, about: dict[str, Any]
) -> None:
    """Tokenise the corpus table and write the token file, with at most `most` tokens."""
    tokenizer = load_tokenizer(tokenizer_path)
    documents = first_tokens(tokenise(corpus, tokenizer), most)
    record = write_tokens(record_path, documents, vocabulary_size(tokenizer), about)
    if most is not None and record["tokens"] < most:
        log.warning("asked for %d tokens; the text gave %d", most, record["tokens"])


if __name__ == "__main__":
    with job(snakemake):
        shard = Shard(int(snakemake.wildcards.shard), snakemake.params.shards)
        main(
            snakemake.input.corpus,
            snakemake.input.tokenizer,
            snakemake.output.record,
            shard.share(snakemake.params.max_tokens),
            {
                "corpus": snakemake.wildcards.corpus,
                "tokenizer": snakemake.wildcards.tokenizer,
                "shard": shard.number,
                "shards": shard.of,
            },
        )
