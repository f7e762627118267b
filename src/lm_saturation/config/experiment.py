"""The whole configuration of an experiment: every section, and whether the names in it lead anywhere.

experiment = read_experiment(yaml.safe_load(text))
experiment.heads.ranks
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, Union

from pydantic import Field, model_validator

from lm_saturation.config.abilities import AbilitiesConfig
from lm_saturation.config.causes import CausesConfig, SoftmaxRankOptions
from lm_saturation.config.heads import HeadsConfig
from lm_saturation.config.metrics import HeldOut, MetricOptions, MetricsConfig
from lm_saturation.config.ngrams import NgramSample, NgramsConfig
from lm_saturation.config.report import ReportConfig
from lm_saturation.config.scaling import ScalingConfig
from lm_saturation.config.suites import (
    AnySuite,
    CheckpointsConfig,
    Control,
    HubSuite,
    Suite,
    TrainedModel,
    TrainedSuite,
    WeightsOptions,
)
from lm_saturation.config.tied import TiedConfig
from lm_saturation.errors import InputError
from lm_saturation.io.reading import unreadable_named
from lm_saturation.options import Folder, Kind, Name, Section, option, refused, suggestion
from lm_saturation.text.sources import SOURCES, CorpusSource
from lm_saturation.text.sources.tokenizers import TOKENIZER_SOURCES, TokenizerSource

MAXIMUM_VALUES = 100_000

if TYPE_CHECKING:
    Corpus = CorpusSource
    Tokenizer = TokenizerSource
else:
    Corpus = Annotated[Union[SOURCES], Field(discriminator="source")]  # noqa: UP007 (of a tuple)
    Tokenizer = Annotated[Union[TOKENIZER_SOURCES], Field(discriminator="source")]  # noqa: UP007


class TokenizedText(NamedTuple):
    """A corpus in the tokens of a tokenizer."""

    corpus: str
    tokenizer: str


class Pathvars(Section):
    """Folders of results and logs, so that experiments do not overwrite each other's. Snakemake reads them, too."""

    results: Folder = option("results", "folder of tables, figures, claims and the report")
    logs: Folder = option("logs", "folder of logs and time measurements, one of each per job")


