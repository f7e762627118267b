"""Options of stage causes: what a softmax needs, and what it does not see."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lm_saturation.config.ngrams import Order
from lm_saturation.options import AnyNames, Count, Different, JobOptions, Section, Seed, Seeds, allowed, option, refused

Dimensions = Annotated[list[Count], Different("whole numbers from 1", 0)]
NormProducts = Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0", 0)]


class SearchOptions(Section):
    """How the least loss of d dimensions is searched for."""

    iterations: Count = option(120, "L-BFGS iterations of the best start, at most; from 1")
    trial_iterations: Count = option(20, "iterations after which the best start is chosen; from 1, at most iterations")
    tolerance: Annotated[float, Field(ge=0)] = option(
        1e-6, "nats that an iteration must gain; below it a search ends; from 0"
    )
    starts: Annotated[
        list[Literal["logarithmic", "correspondence", "noise"]],
        Different("starts"),
        allowed("a list of different starts: logarithmic, correspondence, noise"),
    ] = option(
        ["logarithmic", "noise"],
        "where searches begin, beside the solution of fewer dimensions: logarithmic, correspondence, noise",
    )
    seed: Seed = option(0, "seed of starts and synthetic languages")


class LanguageOptions(Section):
    """Synthetic languages whose logits have a known rank, on which the search is tested."""

    ranks: Dimensions = option([2, 4, 8, 16], "true ranks of the logits; below vocabulary_size; [] for none")
    dimensions: Dimensions = option([1, 2, 3, 4, 6, 8, 12, 16, 24], "dimensions of the head")
    contexts: Count = option(100, "contexts, which come by Zipf's law")
    vocabulary_size: int = option(100, "tokens; from 2", ge=2)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        highest = min(self.contexts, self.vocabulary_size - 1)
        for rank in self.ranks:
            if rank > highest:
                raise refused(f".ranks names {rank}; allowed with these contexts and tokens: 1 to {highest}")
        return self


class TransformerOptions(Section):
    """Small transformers trained on these languages."""

    widths: Annotated[list[Annotated[int, Field(ge=2)]], Different("whole numbers from 2", 0)] = option(
        [], "hidden sizes, from 2, none below the least of dimensions; [] for none, and those shipped are drawn"
    )
    layers: Count = option(1, "transformer layers; from 1")
    steps: Count = option(1000, "updates of a training, each on all contexts; from 1")
    learning_rates: Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0")] = option(
        [0.01, 0.03], "peak learning rates, above 0; the best is chosen per model"
    )
    seeds: Seeds = option([0, 1, 2], "seeds of the weights")


class LanguageConfig(LanguageOptions):
    """And the transformers trained on them."""

    transformers: TransformerOptions = option({}, "small transformers trained on these languages")

    @model_validator(mode="after")
    def _beside_the_ideal(self) -> Self:
        for width in self.transformers.widths:
            if width < min(self.dimensions):
                raise refused(f".transformers.widths names {width}; allowed: from the least of dimensions on")
        return self

    @property
    def trained(self) -> bool:
        """Whether any are trained."""
        return bool(self.ranks and self.transformers.widths)


class SoftmaxRankOptions(SearchOptions):
    """Of which contexts, and at which dimensions."""

    min_count: Count = option(10, "times that a context must be seen; from 1")
    contexts: Count = option(100, "contexts, the most frequent ones; from 1")
    dimensions: Dimensions = option([1, 2, 4, 8, 16, 32, 64], "dimensions of the head; [] for no search")
    norm_products: NormProducts = option(
        [50.0], "bounds on the largest norm of a state times the largest of a token, above 0; also without one"
    )


class SmoothedOptions(Section):
    """The same contexts with the laws that a Kneser–Ney model gives them."""

    orders: Annotated[list[Order], Different("whole numbers from 2 to 5", 0)] = option(
        [5], "those of the n-grams' orders, 2 to 5, whose contexts are searched with these laws, too; [] for none"
    )
    dimensions: Dimensions = option([1, 2, 4, 8, 16], "dimensions of the head; without a bound on norms")


class InterventionOptions(Section):
    """How LM heads and states are changed where softmax does not see it."""

    tokens: int = option(4096, "predicted tokens whose states are changed, at most metrics.tokens; from 2", ge=2)
    loss_tokens: Count = option(2048, "the first of them, on which losses are computed; from 1")
    like: Literal["pythia-14m", "pythia-31m", "pythia-70m", "pythia-160m", "pythia-410m"] = option(
        "pythia-70m",
        "model of the paper whose end they are given: pythia-14m, pythia-31m, pythia-70m, pythia-160m or pythia-410m",
    )
    offsets: Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0", 0)] = option(
        [4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0], "common offsets of logits, nats, whose rounding is measured; above 0"
    )


class InterventionConfig(InterventionOptions):
    """Which models."""

    suites: Annotated[AnyNames | None, allowed("null, or a list of suites")] = option(
        None, "suites whose last checkpoints are changed; null: all measured but those of the hub; [] for none"
    )


TrainedPrecision = Literal["float32", "bfloat16_logits", "float16_logits", "bfloat16", "float16"]
HeadKind = Literal["plain", "centred", "z_loss", "coupled"]
ModelOfSuite = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$"), allowed("SUITE/MODEL, of a suite that is trained here")]


class OffsetTrainingOptions(Section):
    """How small models are trained in half precision."""

    precisions: Annotated[list[TrainedPrecision], Different("precisions")] = option(
        ["float32", "bfloat16_logits", "float16_logits", "bfloat16", "float16"],
        "of logits alone or of all matrix products: float32, bfloat16_logits, float16_logits, bfloat16 or float16",
    )
    heads: Annotated[list[HeadKind], Different("heads")] = option(
        ["plain", "centred", "z_loss", "coupled"],
        "plain, centred (its mean row removed after each update), z_loss or coupled (its rows share one second moment)",
    )
    seeds: Seeds = option([0, 1, 2], "seeds of weights and text order; one training each per precision and head")
    steps: Count = option(1200, "updates of a training; from 1")
    z_loss: float = option(1e-4, "weight of the mean of (log Z)^2 in the loss, with z_loss; above 0", gt=0)


class OffsetTrainingConfig(OffsetTrainingOptions):
    """Which models."""

    models: Annotated[list[ModelOfSuite], Different("SUITE/MODEL, of a suite that is trained here", 0)] = option(
        [], "SUITE/MODEL trained so, on the CPU; [] for none"
    )

    @property
    def trainings(self) -> list[tuple[str, str]]:
        """Suite and model of each."""
        return [(suite, model) for suite, model in (name.split("/") for name in self.models)]


class FactorialOptions(Section):
    """How wide trunks with heads of low rank are trained beside narrow models."""

    ranks: Annotated[list[Count], Different("whole numbers from 1")] = option(
        [8, 16], "ranks of the head, widths of models of that suite; at the model's own width it is a control"
    )
    rate_factors: Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0")] = option(
        [1.0], "learning rates tried, times the model's; each kind of model gets the best at tuning_seed; above 0"
    )
    tuning_seed: Seed = option(100, "seed of the trainings that choose rates; none of seeds")
    steps: Count = option(1200, "updates of a training; from 1")


class HeadOrTrunkConfig(FactorialOptions):
    """Which models and seeds."""

    models: Annotated[list[ModelOfSuite], Different("SUITE/MODEL, of a suite that is trained here", 0)] = option(
        [], "SUITE/MODEL, the wide ones, trained so on the CPU; [] for none"
    )
    seeds: Seeds = option([0, 1, 2, 3, 4], "seeds of weights and text order; intervals are over them")

    @model_validator(mode="after")
    def _chosen_elsewhere(self) -> Self:
        if self.tuning_seed in self.seeds:
            raise refused(f".tuning_seed is {self.tuning_seed}; allowed: none of the seeds that rates are chosen for")
        return self

    @property
    def trainings(self) -> list[tuple[str, str]]:
        """Suite and model of each."""
        return [(suite, model) for suite, model in (name.split("/") for name in self.models)]


SearchedText = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$"), allowed("CORPUS/TOKENIZER")]
Width = Annotated[int, Field(ge=4, multiple_of=2), allowed("an even number from 4")]
Rates = Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0")]
Schedule = Literal["constant", "cosine"]
LogitPrecision = Literal["float32", "bfloat16"]


class SaturationSearchOptions(Section):
    """How tiny models are trained in search of saturation: all combinations, those of one shape at once."""

    learning_rates: Rates = option([0.01, 0.1], "peak learning rates; above 0")
    schedules: Annotated[list[Schedule], Different("schedules"), allowed("constant, cosine")] = option(
        ["constant", "cosine"], "of the learning rate after the warm-up: constant, or cosine to a tenth"
    )
    weight_decays: Annotated[list[Annotated[float, Field(ge=0)]], Different("numbers from 0")] = option(
        [0.1], "weight decays of matrices and embeddings; from 0"
    )
    precisions: Annotated[list[LogitPrecision], Different("precisions"), allowed("float32, bfloat16")] = option(
        ["float32", "bfloat16"], "of the logits in training: float32, bfloat16"
    )
    seeds: Seeds = option([0, 1, 2], "seeds of weights and text order, at least three for a verdict")
    tokens_per_parameter: Count = option(8000, "that each training sees; from 1")
    sequence_length: int = option(32, "tokens/sequence; from 2", ge=2)
    checkpoints: int = option(48, "evenly spaced over a training; a multiple of 4, from 8", ge=8, multiple_of=4)
    held_out_tokens: int = option(16384, "predicted tokens of the held-out sample; from 2", ge=2)
    random_text_tokens: Count = option(4096, "predicted tokens of random text by the unigram law; from 1")


class SaturationSearchConfig(SaturationSearchOptions):
    """On which texts, and of which shapes."""

    texts: Annotated[list[SearchedText], Different("CORPUS/TOKENIZER", 0)] = option(
        [], "CORPUS/TOKENIZER that tiny models are trained on; [] for no search"
    )
    widths: Annotated[list[Width], Different("even numbers from 4")] = option(
        [4], "hidden sizes, even, from 4; one layer, one attention head"
    )
    batch_sizes: Annotated[list[Count], Different("whole numbers from 1")] = option([16], "sequences/update; from 1")


class CausesConfig(SoftmaxRankOptions, JobOptions):
    """What a softmax needs, on the texts of ngrams.controls with contexts of each length, and what it does not see."""

    memory_mb: int = option(2000, "memory of a job, MB; from 1000", ge=1000)
    smoothed: SmoothedOptions = option({}, "the same contexts with the laws that a Kneser–Ney model gives them")
    languages: LanguageConfig = option({}, "languages whose logits have a known rank")
    intervention: InterventionConfig = option({}, "last checkpoints changed where softmax does not see it")

    training: OffsetTrainingConfig = option({}, "small models trained in half precision")
    head_or_trunk: HeadOrTrunkConfig = option({}, "wide trunks with heads of low rank, beside narrow models")
    search: SaturationSearchConfig = option({}, "tiny models trained in search of saturation, on the CPU")

    @model_validator(mode="after")
    def _trial_first(self) -> Self:
        if self.trial_iterations > self.iterations:
            raise refused(
                f".trial_iterations is {self.trial_iterations}; allowed: at most the {self.iterations} iterations"
            )
        return self
