"""Tied embeddings: the loss they start with, training with each remedy."""

from lm_saturation.config import Experiment
from lm_saturation.report.cells import View, digits, interval, named, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Section, Table, TableRule, table_file
from lm_saturation_workflow.paths import tied_tables
from lm_saturation_workflow.project import resource


def is_studied(experiment: Experiment) -> bool:
    """Are tied embeddings studied at all?"""
    return bool(experiment.tied.remedies)


def is_trained(experiment: Experiment) -> bool:
    """Are models trained with any remedy?"""
    return bool(experiment.tied.trained_remedies)


def _tables_inputs(experiment: Experiment) -> Files:
    studied = (
        ("losses", "tied_initial_loss"),
        ("moments", "tied_moments"),
        ("norms", "tied_norms"),
        ("underflow", "tied_underflow"),
        ("models", "tied_models"),
    )
    compared = ("runs", "tied_runs"), ("comparison", "tied_comparison")
    files: Files = {
        name: [f"<results>/tied/{table}.parquet"] if is_studied(experiment) else [] for name, table in studied
    }
    files |= {name: f"<results>/tied/{table}.parquet" for name, table in compared}
    return files | {"shipped": resource("tied_runs.csv"), "shipped_rates": resource("tied_rates.csv")}


def _convergence_inputs(experiment: Experiment) -> Files:
    training = tied_tables(experiment, "tied_training")
    return {"training": training, "comparison": table_file("tied_comparison"), "summary": table_file("tied_training")}


def _end_inputs(_: Experiment) -> Files:
    return {"here": table_file("tied_comparison"), "shipped": table_file("shipped_tied_comparison")}


def _saturation_inputs(experiment: Experiment) -> Files:
    return {
        "training": tied_tables(experiment, "tied_training"),
        "spectra": tied_tables(experiment, "tied_spectrum"),
    }


MODELS_VIEW = View(
    "tied_models",
    "Models of transformers at their initialisation",
    (
        words("family"),
        digits("layers", "layers"),
        named("head", "tied", {1: "tied", 0: "untied"}),
        digits("d", "width"),
        digits("n", "vocabulary_size"),
        digits("σ", "sigma"),
        digits("loss (nats)", "loss_nats", ".2f"),
        digits("standard error", "loss_error"),
        digits("log n", "log_vocabulary_nats", ".2f"),
        digits("Su (2023)", "su_2023_nats", ".2f"),
        digits("self-logit", "self_logit", ".2f"),
        digits("formula with that self-logit", "self_logit_nats", ".2f"),
    ),
)
MOMENTS_VIEW = View(
    "tied_moments",
    "Moments of embeddings",
    (
        digits("n", "vocabulary_size"),
        digits("d", "width"),
        words("moment"),
        digits("sampled", "value", ".4g"),
        digits("standard error", "error"),
        digits("theory", "theory", ".4g"),
        digits("Su (2023)", "su_2023"),
    ),
    "With σ² = 1/d. Su (2023) prints 1/d³ for the mean square of the inner product, which is 1/d.",
)
UNDERFLOW_VIEW = View(
    "tied_underflow",
    "Half precision at the start",
    (
        digits("n", "vocabulary_size"),
        digits("d", "width"),
        words("remedy"),
        digits("σ", "sigma"),
        words("of", "quantity"),
        words("format", "precision"),
        digits("share that underflows", "underflow_share"),
        digits("standard error", "underflow_error"),
        digits("share that becomes 0", "zero_share"),
    ),
    "Underflows: is below the smallest normal number of the format, and not 0.",
)
NORMS_VIEW = View(
    "tied_norms",
    "LayerNorm and RMSNorm at the start",
    (
        digits("n", "vocabulary_size"),
        digits("d", "width"),
        words("remedy"),
        digits("σ", "sigma"),
        digits("loss with RMSNorm", "rms_norm_nats", ".3f"),
        digits("with LayerNorm", "layer_norm_nats", ".3f"),
        digits("difference", "difference_nats"),
        digits("standard error", "difference_error"),
    ),
)
SETTING_COLUMNS = (words("tokenizer"), digits("branches times", "residual_scale"))
TRAINING_COLUMNS = (
    *SETTING_COLUMNS,
    words("remedy"),
    digits("models", "seeds"),
    digits("parameters", "parameters"),
    digits("peak rate", "learning_rate"),
    digits("σ", "sigma"),
    digits("initial loss", "initial_nats", ".3f"),
    digits("expected", "expected_nats", ".3f"),
    digits("steps to the loss", "steps_to_loss"),
    interval("steps"),
    digits("reach it", "reached"),
    digits("final loss", "final_nats", ".3f"),
    interval("final", ".3f"),
    digits("gain of twice the steps", "doubling_gain", ".1%"),
)
TRAINING_NOTE = (
    "The loss to reach is the mean of the plain models at half of their steps. Expected is what theory says of an "
    "initialisation whose residual branches are zero. Intervals are over seeds. The gain of twice the steps is a share "
    "of the final loss."
)
TRAINING_VIEW = View("tied_training", "Trainings in numbers", TRAINING_COLUMNS, TRAINING_NOTE)
SHIPPED_TRAINING_VIEW = View(
    "shipped_tied_training", "Longer trainings in numbers, as shipped", TRAINING_COLUMNS, TRAINING_NOTE
)
RATES_VIEW = View(
    "shipped_tied_rates",
    "Learning rates tried in longer trainings, as shipped",
    (
        *SETTING_COLUMNS,
        words("remedy"),
        digits("peak rate", "learning_rate"),
        digits("loss after half of the steps", "loss_nats", ".3f"),
        named("chosen", "is_best", {1: "yes", 0: ""}),
    ),
    "With the first seed and half of the steps. The rate of the lowest held-out loss is taken for all seeds.",
)
COMPARISON_COLUMNS = (
    *SETTING_COLUMNS,
    named("quantity", "quantity", {"steps_to_loss": "steps to the loss", "final_nats": "final loss"}),
    words("remedy"),
    words("minus that of", "reference"),
    digits("seeds", "seeds"),
    digits("its mean", "reference_mean"),
    digits("difference", "difference"),
    interval(""),
    digits("did not reach the loss", "unreached"),
    digits("of the reference", "reference_unreached"),
)
COMPARISON_NOTE = (
    "Models of the same seed are compared. Others: the mean of all remedies but plain tying and the smaller σ."
)
COMPARISON_VIEW = View("tied_comparison", "Differences between remedies", COMPARISON_COLUMNS, COMPARISON_NOTE)
SHIPPED_COMPARISON_VIEW = View(
    "shipped_tied_comparison",
    "Differences between remedies in longer trainings, as shipped",
    COMPARISON_COLUMNS,
    COMPARISON_NOTE,
)

