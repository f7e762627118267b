"""Options of suites of checkpoints: trained here, on the hub or on disk; their models, steps and spans.

A span is a fixed interval of steps, [k s, (k + 1) s), so that a step added to a configuration changes one span only.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lm_saturation.config.attention import AttentionShape
from lm_saturation.config.steps import MARK, SpanSteps, Steps, StepsOrAll
from lm_saturation.options import (
    Count,
    Device,
    Different,
    ModelName,
    Name,
    Precision,
    Section,
    Seed,
    Text,
    allowed,
    option,
    refused,
)

BadCheckpoints = Literal["refuse", "skip", "flag"]
Dtype = Literal["float32", "bfloat16", "float64"]
Control = Literal["positive", "negative"]


class WeightsOptions(Section):
    """How the weights of a suite's checkpoints are read, and how many tokens a step is."""

    trained_here: bool
    dtype: Dtype
    first_token: str | None
    bad_checkpoints: BadCheckpoints
    tokens_per_step: int | None


class LaterCorpus(Section):
    """Another corpus that a model is trained on from some step on: what it learned of the first it then forgets."""

    corpus: str = option(..., "corpus of the later batches, but for its held-out documents")
    after: float = option(..., "share of the steps that come before; between 0 and 1", gt=0, lt=1)

    def first_step(self, last: int) -> int:
        """The step whose update is the first on the later corpus, of a training that ends at step `last`."""
        return round(self.after * last)


class TrainingOptions(Section):
    """What decides the weights of trained models, beside the model and its steps."""

    sequence_length: int = option(128, "tokens/sequence; from 2", ge=2)
    batch_size: Count = option(64, "sequences/step; from 1")
    device: Device = option("cpu", "device of the training: cpu or cuda")
    precision: Precision = option("float32", "float32 or bfloat16, of matrix products in training; weights are float32")
    later_corpus: LaterCorpus | None = option(
        None,
        "of a positive control: {corpus: NAME, after: SHARE}, text that it is trained on after that share of steps",
    )


class TrainedModel(AttentionShape):
    """A model of Pythia's architecture, GPT-NeoX, and its training."""

    layers: int = option(..., "transformer layers; from 1", ge=1)
    learning_rate: float = option(..., "peak learning rate; above 0", gt=0)
    seed: Seed = option(0, "seed of weights and text order")


class Suite(Section):
    """What all suites have in common."""

    source: str
    corpus: str = option(..., "corpus that models are measured on")
    tokenizer: str = option(..., "tokenizer of the models")
    dtype: Dtype = option("float32", "float32, bfloat16 or float64, of weights and forward pass")
    bad_checkpoints: BadCheckpoints = option(
        "refuse", "checkpoints that are missing, damaged or the same as another: refuse, skip or flag"
    )

    @property
    def model_names(self) -> list[str]:
        """The names of its models."""
        raise NotImplementedError

    @property
    def step_list(self) -> list[int] | None:
        """The steps asked for, in order; None for all there are."""
        raise NotImplementedError

    @property
    def weights(self) -> WeightsOptions:
        """How its checkpoints are read."""
        raise NotImplementedError

    def spans(self) -> list[str]:
        """The numbers of its spans, in order."""
        return ["0"]

    def span_steps(self, span: str) -> SpanSteps:
        """The steps of a span."""
        del span
        return SpanSteps(steps=self.step_list, first=0, last=None)

    def reads(self, otherwise: int) -> int:
        """Tokens that its models read at a time; `otherwise` if the suite does not say."""
        raise NotImplementedError


class TrainedSuite(Suite, TrainingOptions):
    """Models trained here. A training is one span."""

    source: Literal["train"]
    models: Annotated[dict[Name, TrainedModel], Field(min_length=1)] = option(
        ..., "by name: width is the hidden size, learning_rate the peak"
    )
    corpus: str = option(..., "corpus that models are trained on (but for held-out documents) and measured on")
    steps: Steps = option(..., "checkpoints; the last ends training")
    threads: int = option(1, "threads of a training; the last digits depend on it", ge=1)
    control: Control | None = option(
        None,
        "positive if its loss rises by construction, negative if not; in no verdict, only in the table of controls",
    )

    @model_validator(mode="after")
    def _rises_by_construction_if_positive(self) -> Self:
        if self.later_corpus is None and self.control == "positive":
            raise refused(".later_corpus is missing; it is needed where control is positive")
        if self.later_corpus is None:
            return self
        if self.control != "positive":
            raise refused(f".control is {self.control!r} with a later_corpus; allowed: positive")
        if self.later_corpus.corpus == self.corpus:
            raise refused(f".later_corpus.corpus is {self.corpus!r}, as the corpus; allowed: another one")
        change, last = self.later_corpus.first_step(self.steps[-1]), self.steps[-1]
        if not 0 < change < last:
            after = self.later_corpus.after
            raise refused(f".later_corpus.after is {after}, at step {change} of {last}; allowed: a step between")
        return self

    @property
    def model_names(self) -> list[str]:
        """The names of its models."""
        return list(self.models)

    @property
    def step_list(self) -> list[int]:
        """Its checkpoints' steps."""
        return self.steps

    @property
    def weights(self) -> WeightsOptions:
        """How its checkpoints are read."""
        tokens = self.batch_size * self.sequence_length
        return self.part(WeightsOptions, trained_here=True, first_token=None, tokens_per_step=tokens)

    def reads(self, otherwise: int) -> int:
        """Tokens that its models read at a time."""
        del otherwise
        return self.sequence_length


