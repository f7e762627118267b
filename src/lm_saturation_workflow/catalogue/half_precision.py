"""Small models trained in half precision, in this run and before, with heads kept from what softmax does not see."""

from lm_saturation.config import Experiment
from lm_saturation.report.cells import View, digits, interval, named, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Table, TableRule, table_file
from lm_saturation_workflow.paths import offset_training_tables
from lm_saturation_workflow.project import resource

TRAINED = named("trained", "source", {"run": "in this run", "shipped": "before"})


def _inputs(experiment: Experiment) -> Files:
    return {"trainings": offset_training_tables(experiment), "shipped": resource("half_precision.csv")}


TRAINING_VIEW = View(
    "offset_training",
    "Trained in half precision",
    (
        TRAINED,
        words("suite"),
        words("model"),
        digits("seed", "seed"),
        words("precision"),
        words("head"),
        digits("loss (nats)", "loss_nats", ".3f"),
        digits("rounding to bfloat16", "bfloat16_cost"),
        digits("float16", "float16_cost"),
        digits("offset of logits", "logit_offset"),
        digits("their spread", "logit_spread"),
        digits("singular entropy", "singular_entropy", ".2f"),
        digits("centred", "singular_entropy_centred", ".2f"),
        digits("mean cosine", "anisotropy", ".2f"),
        digits("updates left out", "skipped_updates"),
    ),
)
DIFFERENCES_VIEW = View(
    "half_precision",
    "What precision and head change in training",
    (
        TRAINED,
        words("suite"),
        words("model"),
        digits("updates", "step"),
        words("what differs", "compared"),
        words("precision"),
        words("head"),
        digits("seeds", "seeds"),
        digits("difference of the loss (nats)", "difference_nats", ".4f"),
        interval("difference", ".4f"),
    ),
    "Paired by seed: precision, against float32 with the same head; head, against a plain head in the same precision. "
    "Intervals are Student's over seeds.",
)

FIGURES = (
    Figure(
        name="figure_half_precision",
        title="Trained in half precision",
        caption="Small models trained with logits, or all matrix products, in half precision, and with heads that are "
        "kept from what softmax does not see. Does the precision change the loss, and does the head?",
        details="One row a model. Left: loss less that of the same seed and head in float32. Middle: loss less that of "
        "the same seed and precision with a plain head. Means over seeds with Student's 95 % intervals; the grey band "
        "is the margin within which losses are taken for equal; axes are linear in it and logarithmic beyond. Right: "
        "singular entropy of the head, as a share of log d, and offset of the logits at the end of each training.",
        inputs=lambda _: {"trainings": table_file("offset_training"), "differences": table_file("half_precision")},
    ),
)

TABLES = (
    TableRule(
        name="table_half_precision",
        message="Write what trainings in half precision end with, in numbers",
        inputs=_inputs,
        tables=(
            Table("half_precision", "half_precision", (DIFFERENCES_VIEW,)),
            Table("offset_training", "table_offset_training", (TRAINING_VIEW,)),
        ),
    ),
)
