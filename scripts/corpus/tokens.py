"""Rule `tokens`: a corpus in the ids of a tokenizer, as a token file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scripts.common.jobs import job, progress
from scripts.common.tables import read_parts
from scripts.common.token_files import write_tokens
from scripts.common.tokenizer_files import load_tokenizer, vocabulary_size

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def tokenise(corpus: str | Path, tokenizer: Tokenizer) -> Iterator[NDArray[np.uint32]]:
    """The ids of each document of the corpus table, without special tokens."""
    current = 0
    pieces: list[NDArray[np.uint32]] = []
    for part in progress(read_parts("corpus_text", corpus, ["document", "text"]), f"tokens of {corpus}", unit="part"):
        encodings = tokenizer.encode_batch_fast(part["text"].to_pylist(), add_special_tokens=False)
        for document, encoding in zip(part["document"].to_pylist(), encodings, strict=True):
            if document != current:
                yield np.concatenate(pieces)
                current, pieces = document, []
            pieces.append(np.array(encoding.ids, np.uint32))
    yield np.concatenate(pieces)


def main(corpus: str | Path, tokenizer_path: str | Path, record_path: str | Path, about: dict[str, Any]) -> None:
    """Tokenise the corpus table and write the token file."""
    tokenizer = load_tokenizer(tokenizer_path)
    write_tokens(record_path, tokenise(corpus, tokenizer), vocabulary_size(tokenizer), about)


if __name__ == "__main__":
    with job(snakemake):
        main(
            snakemake.input.corpus,
            snakemake.input.tokenizer,
            snakemake.output.record,
            {"corpus": snakemake.wildcards.corpus, "tokenizer": snakemake.wildcards.tokenizer},
        )
