"""Questions of this project about the search for saturation in miniature, shipped with the project and of this run.

Rule, margin and reason were fixed before any training of the search was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import HERE, SHIPPED, Cut, question
from lm_saturation.claims.needs import SEARCH, SHIPPED_TRAININGS

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Curves, Decisions

INCREASE = Cut(0.005, "just below the least increase of the models that the paper counts, .0055 nats of 14M")
COLLAPSED = Cut(0.5, "the head's entropy then allows √d of its d directions, or fewer", half=0.25, twice=0.75)
SEEDS = 3  # of a recipe at least, for an interval
SHOWN = ("figure_miniature", "saturation_search", "shipped_search")
RECIPE = [
    "corpus", "tokenizer", "vocabulary_size", "hidden_size", "batch_size", "tokens_per_parameter",
    "learning_rate", "schedule", "weight_decay", "precision",
]  # fmt: skip


@question(
    "Can saturation be had in miniature? (here: of the recipes searched, tiny models with minutes of "
    "training, one certainly ends above its lowest loss by more than the cut, over seeds and over documents; no if all "
    "are certainly below it)",
    unit="nats/token, of the recipe whose interval begins highest",
    shown_in=SHOWN,
    needs=SHIPPED_TRAININGS,
    source=SHIPPED,
    cut=INCREASE,
)
def saturation_in_miniature(shipped_search: pd.DataFrame, cut: float) -> Decisions:
    """All recipes as one curve: the one whose interval begins highest."""
    from lm_saturation.statistics.decisions import decided

    rows, judged = _rises(shipped_search, cut)
    most = _curves(rows.sort_values("increase_low", kind="stable").tail(1))
    if rows.empty:
        return decided(most, [])
    return decided(most, [judged.agrees.any()], [judged.contradicts.all()])


@question(
    "Do heads collapse without saturation? (here: of the recipes whose loss certainly does not rise by "
    f"{INCREASE.value} nats, the singular entropy of the head, its mean row removed, ends above the cut as a share of "
    "ln d)",
    unit="share of ln d",
    shown_in=SHOWN,
    needs=SHIPPED_TRAININGS,
    source=SHIPPED,
    cut=COLLAPSED,
)
def collapse_without_saturation(shipped_search: pd.DataFrame, cut: float) -> Decisions:
    """Each recipe that does not saturate."""
    from lm_saturation.statistics.decisions import curves_of, decided

    rows, judged = _rises(shipped_search, INCREASE.value)
    flat = rows[judged.contradicts]
    return decided(curves_of(flat, "entropy_centred_share", name=RECIPE), flat.entropy_centred_share > cut)


for _asked in (saturation_in_miniature, collapse_without_saturation):
    _asked.alike_on(HERE, SEARCH, shipped_search="saturation_search")


def _rises(recipes: pd.DataFrame, cut: float) -> tuple[pd.DataFrame, Decisions]:
    """The recipes with enough seeds: which certainly rise by more than the cut, and which certainly do not."""
    from lm_saturation.statistics.decisions import above

    rows = recipes[recipes.seeds >= SEEDS]
    return rows, above(_curves(rows), cut)


def _curves(rows: pd.DataFrame) -> Curves:
    from lm_saturation.statistics.decisions import curves_of

    rows = rows.assign(freedom=rows.seeds - 1)
    return curves_of(rows, "increase_nats", "increase_low", "increase_high", name=RECIPE, freedom="freedom")
