"""The softmax bottleneck: figures 6, 8 and 9, what heads lose and at most."""

from typing import Any

from lm_saturation.config import Experiment
from lm_saturation.report.cells import Column, View, digits, interval, named, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Parameters, Section, Table, TableRule, table_file
from lm_saturation_workflow.paths import bound_tables, head_tables
from lm_saturation_workflow.project import resource

THRESHOLDS = (("kink", "kink"), ("aic_difference", "difference of AIC"), ("noticeable_at", "noticeable at"))


def has_heads(experiment: Experiment) -> bool:
    """Are heads trained?"""
    return bool(experiment.heads.models)


def hub_names(experiment: Experiment) -> Parameters:
    """The names that the trunks' models have on the hub, by which they are the paper's."""
    return {"names": experiment.model_hub_names(experiment.heads.models)}


def _with_published(_: Experiment) -> Files:
    return {"heads": table_file("heads"), "published": resource("figure_6_published.csv")}


def _controls_inputs(experiment: Experiment) -> Files:
    training = head_tables(experiment, "head_training")
    return {"heads": table_file("heads"), "bounds": bound_tables(experiment), "training": training}


def _bottleneck_inputs(experiment: Experiment) -> Files:
    return {"bounds": bound_tables(experiment), "expansion": "<results>/heads/loss_expansion.parquet"}


def _tables_inputs(experiment: Experiment) -> Files:
    return {
        "sweep": head_tables(experiment, "head_rank_sweep"),
        "bounds": bound_tables(experiment),
        "thresholds": "<results>/heads/head_thresholds.parquet",
        "costs": "<results>/heads/head_costs.parquet",
        "orders": "<results>/heads/loss_expansion_orders.parquet",
    }


def _rank(row: dict[str, Any]) -> str:
    return f"{row['rank']}" if row["factored"] else f"{row['rank']}, unfactored"


HEADS_VIEW = View(
    "heads",
    "Heads in numbers",
    (
        words("suite"),
        words("model"),
        words("initialisation"),
        Column("rank", _rank),
        digits("learning rate", "learning_rate", "g"),
        digits("initial loss", "initial_loss_nats", ".3f"),
        digits("loss (nats/token)", "loss_nats", ".3f"),
        digits("accuracy", "accuracy", ".3f"),
        digits("gap", "gap_nats", ".3f"),
        interval("gap"),
        digits("W-error", "w_error", ".3f"),
    ),
    "The learning rate of each initialisation and rank is the one of lowest training loss; losses are of held-out "
    "text. The gap is to the pretrained head, with the 95 % interval of a paired bootstrap over sequences.",
)
THRESHOLDS_VIEW = View(
    "head_thresholds",
    "Is there a threshold?",
    (
        words("source"),
        words("model"),
        words("initialisation"),
        digits("width", "hidden_size"),
        named("against", "against", {"w_error": "W-error"}),
        digits("points", "points"),
        digits("noticeable (nats)", "level_nats", "g"),
        *(column for name, title in THRESHOLDS for column in (digits(title, name), interval(name))),
    ),
    "The loss by rank and by W-error as a smooth curve and as a stick with a kink, flat or sloped at high ranks; a "
    "difference of Akaike's criteria above 0 speaks for the kink. The loss is noticeable where it is so many nats "
    "above that of the full rank. Intervals are over held-out sequences, or reading errors of the paper's "
    "curves: heads are trained with one seed, whose effect they do not hold.",
)
COSTS_VIEW = View(
    "head_costs",
    "What a lower rank costs",
    (
        words("source"),
        words("model"),
        words("initialisation"),
        digits("width", "hidden_size"),
        digits("rank", "rank"),
        digits("above the full rank (nats)", "cost_nats", ".3f"),
        interval("cost"),
        digits("full rank above the pretrained head", "full_rank_gap", ".3f"),
        interval("full_rank_gap"),
    ),
    "Losses above that of the full-rank head of the same training, on the same text. Where the full-rank head itself "
    "lies far above the pretrained one, training was too short to judge the rank by.",
)
ORDERS_VIEW = View(
    "loss_expansion_orders",
    "Lemma 5.1 in numbers",
    (
        named("from", "place", {"random": "a random head", "optimum": "the optimum of the sample"}),
        named("what", "quantity", {"remainder": "change without its first-order term"}),
        digits("problems", "cases"),
        digits("power of ε", "order", ".4f"),
        interval("order", ".4f"),
    ),
    "The power of ε by which the loss changes as a head moves by ε, mean over random problems.",
)

