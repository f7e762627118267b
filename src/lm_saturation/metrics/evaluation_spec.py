"""What every checkpoint of a suite is measured on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm_saturation.config.metrics import HeldOut, MetricOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.inference.evaluation_sample import EvaluationSample, draw_sample, token_sizes
from lm_saturation.inference.start_token import first_token
from lm_saturation.metrics.random_text import RandomText, corpus_pairs, draw_random_text
from lm_saturation.metrics.word_perplexity import Text, read_text
from lm_saturation.text.splits import Documents, split_documents
from lm_saturation.text.token_files import Tokens, open_shards
from lm_saturation.text.tokenizers import load_tokenizer

BLOCK = 1 << 24  # token ids counted at a time


@dataclass(frozen=True)
class EvaluationSpec:
    """The held-out sample, and what else the metrics of a model depend on."""

    sample: EvaluationSample
    counts: NDArray[np.int64]  # (vocabulary,) how often the corpus holds each token
    batch_size: int  # sequences
    unargmaxable: bool
    text: Text | None  # for word perplexity
    first: int | None  # id of the token put before every sequence
    random_text: RandomText | None = None
    weight_noise: float | None = None  # relative size; None for no noise
    seed: int = 0  # of that noise


@dataclass(frozen=True)
class EvaluationFiles:
    """The files that an EvaluationSpec is made of; those of the text for word perplexity may be missing."""

    tokens: Sequence[str | Path]
    tokenizer: str | Path
    word_tokens: Sequence[str | Path] = ()
    word_texts: Sequence[str | Path] = ()


def read_spec(
    files: EvaluationFiles, weights: WeightsOptions, options: MetricOptions, held_out: HeldOut
) -> EvaluationSpec:
    """Draw the sample and the random text, and count the tokens of a suite's corpus.

    A suite that is trained here is measured on the documents that it was not trained on. Raises InputError if there is
    too little text, or the tokenizer has no such first token.
    """
    shards, tokenizer = open_shards(files.tokens), load_tokenizer(str(files.tokenizer))
    texts: Sequence[Tokens | Documents] = shards
    if weights.trained_here:
        texts = [split_documents(shards, held_out).test]
    first = first_token(tokenizer, weights.first_token)
    sizes = token_sizes(tokenizer, shards[0].vocabulary_size)
    sample = draw_sample(texts, options.tokens, options.sequence_length, options.seed, sizes, first)
    text = None
    if words := options.word_perplexity:
        text = read_text(open_shards(files.word_tokens), [str(path) for path in files.word_texts], words.tokens)
    counts = token_counts(shards)
    number, length = options.random_text_tokens, options.sequence_length
    drawn = draw_random_text(counts, corpus_pairs(shards), number, length, options.seed) if number else None
    return EvaluationSpec(
        sample,
        counts,
        options.batch_size,
        options.unargmaxable,
        text,
        first,
        random_text=drawn,
        weight_noise=options.weight_noise,
        seed=options.seed,
    )


def token_counts(shards: Sequence[Tokens]) -> NDArray[np.int64]:
    """(V,) how often a corpus holds each token."""
    size = shards[0].vocabulary_size
    blocks = (shard.ids[at : at + BLOCK] for shard in shards for at in range(0, len(shard.ids), BLOCK))
    return sum((np.bincount(ids, minlength=size) for ids in blocks), np.zeros(size, np.int64))
