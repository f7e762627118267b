"""Options of stage metrics: what every checkpoint is measured on."""

from typing import Annotated

from pydantic import Field

from lm_saturation.options import Count, Device, JobOptions, Section, Seed, allowed, option


class WordPerplexity(Section):
    """Documents of another text, for figure 3."""

    corpus: str = option(..., "a corpus")
    tokens: Count = option(..., "full documents of it are taken until they have so many tokens")


class MetricOptions(Section):
    """The sample and what is measured on it."""

    tokens: int = option(25400, "predicted tokens; from 2", ge=2)
    sequence_length: int = option(1024, "tokens/sequence for suites that do not say; from 2", ge=2)
    batch_size: Count = option(32, "sequences/batch; halved when a GPU runs out of memory")
    seed: Seed = option(0, "seed of the choice of tokens")
    device: Device = option("cpu", "cpu or cuda")
    unargmaxable: bool = option(False, "count the tokens that no hidden state can make the most likely; true or false")
    random_text_tokens: int = option(
        4096, "predicted tokens of random text by the corpus's unigram law, and by its bigram law; 0: none", ge=0
    )
    weight_noise: Annotated[float, Field(gt=0)] | None = option(
        None, "null, or relative size of Gaussian noise on every weight matrix, above 0: loss increase under it"
    )
    word_perplexity: Annotated[WordPerplexity | None, allowed("null, or a mapping with corpus and tokens")] = option(
        None, "null, or {corpus: NAME, tokens: 300000}: word perplexity of another corpus, figure 3"
    )


class MetricsConfig(MetricOptions, JobOptions):
    """One forward pass a checkpoint, the same held-out tokens for all."""


class HeldOut(Section):
    """Documents that models trained here (5-gram and neural) are tested on and not trained on."""

    share: Annotated[float, Field(gt=0, lt=1), allowed("a number between 0 and 1")] = option(
        0.05, "share of the documents of a corpus; between 0 and 1"
    )
    minimum_documents: Count = option(
        220, "held out even if that is more than the share, but at most a third of the documents; from 1"
    )
    seed: Seed = option(0, "seed of the choice of documents")
