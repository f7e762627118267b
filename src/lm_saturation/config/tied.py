"""Options of stage tied: one matrix for embedding and LM head, and remedies for its high initial loss (Su 2023)."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lm_saturation.config.attention import AttentionShape
from lm_saturation.config.steps import Steps
from lm_saturation.options import (
    Count,
    Device,
    Different,
    JobOptions,
    Precision,
    Section,
    Seed,
    Seeds,
    option,
    refused,
)
from lm_saturation.tied.remedies import REMEDIES

if TYPE_CHECKING:
    RemedyName = str
else:
    RemedyName = Literal[tuple(REMEDIES)]
Remedies = Annotated[list[RemedyName], Different("names of remedies", 0)]
Sizes = Annotated[list[Annotated[int, Field(ge=2)]], Different("whole numbers from 2")]
Sigma = Annotated[float, Field(gt=0, le=10)]
Factors = Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0", 0)]
Scales = Annotated[list[Annotated[float, Field(ge=0)]], Different("numbers from 0")]
Tokenizers = Annotated[list[str], Different("names of tokenizers")]


class InitialOptions(Section):
    """The bigram model that a network starts as."""

    vocabulary_sizes: Sizes = option([2048, 50257], "tokens; from 2")
    widths: Sizes = option([16, 64, 256, 1024], "widths of the embedding, from 2; even for swap and shuffle")
    sigmas: Annotated[list[Sigma], Different("numbers above 0, at most 10")] = option(
        [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5], "standard deviations of the embedding; above 0, at most 10"
    )
    rows: int = option(128, "input tokens sampled; from 2", ge=2)
    seed: Seed = option(0, "seed of the embedding and of random projections")


class TransformersOptions(AttentionShape):
    """Models of transformers, at their own initialisation, tied and untied."""

    families: Annotated[list[Literal["gpt_neox", "gpt2", "llama"]], Different("gpt_neox, gpt2 and llama", 0)] = option(
        ["gpt_neox", "gpt2", "llama"], "architectures: gpt_neox, gpt2 or llama"
    )
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Different("whole numbers from 0")] = option(
        [0, 2], "transformer layers; 0 is the bigram model"
    )
    width: int = option(768, "hidden size, a multiple of 8 x attention_heads; as GPT-2", ge=1)
    attention_heads: int = option(12, "attention heads/layer; as GPT-2", ge=1)
    vocabulary_size: int = option(50257, "tokens, from 2; as GPT-2", ge=2)
    sequence_length: int = option(32, "random tokens/sequence; from 2", ge=2)
    sequences: int = option(8, "sequences; from 2", ge=2)
    seed: Seed = option(0, "seed of weights and tokens")


class TiedModel(AttentionShape):
    """The model trained with each remedy."""

    layers: int = option(..., "transformer layers; from 1", ge=1)
    learning_rate: float = option(..., "peak learning rate; above 0", gt=0)


class TiedTrainingOptions(Section):
    """How the models with a remedy are trained, but for the remedy and what it is compared in."""

    model: TiedModel = option({"width": 24, "layers": 1, "attention_heads": 1, "learning_rate": 0.02}, "a GPT-NeoX")
    self_logit: float = option(
        1.4,
        "initial self-logit of plain tying, in log(vocabulary), above 0: width x deviation of the embedding; as GPT-2",
        gt=0,
    )
    rate_factors: Factors = option(
        [],
        "learning rates tried with each remedy, times the model's, with the first seed and half of the steps; above 0; "
        "[] for none: the model's, and nothing is said of whether the loss has flattened",
    )
    seeds: Seeds = option([0, 1, 2], "seeds of weights and text order, the same for every remedy")
    sequence_length: int = option(128, "tokens/sequence; from 2", ge=2)
    batch_size: Count = option(8, "sequences/step; from 1")
    steps: Steps = option(
        [0, 1, 2, 4, 8, 16, 32, 64, {"first": 100, "last": 200, "every": 50}],
        "steps measured; the last ends training",
    )
    held_out_tokens: int = option(4096, "predicted tokens that models are evaluated on; from 2", ge=2)
    device: Device = option("cpu", "cpu or cuda")
    precision: Precision = option("float32", "float32 or bfloat16, of matrix products; weights are float32")

    @property
    def half_steps(self) -> list[int]:
        """The steps measured of a training with half as many."""
        half = self.steps[-1] // 2
        return [*(step for step in self.steps if step < half), half]


class TiedTraining(TiedTrainingOptions):
    """The same models with each remedy, on the same text in the same order."""

    remedies: Remedies = option(["plain", "scaled", "untied", "projection", "swap", "shuffle"], "some of tied.remedies")
    corpus: str = option("python-source", "corpus that models are trained on, but for held-out documents")
    tokenizers: Tokenizers = option(["bpe-2k"], "tokenizers; with each, every remedy is trained")
    residual_scales: Scales = option(
        [0.0], "initial scales of residual branches, from 0; with each, too; 0 is Su's premise, 1 is Pythia's"
    )


class TiedConfig(JobOptions):
    """Tied embeddings."""

    remedies: Remedies = option(list(REMEDIES), "[] for none")
    memory_mb: int = option(2000, "memory of a job, MB; from 1000", ge=1000)
    initial: InitialOptions = option({}, "initial loss of the bigram model that a network starts as")
    models: TransformersOptions = option({}, "models of transformers at their own initialisation, tied and untied")
    training: TiedTraining = option({}, "one model per remedy and seed, on the same text in the same order")

    @property
    def trained_remedies(self) -> list[RemedyName]:
        """The remedies that models are trained with; none where there is no study."""
        return self.training.remedies if self.remedies else []

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for width in self.initial.widths:
            if width % 2 and (halved := [name for name in self.remedies if REMEDIES[name].halves]):
                raise refused(f".initial.widths names {width}; allowed: even widths, with {' or '.join(halved)}")
        for remedy in self.trained_remedies:
            if remedy not in self.remedies:
                names = ", ".join(self.remedies)
                raise refused(f".training.remedies names {remedy!r}; allowed are those of tied.remedies: {names}")
        return self
