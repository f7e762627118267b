"""The files that rules read and write, as the configuration says. Snakemake replaces <results>."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lm_saturation.checkpoints.patterns import files_at, match_places
from lm_saturation.config import Experiment
from lm_saturation.config.experiment import TokenizedText
from lm_saturation.config.ngrams import NgramSample
from lm_saturation.config.suites import ForeignSuite, LocalSuite, TrainedSuite
from lm_saturation.errors import InputError
from lm_saturation.io.names import trackable

TOKEN_FILES = ("json", "bin", "ends.bin")  # the record of a token file and its two parts


def matching(names: Iterable[str]) -> str:
    """A regular expression for these names; with none, one that matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def token_files(experiment: Experiment, corpus: str, tokenizer: str) -> list[str]:
    """The token files of a corpus: of every shard the record, the ids and the ends of documents."""
    folder = f"<results>/corpus/tokens/{corpus}/{tokenizer}"
    return [f"{folder}/{shard}.{kind}" for shard in experiment.shards for kind in TOKEN_FILES]


def text_tables(experiment: Experiment, corpus: str) -> list[str]:
    """The tables of a corpus's text, of every shard."""
    return [f"<results>/corpus/text/{corpus}/{shard}.parquet" for shard in experiment.shards]


def tokenizer_file(tokenizer: str) -> str:
    """The tokenizer.json."""
    return f"<results>/corpus/tokenizers/{tokenizer}.json"


def suite_tokens(experiment: Experiment, suite: str) -> list[str]:
    """The token files of the text that a suite is trained or measured on."""
    return token_files(experiment, *experiment.text_of(suite))


def later_tokens(experiment: Experiment, suite: str) -> list[str]:
    """The token files of the text that a control is trained on later; none of other suites."""
    definition = experiment.suites[suite]
    if not isinstance(definition, TrainedSuite) or not definition.later_corpus:
        return []
    return token_files(experiment, definition.later_corpus.corpus, definition.tokenizer)


def suite_tokenizer(experiment: Experiment, suite: str) -> str:
    """The tokenizer.json of a suite."""
    return tokenizer_file(experiment.suites[suite].tokenizer)


def word_tokens(experiment: Experiment, suite: str) -> list[str]:
    """The token files of the text whose word perplexity is measured; none if the configuration names none."""
    words = experiment.metrics.word_perplexity
    return token_files(experiment, words.corpus, experiment.suites[suite].tokenizer) if words else []


def word_texts(experiment: Experiment) -> list[str]:
    """That text itself."""
    words = experiment.metrics.word_perplexity
    return text_tables(experiment, words.corpus) if words else []


def ngram_tables(samples: Iterable[NgramSample], table: str) -> list[str]:
    """A table of each of these samples of n-grams."""
    return [f"<results>/ngrams/{'/'.join(sample)}/{table}.parquet" for sample in samples]


def suite_audit(experiment: Experiment, suite: str, model: str) -> list[str]:
    """The audit of a model; none if it is trained here."""
    trained = isinstance(experiment.suites[suite], TrainedSuite)
    return [] if trained else [f"<results>/checkpoints/{suite}/{model}/audit.parquet"]


def audits(experiment: Experiment) -> list[str]:
    """The audits of all models that are measured."""
    suites = experiment.measured_suites.items()
    return [
        path for name, suite in suites for model in suite.model_names for path in suite_audit(experiment, name, model)
    ]


def span_tables(experiment: Experiment, suites: Iterable[str], stage: str, table: str) -> list[str]:
    """A table of every span of every model of these suites; the `stage` is metrics or abilities."""
    return [
        f"<results>/{stage}/{suite}/{model}/{span}/{table}.parquet"
        for suite in suites
        for model in experiment.suites[suite].model_names
        for span in experiment.suites[suite].spans()
    ]


def measured_tables(experiment: Experiment, table: str) -> list[str]:
    """A table of stage metrics of every suite that is measured, but for controls."""
    return span_tables(experiment, experiment.measured_suites, "metrics", table)


def suite_tables_of(experiment: Experiment, table: str) -> list[str]:
    """The same, one per suite."""
    return [f"<results>/metrics/{suite}/{table}.parquet" for suite in experiment.measured_suites]


def control_tables(experiment: Experiment) -> dict[str, str | list[str]]:
    """What figure and table of the controls are made of: their metrics, and their saturation as numbers."""
    suites = experiment.control_suites
    return {
        "metrics": span_tables(experiment, suites, "metrics", "checkpoint_metrics"),
        "layers": span_tables(experiment, suites, "metrics", "layer_metrics"),
        "saturation": [f"<results>/metrics/{suite}/saturation.parquet" for suite in suites],
    }


def ability_tables(experiment: Experiment, table: str) -> list[str]:
    """A table of stage abilities of every suite that is evaluated."""
    return span_tables(experiment, experiment.abilities.suites, "abilities", table)


def final_span(experiment: Experiment, suite: str, model: str) -> str:
    """The folder of the span that holds a model's last checkpoint."""
    return f"<results>/checkpoints/{suite}/{model}/{experiment.suites[suite].spans()[-1]}"


def download_slot(experiment: Experiment, suite: str, model: str, span: str) -> list[str]:
    """All that is made of the span that must be gone from disk before this one is fetched; nothing for the first."""
    spans = experiment.suites[suite].spans()
    place = spans.index(span) - experiment.checkpoints.prefetch
    made = [f"<results>/metrics/{suite}/{model}/{{}}/checkpoint_metrics.parquet"]
    if suite in experiment.abilities.suites:
        made.append(f"<results>/abilities/{suite}/{model}/{{}}/ability_scores.parquet")
    return [path.format(spans[place]) for path in made] if place >= 0 else []


