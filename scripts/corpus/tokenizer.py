"""Rule `tokenizer`: a tokenizer.json, trained on corpora of this run or brought by the user."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from scripts.common.jobs import job, log, whole_file
from scripts.common.tables import read_parts
from scripts.common.tokenizer_files import load_tokenizer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

UNKNOWN = "[UNK]"


def train_tokenizer(algorithm: str, vocabulary_size: int, corpora: list[str]) -> Tokenizer:
    """Train on the text of the corpus tables named.

    `byte-bpe` is byte-level byte-pair encoding as in GPT-2 and Pythia; `word` takes each run of characters without
    space as a token. A corpus with too little text gives fewer than `vocabulary_size` tokens, which is logged.
    """
    if algorithm == "byte-bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(vocab_size=vocabulary_size, initial_alphabet=alphabet, show_progress=False)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.WordLevelTrainer(vocab_size=vocabulary_size, special_tokens=[UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(_texts(corpora), trainer)
    if (size := tokenizer.get_vocab_size()) < vocabulary_size:
        log.warning("asked for %d tokens; the text gave %d", vocabulary_size, size)
    return tokenizer


def _texts(corpora: list[str]) -> Iterator[list[str]]:
    for path in corpora:
        for part in read_parts("corpus_text", path, ["text"]):
            yield part["text"].to_pylist()


if __name__ == "__main__":
    with job(snakemake):
        definition = snakemake.params.definition
        if definition["source"] == "local":
            made = load_tokenizer(snakemake.input.local)
        else:
            made = train_tokenizer(
                definition["algorithm"], definition["vocabulary_size"], list(snakemake.input.corpora)
            )
        with whole_file(snakemake.output[0]) as partial:
            made.save(str(partial))
