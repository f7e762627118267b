"""Tied embeddings: the loss they start with, training with each remedy."""

from lm_saturation.config import Experiment
from lm_saturation.report.cells import View, digits, interval, named, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Section, Table, TableRule, table_file
from lm_saturation_workflow.paths import tied_tables


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
    return files | {name: f"<results>/tied/{table}.parquet" for name, table in compared}


def _convergence_inputs(experiment: Experiment) -> Files:
    training = tied_tables(experiment, "tied_training")
    return {"training": training, "comparison": table_file("tied_comparison"), "summary": table_file("tied_training")}


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
TRAINING_VIEW = View(
    "tied_training",
    "Trainings in numbers",
    (
        words("remedy"),
        digits("models", "seeds"),
        digits("parameters", "parameters"),
        digits("σ", "sigma"),
        digits("initial loss", "initial_nats", ".3f"),
        digits("expected", "expected_nats", ".3f"),
        digits("steps to the loss", "steps_to_loss"),
        interval("steps"),
        digits("reach it", "reached"),
        digits("final loss", "final_nats", ".3f"),
        interval("final", ".3f"),
    ),
    "The loss to reach is the mean of the plain models at half of their steps. Expected is what theory says of an "
    "initialisation whose residual branches are zero. Intervals are over seeds.",
)
COMPARISON_VIEW = View(
    "tied_comparison",
    "Differences between remedies",
    (
        named("quantity", "quantity", {"steps_to_loss": "steps to the loss", "final_nats": "final loss"}),
        words("remedy"),
        words("minus that of", "reference"),
        digits("seeds", "seeds"),
        digits("its mean", "reference_mean"),
        digits("difference", "difference"),
        interval(""),
        digits("did not reach the loss", "unreached"),
        digits("of the reference", "reference_unreached"),
    ),
    "Models of the same seed are compared. Others: the mean of all remedies but plain tying and the smaller σ.",
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