def checkpoint_files(experiment: Experiment, suite: str, model: str) -> list[str]:
    """The files of a model's checkpoints that lie on disk; none for those of the hub, none if the audit will fail.

    Those whose path cannot be tracked are left out: jobs read them, but do not run again when they change.
    """
    definition = experiment.suites[suite]
    if not isinstance(definition, LocalSuite):
        return []
    try:
        places = match_places(definition.path.replace("{model}", model), 0)
    except InputError:  # which stops the audit of this model, and no other job
        return []
    files = (str(file) for place in places.values() for file in _readable_files(place))
    return [file for file in files if trackable(file)]


def _readable_files(place: Path) -> list[Path]:
    """The files of a checkpoint; none if this user may not read it, which its audit says."""
    try:
        return files_at(place)
    except InputError:
        return []


def suites_of(experiment: Experiment, *kinds: type[TrainedSuite] | type[ForeignSuite]) -> str:
    """A regular expression for the names of the suites of these kinds."""
    return matching(name for name, suite in experiment.suites.items() if isinstance(suite, kinds))


def head_tables(experiment: Experiment, table: str) -> list[str]:
    """A table of every job of the sweep of every model."""
    jobs = experiment.heads.job_numbers()
    return [f"{folder}/{job}/{table}.parquet" for folder in _head_folders(experiment) for job in jobs]


def bound_tables(experiment: Experiment) -> list[str]:
    """The table bottleneck_bound of every model."""
    return [f"{folder}/bottleneck_bound.parquet" for folder in _head_folders(experiment)]


def _head_folders(experiment: Experiment) -> Iterator[str]:
    return (f"<results>/heads/{suite}/{model}" for suite, model in experiment.heads.trunks)


def task_folders(experiment: Experiment, suite: str) -> list[str]:
    """The folders of the tasks that a suite is evaluated on."""
    return [
        *(f"<results>/abilities/tasks/{suite}/{task}" for task in experiment.abilities.made_tasks),
        *(f"<results>/abilities/data/{task}" for task in experiment.abilities.harness_tasks),
    ]


def tied_tables(experiment: Experiment, table: str) -> list[str]:
    """A table of the models with every tokenizer, scale of residual branches and remedy."""
    training = experiment.tied.training
    return [
        f"<results>/tied/{tokenizer}/{scale:g}/{remedy}/{table}.parquet"
        for tokenizer in training.tokenizers
        for scale in training.residual_scales
        for remedy in experiment.tied.trained_remedies
    ]


def softmax_rank_tables(experiment: Experiment) -> list[str]:
    """The table softmax_rank of every text: those of figure 7, and those with contexts of each length."""
    samples = dict.fromkeys([*experiment.ngrams.figure_samples(), *experiment.ngrams.context_samples()])
    return [f"<results>/causes/{'/'.join(sample)}/softmax_rank.parquet" for sample in samples]


def intervention_tables(experiment: Experiment) -> list[str]:
    """The table offset_intervention of every suite whose last checkpoints are changed."""
    return [f"<results>/causes/{suite}/offset_intervention.parquet" for suite in experiment.intervention_suites]


def offset_training_tables(experiment: Experiment) -> list[str]:
    """The table offset_training of every model that is trained in half precision."""
    trainings = experiment.causes.training.trainings
    return [f"<results>/causes/{suite}/{model}/offset_training.parquet" for suite, model in trainings]


def head_or_trunk_rates(experiment: Experiment, suite: str, model: str) -> list[str]:
    """The table of the trainings that choose learning rates; none if there is nothing to choose."""
    choice = len(experiment.causes.head_or_trunk.rate_factors) > 1
    return [f"<results>/causes/{suite}/{model}/head_or_trunk_rates.parquet"] if choice else []


def head_or_trunk_tables(experiment: Experiment) -> list[str]:
    """The tables of wide trunks with heads of low rank beside narrow models: rates, and one a seed."""
    options = experiment.causes.head_or_trunk
    return [
        path
        for suite, model in options.trainings
        for path in (
            *head_or_trunk_rates(experiment, suite, model),
            *(f"<results>/causes/{suite}/{model}/head_or_trunk/{seed}.parquet" for seed in options.seeds),
        )
    ]


def search_tables(experiment: Experiment, table: str) -> list[str]:
    """A table of the search for saturation: of every text, width and batch size."""
    search = experiment.causes.search
    return [
        f"<results>/causes/{text.corpus}/{text.tokenizer}/{width}/{batch_size}/{table}.parquet"
        for text in experiment.search_texts
        for width in search.widths
        for batch_size in search.batch_sizes
    ]


def language_model_tables(texts: Iterable[TokenizedText]) -> list[str]:
    """The tables of the 5-gram models of these texts."""
    return [f"<results>/ngrams/{'/'.join(text)}/language_model/language_model.parquet" for text in texts]


def text_records(experiment: Experiment) -> list[str]:
    """The records of every text, token file and tokenizer that any result comes from."""
    return [
        f"<results>/corpus/{record}.json"
        for corpus, tokenizer in experiment.texts()
        for shard in experiment.shards
        for record in (
            f"text/{corpus}/{shard}",
            f"tokens/{corpus}/{tokenizer}/{shard}",
            f"tokenizers/{tokenizer}.record",
        )
    ]