FIGURES = (
    Figure(
        name="figure_tied_initial_loss",
        title="Tied embeddings: the initial loss",
        caption="The initial loss of tied embeddings: sampled (marks), by the formula of Su (2023) (dashed) and with "
        "one more term (solid); grey is log n. Right: which remedies, and which models of transformers, start at log "
        "n.",
        details="A network with one matrix for embedding and head starts as the bigram model of its embeddings. Bars "
        "are two standard errors; the dashed formula is that of 2023, the solid line adds the mean exponential of the "
        "other logits. Below: how far each formula lies off, where that is more than two standard errors. Right: every "
        "remedy at the largest n and d (scaled at a σ of its own), and models of transformers at their own "
        "initialisation, whose residual branches do not start at zero.",
        inputs=lambda _: {"losses": table_file("tied_initial_loss"), "models": table_file("tied_models")},
        wanted=is_studied,
        minutes=2,
    ),
    Figure(
        name="figure_tied_convergence",
        title="Tied embeddings: training with each remedy",
        caption="Held-out loss of models that differ in the remedy alone, and its paired difference from plain tying: "
        "below 0 is better. At the bottom, steps to a fixed loss and final loss, each minus that of plain tying.",
        details="Small GPT-NeoX models that read the same text in the same order; the difference is cut to what comes "
        "after the start. The fixed loss is the mean that plain models have after half of their steps; a model that "
        "never reaches it counts with its last step. Pairs are of the same seed. Intervals are Student's t over seeds, "
        "cut to what a value can be: no loss and no number of steps below 0, no more steps than there are.",
        inputs=_convergence_inputs,
        wanted=is_trained,
        minutes=2,
    ),
    Figure(
        name="figure_tied_end",
        title="Tied embeddings: what remedies end with",
        caption="Final loss, and steps to a fixed loss, with each remedy at a learning rate of its own, against plain "
        "tying: below 0 is better. Each panel is a vocabulary and a scale at which residual branches start: 0 is Su's "
        "premise, 1 is Pythia's. Bars are 95 % intervals over seeds.",
        details="Trainings until twice the steps change the loss by less than 2 % (those that change more are faint "
        "and judged by no claim): shipped with the project, and of this run if it tries rates. The band is the margin "
        "of 1 % of the loss, of 10 % of the steps. An untied head has a second matrix of parameters.",
        inputs=_end_inputs,
        minutes=2,
    ),
    Figure(
        name="figure_tied_saturation",
        title="Tied embeddings: do tied heads degenerate?",
        caption="Anisotropy and singular entropy over the training of tied and untied models, raw and with the mean "
        "row removed, and their singular values at the end. Do tied heads degenerate sooner? So short a training can "
        "hardly show it.",
        details="Anisotropy of the states that the head reads, singular entropy of the head, the singular values of "
        "the centred heads. Intervals are cut to what a value can be. A training this short cannot show what Figs 3 to "
        "5 of arXiv 2404.07647 report of long ones.",
        inputs=_saturation_inputs,
        wanted=is_trained,
        minutes=2,
    ),
)

TABLES = (
    TableRule(
        name="table_tied",
        message="Write tied embeddings in numbers",
        inputs=_tables_inputs,
        tables=(
            Table("tied_initial_loss", "tied_initial_loss"),
            Table("tied_models", "tied_models", (MODELS_VIEW,)),
            Table("tied_moments", "tied_moments", (MOMENTS_VIEW,)),
            Table("tied_norms", "tied_norms", (NORMS_VIEW,)),
            Table("tied_underflow", "tied_underflow", (UNDERFLOW_VIEW,)),
            Table("tied_training", "table_tied_training", (TRAINING_VIEW,)),
            Table("tied_comparison", "tied_comparison", (COMPARISON_VIEW,)),
            Table("shipped_tied_training", "shipped_tied_training", (SHIPPED_TRAINING_VIEW,)),
            Table("shipped_tied_rates", "tied_rates", (RATES_VIEW,)),
            Table("shipped_tied_comparison", "shipped_tied_comparison", (SHIPPED_COMPARISON_VIEW,)),
        ),
        minutes=2,
    ),
)

SECTION = Section(
    "tied",
    "Tied embeddings",
    FIGURES,
    TABLES,
    ("tied_models", "This configuration does not study tied embeddings (tied.remedies is empty)."),
)