class Experiment(Section):
    """Everything that decides what a run does."""

    pathvars: Pathvars = option({}, "folders of results and logs; each experiment has its own")
    corpora: Annotated[dict[Name, Corpus], Field(min_length=1)] = option(
        ..., "every corpus by name; the lists below select by name"
    )
    tokenizers: Annotated[dict[Name, Tokenizer], Field(min_length=1)] = option(
        ..., "every tokenizer by name; the lists below select by name"
    )
    held_out: HeldOut = option(
        {}, "documents that models trained here (5-gram and neural) are evaluated on and not trained on"
    )
    ngrams: NgramsConfig = option({}, "the rank of language, figure 7")
    suites: dict[Name, AnySuite] = option({}, "every suite of checkpoints by name; checkpoints.suites selects")
    checkpoints: CheckpointsConfig = option({}, "the suites that are measured")
    metrics: MetricsConfig = option({}, "one forward pass per checkpoint, on the same held-out tokens for all")
    heads: HeadsConfig = option({}, "LM heads of constrained rank on frozen trunks, figures 6, 8 and 9")
    scaling: ScalingConfig = option({}, "the scaling law, figure 1b")
    abilities: AbilitiesConfig = option({}, "evaluations by lm-evaluation-harness, beside the published ones of Pythia")
    tied: TiedConfig = option({}, "tied embeddings, and remedies for their high initial loss (Su 2023)")
    causes: CausesConfig = option(
        {},
        "what a softmax needs, on the texts of ngrams.controls with contexts of each length, and what it does not see",
    )
    report: ReportConfig = option({}, "how figures look")

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Self:
        for key, names, known in self._references():
            for name in names:
                if name not in known:
                    raise refused(f"{key} names {name!r}{suggestion(name, known)}; allowed: {', '.join(known)}")
        if self.ngrams.cross_documents and self.ngrams.shards > 1:
            raise refused(f"ngrams.cross_documents is true with {self.ngrams.shards} ngrams.shards; allowed: one shard")
        self._narrow_models_exist()
        if self.abilities.suites and not self.abilities.made_tasks + self.abilities.harness_tasks:
            raise refused("abilities.tasks holds no task that can be had; allowed: tasks, or no abilities.suites")
        return self

    def _narrow_models_exist(self) -> None:
        """Refuse ranks of causes.head_or_trunk that no model of the suite is as wide as."""
        for suite, name in self.causes.head_or_trunk.trainings:
            wide, models = self.factorial_models(suite, name)
            allowed = sorted({model.width for model in models if model.width <= wide.width})
            for rank in self.causes.head_or_trunk.ranks:
                if rank not in allowed:
                    raise refused(
                        f"causes.head_or_trunk.ranks names {rank}; allowed for {suite}/{name}, whose suite has models "
                        f"of these widths: {', '.join(map(str, allowed))}"
                    )

    def factorial_models(self, suite: str, name: str) -> tuple[TrainedModel, list[TrainedModel]]:
        """A model of a suite that is trained here, and all of the suite."""
        definition = self.suites[suite]
        assert isinstance(definition, TrainedSuite)
        return definition.models[name], list(definition.models.values())

    def _references(self) -> Iterator[tuple[str, Iterable[str], Mapping[str, Any] | list[str]]]:
        """Every key that holds names: the key, the names, and those that there are."""
        for name, tokenizer in self.tokenizers.items():
            yield f"tokenizers.{name}.corpora", tokenizer.training_corpora(), self.corpora
        yield "ngrams.corpora", self.ngrams.corpora, self.corpora
        yield "ngrams.tokenizers", self.ngrams.tokenizers, self.tokenizers
        yield "ngrams.controls.tokenizers", self.ngrams.controls.tokenizers, self.tokenizers
        for name, suite in self.suites.items():
            yield f"suites.{name}.corpus", [suite.corpus], self.corpora
            yield f"suites.{name}.tokenizer", [suite.tokenizer], self.tokenizers
            if isinstance(suite, TrainedSuite) and suite.later_corpus:
                yield f"suites.{name}.later_corpus.corpus", [suite.later_corpus.corpus], self.corpora
        yield "checkpoints.suites", self.checkpoints.suites, self.suites
        if words := self.metrics.word_perplexity:
            yield "metrics.word_perplexity.corpus", [words.corpus], self.corpora
        suites = self.suites.items()  # a control is evidence of nothing else
        models = [f"{name}/{model}" for name, suite in suites if not control_of(suite) for model in suite.model_names]
        yield "heads.models", self.heads.models, models
        yield "scaling.suites", self.scaling.suites, self.measured_suites
        yield "scaling.fit_from", self.scaling.fit_from, self.scaling.suites
        yield "causes.intervention.suites", self.intervention_suites, self.measured_suites
        own = [(name, suite) for name, suite in suites if isinstance(suite, TrainedSuite)]
        trained = [f"{name}/{model}" for name, suite in own for model in suite.models]
        yield "causes.training.models", self.causes.training.models, trained
        yield "causes.head_or_trunk.models", self.causes.head_or_trunk.models, trained
        yield "causes.search.texts", [text.corpus for text in self.search_texts], self.corpora
        yield "causes.search.texts", [text.tokenizer for text in self.search_texts], self.tokenizers
        yield "abilities.suites", self.abilities.suites, self.measured_suites
        yield "tied.training.corpus", [self.tied.training.corpus], self.corpora
        yield "tied.training.tokenizers", self.tied.training.tokenizers, self.tokenizers
        yield "report.published", self.report.published, self.tokenizers

    @property
    def shards(self) -> list[str]:
        """The parts that each corpus is read and tokenised in."""
        return [str(number) for number in range(self.ngrams.shards)]

    @property
    def measured_suites(self) -> dict[str, Suite]:
        """The suites that are measured, by name, but for controls."""
        return {name: self.suites[name] for name in self.checkpoints.suites if not control_of(self.suites[name])}

    @property
    def control_suites(self) -> dict[str, TrainedSuite]:
        """The controls that are measured, by name."""
        suites = {name: self.suites[name] for name in self.checkpoints.suites}
        return {name: suite for name, suite in suites.items() if isinstance(suite, TrainedSuite) and suite.control}

    def text_of(self, suite: str) -> TokenizedText:
        """What the models of a suite are trained or measured on."""
        return TokenizedText(self.suites[suite].corpus, self.suites[suite].tokenizer)

    def metric_options(self, suite: str) -> MetricOptions:
        """The section `metrics` as it holds for a suite; in controls, tokens that no state can choose are not counted.

        That takes minutes in narrow models, and no table of controls has it.
        """
        length = self.suites[suite].reads(self.metrics.sequence_length)
        counted = self.metrics.unargmaxable and not control_of(self.suites[suite])
        return self.metrics.part(MetricOptions, sequence_length=length, unargmaxable=counted)

    @property
    def intervention_suites(self) -> list[str]:
        """The suites whose last checkpoints are changed where softmax does not see it."""
        named = self.causes.intervention.suites
        suites = self.measured_suites.items()
        return [name for name, suite in suites if not isinstance(suite, HubSuite)] if named is None else named

    def intervention_sample(self, suite: str) -> MetricOptions:
        """The sample that they read: as that of the metrics, and no larger."""
        return self.loss_sample(suite, min(self.metrics.tokens, self.causes.intervention.tokens))

    def loss_sample(self, suite: str, tokens: int | None = None) -> MetricOptions:
        """The sample of the metrics, or fewer `tokens` of it, for losses alone."""
        return self.metrics.part(
            MetricOptions,
            tokens=tokens or self.metrics.tokens,
            sequence_length=self.suites[suite].reads(self.metrics.sequence_length),
            unargmaxable=False,
            random_text_tokens=0,
            weight_noise=None,
            word_perplexity=None,
        )

    def smoothed_search(self, sample: NgramSample) -> SoftmaxRankOptions | None:
        """How the laws of a Kneser–Ney model are searched on a sample; None if they are not."""
        smoothed = self.causes.smoothed
        searched = self.causes.dimensions and sample in self.ngrams.context_samples()
        if not searched or int(sample.order) not in smoothed.orders:
            return None
        return self.causes.part(SoftmaxRankOptions, dimensions=smoothed.dimensions, norm_products=[])

    @property
    def search_texts(self) -> list[TokenizedText]:
        """The texts that tiny models are trained on in search of saturation."""
        return [TokenizedText(*name.split("/")) for name in self.causes.search.texts]

    @property
    def search_weights(self) -> WeightsOptions:
        """How those models are read."""
        return WeightsOptions(
            trained_here=True, dtype="float32", first_token=None, bad_checkpoints="refuse", tokens_per_step=None
        )

    @property
    def search_sample(self) -> MetricOptions:
        """What they are measured on."""
        search = self.causes.search
        return MetricOptions(
            tokens=search.held_out_tokens,
            sequence_length=search.sequence_length,
            random_text_tokens=search.random_text_tokens,
        )

    def head_options(self, kind: type[Kind], suite: str) -> Kind:
        """The options of `kind` for LM heads on a suite's trunks."""
        return self.heads.part(kind, sequence_length=self.head_sequence_length(suite))

    def head_sequence_length(self, suite: str) -> int:
        """Tokens that the trunks of a suite read at a time."""
        return self.heads.sequence_length or self.suites[suite].reads(self.metrics.sequence_length)

    def language_models(self) -> list[TokenizedText]:
        """The text of each 5-gram model: every one of figure 7, its controls and the suites measured."""
        samples = self.ngrams.figure_samples() + self.ngrams.control_samples()
        texts = [TokenizedText(sample.corpus, sample.tokenizer) for sample in samples]
        return list(dict.fromkeys([*texts, *map(self.text_of, self.measured_suites)]))

    def texts(self) -> list[TokenizedText]:
        """Every text that any result comes from."""
        texts = [*self.language_models(), *(self.text_of(suite) for suite, _ in self.heads.trunks)]
        trainings = self.causes.training.trainings + self.causes.head_or_trunk.trainings
        texts += [self.text_of(suite) for suite, _ in trainings]
        texts += self.search_texts
        if self.tied.trained_remedies:
            training = self.tied.training
            texts += [TokenizedText(training.corpus, tokenizer) for tokenizer in training.tokenizers]
        for name, suite in self.control_suites.items():
            texts.append(self.text_of(name))
            if suite.later_corpus:
                texts.append(TokenizedText(suite.later_corpus.corpus, suite.tokenizer))
        if words := self.metrics.word_perplexity:
            suites = self.checkpoints.suites
            texts += [TokenizedText(words.corpus, self.suites[name].tokenizer) for name in suites]
        return list(dict.fromkeys(texts))

    def hub_names(self, suites: Iterable[str]) -> dict[str, str]:
        """By SUITE/MODEL, the names on the hub, without owner, of those models of these suites that come from there."""
        return self.model_hub_names(f"{suite}/{model}" for suite in suites for model in self.suites[suite].model_names)

    def model_hub_names(self, models: Iterable[str]) -> dict[str, str]:
        """The same of these models, each SUITE/MODEL."""
        names = {}
        for name in models:
            suite, model = name.split("/")
            if isinstance(definition := self.suites[suite], HubSuite):
                names[name] = definition.repository.format(model=model).split("/")[1]
        return names

    def check_files(self) -> None:
        """Raise InputError, in one line, for the first file, folder or encoding that is named and is not there."""
        for section, sources in (("corpora", self.corpora), ("tokenizers", self.tokenizers)):
            for name, source in sources.items():
                _at(f"{section}.{name}", source.check)
        for key, exists in (("storycloze", Path.is_file), ("pythia_checkout", Path.is_dir)):
            path = getattr(self.abilities, key)
            with unreadable_named(f"abilities.{key}"):
                if path is not None and not exists(Path(path)):
                    raise InputError(f"abilities.{key} is {path!r}; there is nothing of that name")


