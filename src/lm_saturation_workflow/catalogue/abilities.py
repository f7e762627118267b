"""Abilities: table 1, natural experiments, ability against loss."""

from lm_saturation.config import Experiment
from lm_saturation.report.cells import Column, View, digits, interval, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Section, Table, TableRule
from lm_saturation_workflow.paths import ability_tables
from lm_saturation_workflow.project import resource

PUBLISHED = "<results>/abilities/published/ability_scores.parquet"
MODEL = (words("suite"), words("model"))


def _file(name: str) -> str:
    return f"<results>/abilities/{name}.parquet"


def _table_1_inputs(experiment: Experiment) -> Files:
    return {
        "published": PUBLISHED,
        "scores": ability_tables(experiment, "ability_scores"),
        "points": _file("emergence_points"),
        "printed": resource("table_1_published.csv"),
    }


TABLE_1_VIEW = View(
    "table_1",
    "Table 1: Pythia-160M, best and final checkpoint, zero-shot",
    (
        Column("column", lambda row: row["column"] + " (%)" * (row["unit"] == "%"), is_number=False),
        words("source"),
        words("checkpoint"),
        words("chosen by", "definition"),
        digits("step", "step"),
        digits("value", "value", ".1f"),
        interval(""),
        words("note"),
    ),
    chosen=lambda table: table.sort_values("column", kind="stable"),
)
LOST_VIEW = View(
    "ability_saturation",
    "Abilities that are lost before training ends",
    (
        *MODEL,
        words("task"),
        words("metric"),
        digits("shots", "num_fewshot"),
        digits("best step", "best_step"),
        digits("best", "best", ".3g"),
        digits("final", "final", ".3g"),
        digits("lost", "lost", ".3f"),
        interval("lost"),
    ),
    "Every model and task whose final score is below its best with a 95 % interval above 0 that is free of the choice "
    "of the best checkpoint; {tried:,} curves were tried. Perplexities are compared by their logarithm.",
    chosen=lambda table: table[table.saturates == 1],
)
FITS_VIEW = View(
    "emergence_fits",
    "Ability against loss in numbers",
    (
        Column("models", lambda row: f"{row['models']} of {row['family']}", is_number=False),
        words("loss", "loss_measure"),
        words("task"),
        digits("shots", "num_fewshot"),
        words("metric"),
        digits("Spearman", "spearman", ".3f"),
        interval("spearman"),
        digits("noise", "noise_share", ".2f"),
        digits("tenfold size", "size_shift", ".2f"),
        interval("size_shift"),
        digits("tenfold tokens", "token_shift", ".2f"),
        interval("token_shift"),
        digits("break", "break_loss", ".2f"),
        digits("slope above", "slope_above", ".4f"),
        interval("slope_above"),
        digits("below", "slope_below", ".3f"),
        interval("slope_below"),
        Column("sharp", lambda row: "yes" if row["kinked"] else f"no, {row['smooth']}", is_number=False),
    ),
    "Noise: the share of the score's variance that its items explain. Tenfold size and tokens: the loss that they make "
    "up for at the same score. An ability that emerges has slope 0 above the break and falls with the loss below it. "
    "Sharp: a kink predicts models that it was not fitted to better than every smooth curve.",
)
EQUAL_LOSS_VIEW = View(
    "equal_loss",
    "Ability at equal loss, before and after its minimum",
    (
        *MODEL,
        words("loss", "loss_measure"),
        words("task"),
        words("metric"),
        digits("shots", "num_fewshot"),
        digits("pairs", "pairs"),
        digits("after minus before", "difference", ".3f"),
        interval("difference"),
    ),
    "Means over pairs of checkpoints of one model, where the 95 % interval of the difference does not hold 0; "
    "{tried:,} were tried, so that one in twenty is to be expected by chance.",
    keys=("loss_measure", "suite", "model", "task", "num_fewshot", "metric"),
    chosen=lambda table: table[(table.difference_low > 0) | (table.difference_high < 0)],
)

FIGURES = (
    Figure(
        name="figure_natural_experiments",
        title="The same width, other optimisation",
        caption="LAMBADA perplexity of Pythia 70M, 160M and 410M in the published evaluations, for trainings that "
        "differ in batch size, version or text. If a small width alone decided, all curves of a panel would rise "
        "again.",
        details="The band is one standard error. The same data and tokens, but smaller or larger batches (v0 of 160M "
        "and 410M: 4M tokens), the earlier version, or deduplicated text. Only curves with the same number of shots "
        "compare.",
        inputs=lambda _: {"published": PUBLISHED},
    ),
    Figure(
        name="figure_emergence",
        title="Ability against loss",
        caption="Score against loss, one point per checkpoint; larger models are lighter and loss falls to the right. "
        "Do all sizes lie on one curve, and does it leave chance (dashed) only below some loss (dotted)?",
        details="Dotted: the tipping point, where a broken curve predicts models it was not fitted to better than "
        "every smooth one. Published tasks stand against the loss of LAMBADA's last words.",
        inputs=lambda _: {"points": _file("emergence_points"), "fits": _file("emergence_fits")},
        palette=False,
        minutes=7,
    ),
    Figure(
        name="figure_equal_loss",
        title="Ability at equal loss, before and after saturation",
        caption="A model that saturates reaches the same loss twice: before its minimum (solid) and after (dashed). "
        "Above: is its accuracy the same the second time? Below: the difference, mean and 95 % interval, per model.",
        details="Above: the path of each model whose loss is in Fig 1a through that loss and zero-shot accuracy; bars "
        "are standard errors, of the loss those of the reading. Below: accuracy after minus accuracy before at equal "
        "loss, mean over the pairs of a model, for models whose LAMBADA perplexity saturates.",
        inputs=lambda _: {name: _file(name) for name in ("emergence_points", "equal_loss", "ability_saturation")},
        minutes=7,
    ),
)

TABLES = (
    TableRule(
        name="table_1",
        message="Write table 1: best and final checkpoint of Pythia-160M",
        inputs=_table_1_inputs,
        parameters=lambda experiment: {"names": experiment.hub_names(experiment.abilities.suites)},
        tables=(Table("table_1", "table_1", (TABLE_1_VIEW,)),),
        minutes=7,
    ),
    TableRule(
        name="table_abilities",
        message="Write abilities in numbers",
        inputs=lambda _: {
            name: _file(name) for name in ("ability_saturation", "emergence_fits", "emergence_sizes", "equal_loss")
        },
        tables=(
            Table("ability_saturation", "ability_saturation", (LOST_VIEW,)),
            Table("emergence_fits", "emergence_fits", (FITS_VIEW,)),
            Table("emergence_sizes", "emergence_sizes"),
            Table("equal_loss", "equal_loss", (EQUAL_LOSS_VIEW,)),
        ),
        minutes=7,
    ),
)

SECTION = Section("abilities", "Abilities", FIGURES, TABLES)