class CheckpointLocation(Section):
    """Where the checkpoints of a suite are."""

    source: str
    single_step: int | None  # of the only checkpoint, where the pattern names no step


class HubLocation(CheckpointLocation):
    """In branches or tags of repositories of the hub."""

    repository: str
    revision: str


class LocalLocation(CheckpointLocation):
    """In folders on disk."""

    path: str


AnyLocation = HubLocation | LocalLocation


class ForeignSuite(Suite):
    """Models that others trained."""

    models: Annotated[list[ModelName], Different("names")] = option(..., "names of the models")
    tokens_per_step: Count | None = option(None, "training tokens/step; from 1")
    steps: StepsOrAll = option("all", "checkpoints, or all that there are")
    last_step: Count | None = option(None, "where steps is all: the maximum step; from 1")
    span: Count | None = option(None, "steps whose checkpoints one job fetches and measures; from 1")
    sequence_length: Annotated[int, Field(ge=2)] | None = option(
        None, "tokens/sequence, from 2; metrics.sequence_length if it is not named"
    )
    first_token: Text | None = option(None, "a token that every sequence begins with")

    @property
    def pattern(self) -> str:
        """The pattern that names its checkpoints, with {step} for the step."""
        raise NotImplementedError

    @property
    def location(self) -> AnyLocation:
        """Where its checkpoints are."""
        raise NotImplementedError

    @property
    def model_names(self) -> list[str]:
        """The names of its models."""
        return self.models

    @property
    def step_list(self) -> list[int] | None:
        """The steps asked for; a suite of single checkpoints has one, 0 by default."""
        if self.steps == "all":
            return None if MARK in self.pattern else [0]
        return self.steps

    @property
    def single_step(self) -> int | None:
        """The step of the only checkpoint of each model; None where the pattern names steps."""
        return None if MARK in self.pattern else (self.step_list or [0])[0]

    @property
    def weights(self) -> WeightsOptions:
        """How its checkpoints are read."""
        return self.part(WeightsOptions, trained_here=False)

    def spans(self) -> list[str]:
        """The numbers of its spans, in order."""
        if not self.span:
            return ["0"]
        if self.step_list is None:
            return [str(number) for number in range((self.last_step or 0) // self.span + 1)]
        return [str(number) for number in sorted({step // self.span for step in self.step_list})]

    def span_steps(self, span: str) -> SpanSteps:
        """The steps of a span."""
        steps = self.step_list
        if not self.span:
            return SpanSteps(steps=steps, first=0, last=None)
        first, last = int(span) * self.span, (int(span) + 1) * self.span
        return SpanSteps(steps=steps and [step for step in steps if first <= step < last], first=first, last=last)

    def reads(self, otherwise: int) -> int:
        """Tokens that its models read at a time; `otherwise` if the suite does not say."""
        return self.sequence_length or otherwise

    def _check_names(self, name: str, value: str, names: str) -> None:
        if len(self.models) > 1 and "{model}" not in names:
            raise refused(f".{name} is {value!r} for several models; allowed: a name with {{model}} in it")
        single = MARK not in self.pattern
        if single and len(self.step_list or []) > 1:
            raise refused(f".steps names several steps, but {self.pattern!r} has no {MARK}; allowed: one step")
        if self.steps == "all" and self.span and not self.last_step and not single:
            raise refused(".last_step is missing; it is needed where steps is all and there is a span")


class HubSuite(ForeignSuite):
    """Checkpoints on the Hugging Face hub."""

    source: Literal["hub"]
    repository: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/([A-Za-z0-9]|\{model\})([A-Za-z0-9._-]|\{model\})*$"),
        allowed("owner/name, as on the hub, with {model} for the name of the model"),
    ] = option(..., "repositories of the hub, {model} for the name of the model")
    revision: Annotated[
        str,
        Field(pattern=r"^([A-Za-z0-9*]|\{model\}|\{step\})([A-Za-z0-9._/*-]|\{model\}|\{step\})*$"),
        allowed("a commit, branch or tag, with {step} for the step and * for anything"),
    ] = option(..., "branches or tags, {step} for the step and * for anything; without {step} a single checkpoint")

    @property
    def pattern(self) -> str:
        """The pattern that names its checkpoints."""
        return self.revision

    @property
    def location(self) -> HubLocation:
        """Where its checkpoints are."""
        return self.part(HubLocation)

    @model_validator(mode="after")
    def _named(self) -> Self:
        self._check_names("repository", self.repository, self.repository + self.revision)
        return self


class LocalSuite(ForeignSuite):
    """Checkpoints on disk."""

    source: Literal["local"]
    path: Text = option(
        ..., "folders of checkpoints, {model} for the name of the model, {step} for the step, * for anything"
    )

    @property
    def pattern(self) -> str:
        """The pattern that names its checkpoints."""
        return self.path

    @property
    def location(self) -> LocalLocation:
        """Where its checkpoints are."""
        return self.part(LocalLocation)

    @model_validator(mode="after")
    def _named(self) -> Self:
        self._check_names("path", self.path, self.path)
        return self


AnySuite = Annotated[TrainedSuite | HubSuite | LocalSuite, Field(discriminator="source")]


class CheckpointsConfig(Section):
    """Which suites are measured, and how much of them lies on disk."""

    suites: Annotated[list[str], Different("names", 0)] = option(
        ["mini", "control-positive", "control-negative"], "suites, by name"
    )
    prefetch: Count = option(2, "spans of a downloaded model on disk at once; from 1")
