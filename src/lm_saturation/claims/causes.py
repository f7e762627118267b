"""Questions of this project about what a softmax needs and what it does not see, judged on tables of section causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import REAL, Context, Cut, question
from lm_saturation.claims.needs import ANY_CHECKPOINTS, LOGIT_RANKS, PUBLISHED_MODEL, REAL_TEXT
from lm_saturation.claims.ngrams import MINIMUM_NGRAMS
from lm_saturation.softmax_rank.thresholds import GAP, LENIENT, STRICT

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Decisions

COST = Cut(
    GAP,
    "the paper's larger increases of the loss of small models are .05 to .07 nats: a head that costs less cannot "
    "explain them",
)
NAMES = {STRICT: "strict", GAP: "softmax", LENIENT: "lenient"}  # columns of table_softmax_rank, by gap
FACTOR = 2  # dimensions are tried in steps of 2: what differs by less is not told apart
SHOWN = ("figure_softmax_rank", "softmax_rank")
TEXT = ["corpus", "tokenizer", "order"]
UNCHANGED = Cut(1e-6, "what float32 can show of a loss; the smallest increase in the paper's Fig 1a is 0.0055 nats")
REACHED = 1e-4  # of a target: tables for people have six digits


@question(
    "Is W-error what a softmax needs? (here: of frequent contexts with count weights, the dimension at which the loss "
    f"lies {GAP} nats above the entropy and that at which W-error halves differ by at most a factor of {FACTOR})",
    unit="dimensions a dimension of W-error",
    shown_in=SHOWN,
    needs=REAL_TEXT,
    cut=COST,
)
def w_error_is_what_a_softmax_needs(softmax_rank: pd.DataFrame, context: Context, cut: float) -> Decisions:
    """Contexts of each length; *fewer* is certain, *more* is as far as the search found."""
    from lm_saturation.statistics.decisions import Curves, curves_of, decided

    rows = _real(_searched(softmax_rank), context)
    rows = rows[rows.norm_bound.isna()]
    name = NAMES[cut]
    rows = rows[rows[f"{name}_dimension"].notna() & (rows.halving_dimension > 0)]
    most, least = (rows[f"{name}_{end}"] / rows.halving_dimension for end in ("dimension", "below"))
    curves: Curves = curves_of(rows.assign(value=most, least=least), "value", "least", "value", name=TEXT)
    return decided(curves, (least >= 1 / FACTOR) & (most <= FACTOR), (most < 1 / FACTOR) | (least > FACTOR))


@question(
    "Does a softmax need the dimensions at which W-error of the paper's 5-gram matrix halves? (no: with norms that may "
    f"grow, less than half as many certainly suffice for a loss {GAP} nats above the entropy)",
    unit="dimensions that suffice, a dimension of W-error",
    shown_in=SHOWN,
    needs=REAL_TEXT,
    cut=COST,
)
def softmax_needs_the_rank_of_5_grams(softmax_rank: pd.DataFrame, context: Context, cut: float) -> Decisions:
    """All contexts, each as heavy; what suffices can only contradict."""
    import numpy as np

    from lm_saturation.statistics.decisions import curves_of, decided

    rows = _real(softmax_rank[(softmax_rank.method == "construction") & (softmax_rank.weighting == "unit")], context)
    rows = rows[(rows.order == 5) & (rows.sample_size == context.sample_size) & rows.halving_dimension.notna()]
    share = rows[f"{NAMES[cut]}_dimension"] / rows.halving_dimension
    return decided(curves_of(rows.assign(value=share), "value", name=TEXT), np.zeros(len(rows)), share < 1 / FACTOR)


@question(
    "Do bounded norms raise the dimensions that a softmax needs? (here: with the bound, a loss "
    f"{GAP} nats above the entropy takes at least {FACTOR} times the dimensions that it takes without)",
    unit="dimensions with the bound, a dimension without",
    shown_in=SHOWN,
    needs=REAL_TEXT,
    cut=COST,
)
def bounded_norms_need_more_dimensions(softmax_rank: pd.DataFrame, context: Context, cut: float) -> Decisions:
    """Each text and bound; both are as far as the search found."""
    from lm_saturation.statistics.decisions import curves_of, decided

    name = f"{NAMES[cut]}_dimension"
    rows = _real(_searched(softmax_rank), context)
    free = rows[rows.norm_bound.isna() & rows[name].notna()][[*TEXT, name]]
    both = rows[rows.norm_bound.notna()].merge(free, on=TEXT, suffixes=("", "_free"))
    # where no dimension tried suffices, the least that may is the next one
    needed = both[name].fillna(FACTOR * both[name.replace("dimension", "below")])
    share = needed / both[f"{name}_free"]
    return decided(curves_of(both.assign(value=share), "value", name=[*TEXT, "norm_bound"]), share >= FACTOR)


@question(
    "Does the search find what a softmax needs? (here: on languages of known logit rank r the gap is at most "
    f"{GAP / 10} nats at d = r, and above it below)",
    unit="nats/token at the largest d below r",
    shown_in=("figure_softmax_rank", "softmax_rank_languages"),
    needs=LOGIT_RANKS,
)
def the_search_finds_the_rank(softmax_rank_languages: pd.DataFrame) -> Decisions:
    """Each rank."""
    from lm_saturation.softmax_rank.thresholds import ENOUGH
    from lm_saturation.statistics.decisions import decided, exact

    names, values, found = [], [], []
    for rank, rows in softmax_rank_languages.groupby("rank"):
        below, at = rows[rows.dimension < rank].gap_nats, rows[rows.dimension >= rank].gap_nats
        if len(below) and len(at):
            names.append(f"r = {rank}")
            values.append(float(below.min()))
            found.append(below.min() > ENOUGH >= at.min())
    return decided(exact(names, values), found)


@question(
    "Can all that figures 2, 4 and 5 show of saturated models be had without a change of the loss? (here: models are "
    "given, after training, at least the singular entropy, as a share of log d, the σ2/σ1 and the mean cosine that the "
    "paper's model ends at, and the float32 loss changes by no more than the cut)",
    unit="nats/token, change of the loss",
    shown_in=("figure_invisible", "offset_intervention"),
    needs=ANY_CHECKPOINTS,
    cut=UNCHANGED,
)
def collapse_can_be_had_for_nothing(offset_intervention: pd.DataFrame, cut: float) -> Decisions:
    """Each model at its last checkpoint."""
    return _produced(offset_intervention[offset_intervention.state == "produced"], ["suite", "model"], cut)


@collapse_can_be_had_for_nothing.also_on(REAL, needs=PUBLISHED_MODEL)
def _(real_weights: pd.DataFrame, cut: float) -> Decisions:
    from lm_saturation.evidence.real_weights import produced

    return _produced(produced(real_weights), ["model"], cut)


@question(
    "Do offset and spread of the logits say what rounding them costs? (here: at each offset given after training whose "
    "rounding must cost Gaussian logits more than the noise of seeds, the cost in bfloat16 and float16 is that of "
    "Gaussian logits within a factor of 2)",
    unit="nats/token, measured less predicted",
    shown_in=("figure_invisible", "offset_intervention"),
    needs=ANY_CHECKPOINTS,
)
def offsets_say_what_rounding_costs(offset_intervention: pd.DataFrame) -> Decisions:
    """Each model, offset and precision."""
    import pandas as pd

    rows = offset_intervention[offset_intervention.asked_offset.notna()]
    keys = ["suite", "model", "asked_offset"]
    parts = [
        rows[keys].assign(half=half, cost=rows[f"{half}_cost"], predicted=rows[f"{half}_predicted"])
        for half in ("bfloat16", "float16")
    ]
    return _rounded(pd.concat(parts, ignore_index=True), [*keys, "half"])


@offsets_say_what_rounding_costs.also_on(REAL, needs=PUBLISHED_MODEL)
def _(real_weights: pd.DataFrame) -> Decisions:
    from lm_saturation.evidence.real_weights import rounded_offsets

    return _rounded(rounded_offsets(real_weights), ["model", "asked_offset", "half"])


def _produced(rows: pd.DataFrame, name: list[str], cut: float) -> Decisions:
    """Is the loss what it was, of those that reach what they should?"""
    from lm_saturation.statistics.decisions import curves_of, decided

    reached = (
        (rows.singular_entropy >= rows.entropy_target * (1 - REACHED))
        & (rows.sigma_ratio <= rows.sigma_ratio_target * (1 + REACHED))
        & (rows.anisotropy >= rows.anisotropy_target * (1 - REACHED))
    )
    return decided(curves_of(rows, "float32_change", name=name), reached & (rows.float32_change.abs() <= cut))


def _rounded(rows: pd.DataFrame, name: list[str]) -> Decisions:
    """Is the cost the predicted one? Of columns cost and predicted, where the latter is more than noise."""
    from lm_saturation.evidence.rounding import FACTOR as TIMES
    from lm_saturation.evidence.rounding import NOISE
    from lm_saturation.statistics.decisions import curves_of, decided

    rows = rows[rows.cost.notna() & (rows.predicted > NOISE)]
    share = rows.cost / rows.predicted
    curves = curves_of(rows.assign(beyond=rows.cost - rows.predicted), "beyond", name=name)
    return decided(curves, (share >= 1 / TIMES) & (share <= TIMES))


def _searched(rows: pd.DataFrame) -> pd.DataFrame:
    """Of relative frequencies, by search."""
    return rows[(rows.method == "search") & (rows.estimate == "frequency")]


def _real(rows: pd.DataFrame, context: Context) -> pd.DataFrame:
    """Those of natural text from samples as large as the paper's."""
    size = rows.sample_size.map(lambda size: float("inf") if size == "all" else float(size))
    return rows[~rows.corpus.isin(context.synthetic) & (size >= MINIMUM_NGRAMS)]