FIGURES = (
    Figure(
        name="figure_6",
        title="Figure 6: heads of constrained rank",
        caption="Held-out accuracy and loss of LM heads of each rank, trained on a frozen trunk. Is there a rank below "
        "which they suddenly get worse, and do both initialisations (solid, dashed) agree on it? Dotted: the "
        "pretrained head. The paper's curves are grey.",
        details="Heads W = AB, trained on the hidden states. Solid: from entries N(0, 1) as in the paper; dashed: from "
        "the initialisation that ended best at the full rank. Stars are heads of one matrix from the same "
        "initialisation, named in words where they lie above the axis; bands are one standard error. The accuracy of "
        "the pretrained head is not measured.",
        inputs=_with_published,
        parameters=hub_names,
        wanted=has_heads,
        minutes=3,
    ),
    Figure(
        name="figure_6_controls",
        title="Figure 6, controls: what the initialisation of a head costs",
        caption="Left: held-out loss by rank from three initialisations, beside the pretrained head truncated to that "
        "rank. What lies above the cuts is a failure of training, not of rank. Right: whether the widest heads had "
        "converged.",
        details="The initialisations are entries N(0, 1), small ones and the pretrained head. The pretrained head is "
        "cut without training, by its singular values and in the metric of the hidden states. Right: the training loss "
        "of the heads of highest rank; dashed, in one matrix from the same initialisation. Dotted, left: the "
        "pretrained head; unfactored heads above the axis are named in words.",
        inputs=_controls_inputs,
        wanted=has_heads,
        minutes=3,
    ),
    Figure(
        name="figure_8",
        title="Figure 8: is there a threshold?",
        caption="Held-out loss of LM heads against their rank and against the W-error at that rank, with a smooth "
        "curve (solid) and a stick with a kink (dotted). Do the points bend at one place? The paper's points are grey.",
        details="The W-error is that of the pretrained head at that rank. The stick is flat or sloped above its kink, "
        "whichever fits better; both curves go through the same points, and the table of thresholds compares them.",
        inputs=_with_published,
        parameters=hub_names,
        wanted=has_heads,
        minutes=3,
    ),
    Figure(
        name="figure_9",
        title="Figure 9: learning rates",
        caption="The peak learning rate, among those tried, with the lowest final training loss, by rank of the head. "
        "Does the best rate move with the rank, so that one rate for all would favour some? The paper's are grey.",
        details="Where initialisations agree, their marks and lines lie one inside the other.",
        inputs=_with_published,
        parameters=hub_names,
        wanted=has_heads,
        minutes=3,
    ),
    Figure(
        name="figure_bottleneck",
        title="Heads of rank r: excess loss and bounds",
        caption="Left: the loss of heads of each rank above that of the full head. Right: the bounds on it, the "
        "paper's in grey. Below: the loss changes by O(ε) as a random head moves by ε, but by O(ε²) at an optimum.",
        details="Left: the loss above that of the pretrained head and of one refitted to the same sample, cut by "
        "singular values (blue) and in the metric of the hidden states (orange); dotted, the expansion to second "
        "order; green, the trained head of lowest held-out loss of all initialisations. A refitted head has seen its "
        "sample: it stands for an optimum, not for a better model. Right: the paper's bound with its constant (grey) "
        "and the quadratic one (dashed), which is the lower of the two only where little is cut, from rank 24 of 64 on "
        "in the default. Gaps are drawn linearly up to 0.001 nats.",
        inputs=_bottleneck_inputs,
        wanted=has_heads,
        minutes=3,
    ),
)

TABLES = (
    TableRule(
        name="table_heads",
        message="Write heads, bounds and thresholds in numbers",
        inputs=_tables_inputs,
        tables=(
            Table("heads", "table_heads", (HEADS_VIEW,)),
            Table("bottleneck_bound", "bottleneck_bound"),
            Table("head_thresholds", "head_thresholds", (THRESHOLDS_VIEW,)),
            Table("head_costs", "head_costs", (COSTS_VIEW,)),
            Table("loss_expansion_orders", "loss_expansion_orders", (ORDERS_VIEW,)),
        ),
        minutes=3,
    ),
)

SECTION = Section(
    "bottleneck",
    "The softmax bottleneck",
    FIGURES,
    TABLES,
    ("heads", "This configuration trains no heads (heads.models is empty)."),
)
