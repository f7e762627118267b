"""The claims about rank-constrained heads and the theory of the bottleneck, judged on the tables of heads.

Heads are trained once, so that no interval here holds what another seed of their training would change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import PAPER, Cut, claim
from lm_saturation.claims.needs import PAPER_HEADS, PAPER_POINTS, TRAINED_HEADS, WIDE_HEADS
from lm_saturation.heads.noticeable import HALF, NOTICEABLE, PAPER_INITIALISATION, TWICE

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Decisions

RANK, RANK_FACTOR = 1000, 2.0  # "below rank 1000": where it becomes noticeable lies within this factor of it
W_ERROR, W_ERROR_NEAR = 0.6, 0.05  # "passes .6": one digit, so .55 to .65
SMALL_RANK = 512  # the highest power of 2 that is well below 1000; of narrower models, half of the width
TRAINED = NOTICEABLE  # nats: the full-rank head may end so far above the pretrained one, no further
SEEN = Cut(NOTICEABLE, "nats that count as noticeable: about what can be seen in Fig 6b", half=HALF, twice=TWICE)
KEYS = ["suite", "model", "initialisation"]


@claim(
    f"The loss degrades noticeably when the head's rank is below 1000, regardless of the model (here: it is "
    f"{NOTICEABLE} nats above that of the full rank at a rank whose 95 % interval lies within a factor of "
    f"{RANK_FACTOR:g} of {RANK}; models at least as wide, with full-rank heads that reach the pretrained one's loss "
    f"to {TRAINED} nats)",
    published="Fig 6b: at rank 604 (410M), 1146 (1B) and 1569 (7B)",
    unit="rank",
    shown_in=("figure_6", "figure_8", "head_thresholds"),
    needs=WIDE_HEADS,
    cut=SEEN,
)
def loss_degrades_below_rank_1000(head_thresholds: pd.DataFrame, head_costs: pd.DataFrame, cut: float) -> Decisions:
    """Models that are wide enough."""
    return _degrades(_judged_here(head_thresholds, head_costs, "rank", RANK), cut)


@loss_degrades_below_rank_1000.also_on(PAPER, needs=PAPER_POINTS)
def _(head_thresholds: pd.DataFrame, cut: float) -> Decisions:
    return _degrades(_of(head_thresholds, "paper", "rank"), cut)


@claim(
    f"The loss starts to suffer when the W-error of the pretrained head passes .6 (here: it is {NOTICEABLE} nats above "
    f"that of the full rank at a W-error whose 95 % interval lies within {W_ERROR_NEAR} of .6; models at least {RANK} "
    "wide, as the paper's 1B)",
    published="Fig 8: at .50 (1B)",
    unit="W-error",
    shown_in=("figure_8", "head_thresholds"),
    needs=WIDE_HEADS,
    cut=SEEN,
)
def loss_suffers_beyond_w_error(head_thresholds: pd.DataFrame, head_costs: pd.DataFrame, cut: float) -> Decisions:
    """Models that are wide enough."""
    return _suffers(_judged_here(head_thresholds, head_costs, "w_error", RANK), cut)


@loss_suffers_beyond_w_error.also_on(PAPER, needs=PAPER_POINTS)
def _(head_thresholds: pd.DataFrame, cut: float) -> Decisions:
    return _suffers(_of(head_thresholds, "paper", "w_error"), cut)


@claim(
    "There is a rank below which the loss degrades (here: of the loss against rank, a smooth curve can be excluded and "
    "a stick of one or two slopes cannot; contradicted if the stick can, and a kink would have been seen)",
    published="Fig 6b: the smooth curve fits better in 410M and 7B, neither in 1B; the sticks bend at rank 160 to 180",
    unit="difference of AIC",
    shown_in=("figure_8", "head_thresholds"),
    needs=TRAINED_HEADS,
)
def threshold_in_rank(head_thresholds: pd.DataFrame, head_costs: pd.DataFrame) -> Decisions:
    """Every model."""
    return _kinked(_judged_here(head_thresholds, head_costs, "rank"))


@threshold_in_rank.also_on(PAPER, needs=PAPER_POINTS)
def _(head_thresholds: pd.DataFrame) -> Decisions:
    return _kinked(_of(head_thresholds, "paper", "rank"))


@claim(
    f"A small head hurts whatever the representations that it reads (here: rank {SMALL_RANK}, or half of a narrower "
    f"width, costs more than {NOTICEABLE} nats against the full-rank head of the same training; every model and "
    "initialisation)",
    published="Fig 6b, rank 512: 0.075 (410M), 0.174 (1B) and 0.160 (7B)",
    unit="nats",
    shown_in=("figure_6", "head_costs"),
    needs=TRAINED_HEADS,
    cut=SEEN,
)
def small_heads_hurt(head_costs: pd.DataFrame, cut: float) -> Decisions:
    """Every model and initialisation."""
    ours = head_costs[head_costs.source == "ours"]
    return hurt(_known_if(ours, _trained(ours), ["cost_low", "cost_high"]), cut)


@small_heads_hurt.also_on(PAPER, needs=PAPER_POINTS)
def _(head_costs: pd.DataFrame, cut: float) -> Decisions:
    return hurt(head_costs[head_costs.source == "paper"], cut)


@claim(
    "Lemma 5.1: at the optimum, the loss of a head moved by ε grows by O(ε) (here: by a power of ε of at least 1; a "
    "power of 2 means that the lemma is true and not sharp)",
    published="O(ε)",
    unit="power of ε",
    shown_in=("figure_bottleneck", "loss_expansion_orders"),
    needs=PAPER_HEADS,
    cut=Cut(0.05, "below 1: over two decades of ε, terms of higher order bend the slope by less"),
)
def gap_is_order_epsilon(loss_expansion_orders: pd.DataFrame, cut: float) -> Decisions:
    """The change of the loss at the optima of random problems."""
    from lm_saturation.statistics.decisions import above, curves_of

    orders = loss_expansion_orders
    optimum = orders[(orders.place == "optimum") & (orders.quantity == "change")]
    return above(curves_of(optimum, "order", "order_low", "order_high", name=["place"]), 1 - cut)


@claim(
    "Theorem 5.3: cutting a head to rank d costs O(√Σσ²), the sum over the singular values i > d (here: at every rank, "
    "the 95 % interval of the cost lies below this bound with its constant, √2 mean ‖x‖)",
    published="O(√Σσ²)",
    unit="nats above the bound",
    shown_in=("figure_bottleneck",),
    needs=PAPER_HEADS,
)
def cut_heads_keep_to_the_bound(bottleneck_bound: pd.DataFrame) -> Decisions:
    """Pretrained and refitted heads, cut by their singular values; the full rank cuts nothing."""
    from lm_saturation.statistics.decisions import below, curves_of

    cuts = bottleneck_bound[(bottleneck_bound.method == "truncated")]
    cuts = cuts[cuts["rank"] < cuts.hidden_size]
    excess = {name: cuts[f"gap_{name}"] - cuts.paper_bound for name in ("nats", "low", "high")}
    return below(curves_of(cuts.assign(**excess), "nats", "low", "high", name=["suite", "model", "head", "rank"]), 0)


def _of(thresholds: pd.DataFrame, source: str, against: str) -> pd.DataFrame:
    """Heads of the paper's initialisation, and no others, against rank or W-error."""
    rows = thresholds[(thresholds.source == source) & (thresholds.initialisation == PAPER_INITIALISATION)]
    return rows[rows.against == against]