def control_of(suite: Suite) -> Control | None:
    """What control a suite is, if any; only those that are trained here can be."""
    return suite.control if isinstance(suite, TrainedSuite) else None


def _at(key: str, check: Callable[[], None]) -> None:
    try:
        with unreadable_named(key):
            check()
    except (InputError, ValueError) as error:
        message = str(error)
        raise InputError(f"{key}{'' if message.startswith('.') else ': '}{message}") from error


def read_experiment(config: Mapping[str, Any]) -> Experiment:
    """The experiment that a configuration describes.

    Raises InputError in one line: key, value, what is allowed. The order of keys in a file means nothing.
    """
    if _count(config) > MAXIMUM_VALUES:
        raise InputError(
            f"the config holds more than {MAXIMUM_VALUES:,} values; are there YAML aliases of aliases in it?"
        )
    return Experiment.of(_sorted(config))


def _count(config: Any) -> int:
    """How many values a configuration holds, as far as it is worth counting: aliases make them more than the file's."""
    waiting, count = [config], 0
    while waiting and count <= MAXIMUM_VALUES:
        value = waiting.pop()
        count += 1
        waiting += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return count


def _sorted(values: Any) -> Any:
    """With the keys of all mappings in alphabetical order; keys that are no text stay as they are, to be refused."""
    if not isinstance(values, Mapping):
        return values
    return {key: _sorted(values[key]) for key in sorted(values, key=str)}
