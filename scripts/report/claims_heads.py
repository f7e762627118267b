"""The claims about rank-constrained heads and the theory of the bottleneck, judged on the tables of `table_heads`."""

from typing import Any

import pandas as pd

from scripts.heads.thresholds import NOTICEABLE
from scripts.report.heads import PAPER_START
from scripts.report.verdicts import Claim, verdict_row

RANK, RANK_FACTOR = 1000, 2.0  # "below rank 1000": where it becomes noticeable lies within this factor of it
W_ERROR, W_ERROR_NEAR = 0.6, 0.05  # "passes .6": where it becomes noticeable lies so near it

BELOW_RANK = Claim(
    "loss_degrades_below_rank_1000",
    f"The loss degrades noticeably when the head's rank is below 1000, regardless of the model (here: it is "
    f"{NOTICEABLE} nats above that of the full rank within a factor of {RANK_FACTOR:g} of rank {RANK}; models at "
    "least as wide)",
    "Fig 6b: at rank 604 (410M), 1146 (1B) and 1569 (7B)",
    "rank",
    "figure_6, figure_8, head_thresholds",
)
BEYOND_W_ERROR = Claim(
    "loss_suffers_beyond_w_error",
    f"The loss starts to suffer when the W-error of the pretrained head passes .6 (here: it is {NOTICEABLE} nats above "
    f"that of the full rank at a W-error within {W_ERROR_NEAR} of .6)",
    "Fig 8: at .50 (1B)",
    "W-error",
    "figure_8, head_thresholds",
)
THRESHOLD = Claim(
    "threshold_in_rank",
    "There is a rank below which the loss degrades (implied; here: against rank, a curve with a kink fits better than "
    "a smooth one of as many parameters)",
    "Fig 6b: the smooth curve fits better in all three, by 21 to 45",
    "difference of AIC",
    "figure_8, head_thresholds",
)
THEOREM = Claim(
    "gap_is_order_epsilon",
    "Lemma 5.1: at the optimum, the loss of a head moved by ε grows by O(ε) (here: by a power of ε of at least 1; at "
    "2, the lemma is true and not sharp)",
    "O(ε)",
    "power of ε",
    "figure_bottleneck, loss_expansion_orders",
)


def head_claims(thresholds: pd.DataFrame, orders: pd.DataFrame) -> list[dict[str, Any]]:
    """Every claim of this file. Heads of the paper's start are judged, and no others."""
    ours = thresholds[(thresholds.source == "ours") & (thresholds.start == PAPER_START)]
    ranks, errors = ours[ours.against == "rank"], ours[ours.against == "w_error"]
    optimum = orders[(orders.place == "optimum") & (orders.quantity == "change")]
    wide = ranks[(ranks.hidden_size >= RANK) & ranks.noticeable.notna()]
    known = errors[errors.noticeable.notna()]
    return [
        _within(BELOW_RANK, wide, RANK / RANK_FACTOR, RANK * RANK_FACTOR),
        _within(BEYOND_W_ERROR, known, W_ERROR - W_ERROR_NEAR, W_ERROR + W_ERROR_NEAR),
        verdict_row(THRESHOLD, ranks.criterion, ranks.criterion_low > 0, ranks.criterion_low, ranks.criterion_high),
        verdict_row(THEOREM, optimum.order, optimum.order_high >= 1, optimum.order_low, optimum.order_high),
    ]


def _within(claim: Claim, rows: pd.DataFrame, least: float, most: float) -> dict[str, Any]:
    """A curve agrees if the interval of where its loss becomes noticeable meets the range."""
    low = rows.noticeable_low.fillna(rows.noticeable)
    high = rows.noticeable_high.fillna(rows.noticeable)
    return verdict_row(claim, rows.noticeable, (low <= most) & (high >= least), low, high)
