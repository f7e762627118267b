"""The rank of language: figure 7, its controls, 5-gram models."""

from typing import Any

from lm_saturation.config import Experiment
from lm_saturation.report.cells import Column, View, digits, interval, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Parameters, Section, Table, TableRule
from lm_saturation_workflow.paths import language_model_tables, ngram_tables
from lm_saturation_workflow.project import resource

TEXT = (words("corpus"), words("tokenizer"))


def _size(experiment: Experiment) -> Parameters:
    return {"order": experiment.ngrams.order, "sample_size": experiment.ngrams.sample_size}


def _figure_7_inputs(experiment: Experiment) -> Files:
    return {
        "spectra": ngram_tables(experiment.ngrams.figure_samples(), "ngram_spectrum"),
        "published": resource("figure_7_published.csv"),
    }


def _controls_inputs(experiment: Experiment) -> Files:
    samples = experiment.ngrams.control_samples()
    return {"spectra": ngram_tables(samples, "ngram_spectrum")} | _table_controls_inputs(experiment)


def _table_7_inputs(experiment: Experiment) -> Files:
    return {
        "summaries": ngram_tables(experiment.ngrams.figure_samples(), "ngram_summary"),
        "published": resource("figure_7_published.csv"),
    }


def _table_controls_inputs(experiment: Experiment) -> Files:
    return {
        "summaries": ngram_tables(experiment.ngrams.control_samples(), "ngram_summary"),
        "smoothed": ngram_tables(experiment.ngrams.smoothed_samples(), "ngram_smoothed_spectrum"),
    }


def _weighting(row: dict[str, Any]) -> str:
    return f"{row['weighting']}, seen ≥ {row['min_count']}" if row["min_count"] > 1 else row["weighting"]


TABLE_7_VIEW = View(
    "table_7",
    "Figure 7 in numbers",
    (
        words("source"),
        *TEXT,
        digits("n-grams", "ngrams"),
        digits("contexts", "contexts"),
        digits("types", "types"),
        digits("rank", "rank"),
        digits("d where W-error is 0.5", "halving_dimension"),
        interval("halving"),
        digits("unigrams", "unigram_halving_dimension"),
        digits("d where it is 0.05", "negligible_dimension"),
        interval("negligible"),
        digits("unigrams", "unigram_negligible_dimension"),
    ),
    "Unigrams: where token frequency alone reaches that error.",
)
CONTROLS_VIEW = View(
    "table_7_controls",
    "The controls of figure 7 in numbers",
    (
        *TEXT,
        digits("order", "order"),
        digits("n-grams", "ngrams"),
        Column("rows", _weighting, is_number=False),
        digits("contexts", "contexts"),
        digits("with one successor", "one_hot_contexts"),
        digits("types", "types"),
        digits("d where W-error is 0.5", "halving_dimension"),
        digits("column norms alone", "column_norm_halving_dimension"),
        digits("unigrams", "unigram_halving_dimension"),
        digits("largest distance to column norms", "column_norm_gap"),
    ),
)
MODELS_VIEW = View(
    "language_models",
    "5-gram models",
    (
        *TEXT,
        digits("training tokens", "train_tokens"),
        digits("held-out tokens", "held_out_tokens"),
        digits("nats/token", "cross_entropy_nats", ".3f"),
        digits("standard error", "cross_entropy_standard_error"),
        digits("perplexity", "perplexity", ".1f"),
        digits("bits/byte", "bits_per_byte", ".3f"),
        digits("share of repeated tokens", "repeat_share"),
    ),
)

FIGURES = (
    Figure(
        name="figure_7",
        title="Figure 7: the rank of language",
        caption="W-error of the 5-gram matrix against the dimension d that is kept, one panel per tokenizer, one curve "
        "per corpus. Where does it halve, and where does it vanish? The paper's curves are grey.",
        details="W-error is the share of the matrix, in Frobenius norm, that no head of width d can express. Bands are "
        "95 % intervals over samples.",
        inputs=_figure_7_inputs,
        parameters=lambda experiment: _size(experiment) | {"published": experiment.report.published},
    ),
    Figure(
        name="figure_7_controls",
        title="Figure 7, controls: language, or the size of the sample?",
        caption="W-error by sample size, by which contexts are kept and how they are weighted, and by their length. "
        "Where a dashed or dotted line lies on a solid one, token frequency or column norms alone give the curve.",
        details="For each text, in the order of reading: W-error at growing sample sizes, each beside what token "
        "frequency alone gives (dashed); the largest sample with rows weighted by their count, and with only the "
        "contexts seen often enough to know their distribution; contexts of one to four tokens, each beside what the "
        "sorted column norms of W alone give (dotted), and rows smoothed by Kneser–Ney; the dimension at which W-error "
        "halves, against the number of n-grams, with the paper's range shaded.",
        inputs=_controls_inputs,
        parameters=_size,
        wanted=lambda experiment: bool(experiment.ngrams.corpora),
    ),
)

TABLES = (
    TableRule(
        name="table_7",
        message="Write table 7: figure 7 in numbers",
        inputs=_table_7_inputs,
        tables=(Table("table_7", "table_7", (TABLE_7_VIEW,)),),
    ),
    TableRule(
        name="table_7_controls",
        message="Write the controls of figure 7 in numbers",
        inputs=_table_controls_inputs,
        tables=(Table("table_7_controls", "table_7_controls", (CONTROLS_VIEW,)),),
    ),
    TableRule(
        name="table_language_models",
        message="Write the loss of 5-gram models on each corpus",
        inputs=lambda experiment: {"models": language_model_tables(experiment.language_models())},
        tables=(Table("language_models", "language_model", (MODELS_VIEW,)),),
    ),
)

SECTION = Section("rank", "The rank of language", FIGURES, TABLES)
