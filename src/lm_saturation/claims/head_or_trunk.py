"""A question of this project: is a small model worse for its head or for its trunk?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import SHIPPED, Cut, question
from lm_saturation.claims.needs import FACTORIAL, SHIPPED_RUNS

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Decisions

MOST = Cut(
    0.5,
    "one half: above it the head explains more than all else that is narrow, below it less; fixed before any training",
    half=0.25,
    twice=0.75,
)


@question(
    "Is a small model worse for its head, more than for its trunk? (here: of what a narrow model loses against a wide "
    "one, both trained from scratch on equal tokens, the wide one with a head of the narrow one's rank loses more than "
    "the cut, a share over seeds)",
    unit="of the excess loss",
    shown_in=("figure_head_or_trunk", "head_or_trunk"),
    needs=FACTORIAL,
    cut=MOST,
)
def the_head_explains_narrow_models(head_or_trunk: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Each wide model and rank."""
    from lm_saturation.statistics.decisions import above, curves_of

    rows = head_or_trunk[head_or_trunk.source == source]
    ends = ("head_share_low", "head_share_high")
    return above(curves_of(rows, "head_share", *ends, name=["suite", "model", "rank"], freedom="freedom"), cut)


the_head_explains_narrow_models.alike_on(SHIPPED, SHIPPED_RUNS)