def _judged_here(thresholds: pd.DataFrame, costs: pd.DataFrame, against: str, width: int = 0) -> pd.DataFrame:
    """Models trained here that are at least so wide; what was not trained far enough is unknown."""
    rows = _of(thresholds, "ours", against)
    unknown = [name for name in rows.columns if name.endswith(("_low", "_high"))] + ["p_smooth", "p_kinked"]
    return _known_if(rows[rows.hidden_size >= width], _trained(costs), unknown)


def _trained(costs: pd.DataFrame) -> set[tuple[object, ...]]:
    """Suites, models and initialisations whose full-rank head reaches the pretrained one's loss, beyond doubt."""
    return set(map(tuple, costs.loc[costs.full_rank_gap_high <= TRAINED, KEYS].to_numpy()))


def _known_if(rows: pd.DataFrame, trained: set[tuple[object, ...]], columns: list[str]) -> pd.DataFrame:
    """The rows with empty columns where the heads were not trained far enough: they decide nothing."""
    far_enough = [key in trained for key in map(tuple, rows[KEYS].to_numpy())]
    return rows.assign(**{name: rows[name].astype(float).where(far_enough) for name in columns})


def _degrades(rows: pd.DataFrame, level: float) -> Decisions:
    return _noticeable(rows, level, nowhere=0.0, low=RANK / RANK_FACTOR, high=RANK * RANK_FACTOR)


def _suffers(rows: pd.DataFrame, level: float) -> Decisions:
    return _noticeable(rows, level, nowhere=1.0, low=W_ERROR - W_ERROR_NEAR, high=W_ERROR + W_ERROR_NEAR)


def _noticeable(rows: pd.DataFrame, level: float, *, nowhere: float, low: float, high: float) -> Decisions:
    """Does the loss become noticeable within the range? A loss that never does, does so at `nowhere`."""
    from lm_saturation.statistics.decisions import curves_of, within

    at_level = rows[(rows.level_nats - level).abs() < HALF / 2]
    return within(
        curves_of(
            at_level.assign(noticeable_at=at_level.noticeable_at.fillna(nowhere)),
            "noticeable_at",
            "noticeable_at_low",
            "noticeable_at_high",
            name=["model"],
        ),
        low,
        high,
    )


def _kinked(rows: pd.DataFrame) -> Decisions:
    from lm_saturation.statistics.decisions import ERROR, curves_of, decided, holm, with_power

    once = rows[rows.level_nats == NOTICEABLE]
    curves = curves_of(once, "aic_difference", "aic_difference_low", "aic_difference_high", name=["model"])
    kink = (holm(once.p_smooth.to_numpy(float)) <= ERROR) & (curves.low > 0)
    smooth = (holm(once.p_kinked.to_numpy(float)) <= ERROR) & (curves.high < 0)
    return with_power(decided(curves, kink, smooth), once.kink_power.to_numpy(float))


def hurt(costs: pd.DataFrame, level: float) -> Decisions:
    """The highest rank of each head that counts as small."""
    from lm_saturation.statistics.decisions import above, curves_of

    small = costs[costs["rank"] <= (costs.hidden_size // 2).clip(upper=SMALL_RANK)]
    highest = small[small["rank"] == small.groupby(KEYS, dropna=False, observed=True)["rank"].transform("max")]
    name = ["model", "initialisation", "rank"]
    return above(curves_of(highest, "cost_nats", "cost_low", "cost_high", name=name), level)
