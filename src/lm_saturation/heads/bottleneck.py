"""The loss gap of LM heads of each rank, cut or trained, beside the bounds of the theory (rule `bottleneck_bound`).

arXiv 2404.07647, section 5.1: Lemma 5.1 and Theorem 5.3; the bounds themselves are in `loss_bounds`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.config.heads import BoundOptions
from lm_saturation.heads.factored_head import Factors
from lm_saturation.heads.loss_bounds import Bounds, HeadMoments, bounds, compute_moments
from lm_saturation.heads.refit import refit
from lm_saturation.heads.states import HeadStates
from lm_saturation.heads.truncation import CUTS, cut
from lm_saturation.io.logs import progress
from lm_saturation.statistics.intervals import interval, resampled_means

BOUNDS = ["first_order", "second_order", "quadratic", "bound", "paper_bound"]


def bottleneck_rows(frozen: HeadStates, trained: Iterable[pd.DataFrame], options: BoundOptions) -> list[dict[str, Any]]:
    """The rows of `bottleneck_bound` but for the columns that name the model: trained heads first, then cuts.

    `trained` are the tables `head_losses` of the model's sweep.
    """
    width = frozen.head.shape[1]
    ranks = [rank for rank in sorted({*options.ranks, width}) if rank <= width]
    pretrained = compute_moments(frozen, frozen.head)
    truncation = cut("truncated", frozen.head, pretrained.second_moment)
    rows = list(trained_rows(frozen, trained, {rank: truncation.error(rank) for rank in ranks}))
    rows += cut_rows(frozen, pretrained, "pretrained", ranks)
    rows += cut_rows(frozen, compute_moments(frozen, refit(frozen, options.refit_iterations)), "refitted", ranks)
    return rows


def trained_rows(
    frozen: HeadStates, tables: Iterable[pd.DataFrame], w_error: dict[int, float]
) -> Iterator[dict[str, Any]]:
    """A row for every head in tables `head_losses`, by its initialisation: `normal`, or `normal_unfactored`, ..."""
    reference = sequence_losses(frozen, (frozen.head.T,))
    for table in tables:
        for (name, rank, factored), losses in table.groupby(["initialisation", "rank", "factored"], observed=True):
            yield {
                "head": "pretrained",
                "method": str(name) if factored else f"{name}_unfactored",
                "rank": int(rank),
                "w_error": w_error[int(rank)],
                **gap_columns(losses.sort_values("sequence").loss_nats.to_numpy(), reference),
                **dict.fromkeys(BOUNDS),
            }


def cut_rows(frozen: HeadStates, moments: HeadMoments, head: str, ranks: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A row for every cut of a head, `pretrained` or `refitted`, to every rank."""
    reference = sequence_losses(frozen, (moments.head.T,))
    for name in CUTS:
        truncation = cut(name, moments.head, moments.second_moment)
        heads = [truncation.factors(moments.head, rank) for rank in ranks]
        cuts = zip(ranks, heads, bounds(moments, heads), strict=True)
        for rank, factors, of_cut in progress(cuts, f"{head} head, {name}", len(ranks), "rank"):
            yield {
                "head": head,
                "method": name,
                "rank": rank,
                "w_error": truncation.error(rank),
                **gap_columns(sequence_losses(frozen, factors), reference),
                **bound_columns(name, of_cut),
            }


def sequence_losses(frozen: HeadStates, factors: Factors) -> NDArray[np.float64]:
    """(sequences,) the mean held-out loss of each, in nats/token."""
    return frozen.losses(factors).nats.double().mean(1).cpu().numpy()


def gap_columns(losses: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean of losses (sequences,), and its gap to the reference with a paired bootstrap interval over sequences."""
    difference = losses - reference
    low, high = interval(resampled_means(difference))
    return {"loss_nats": losses.mean(), "gap_nats": difference.mean(), "gap_low": low, "gap_high": high}


def bound_columns(cut_name: str, of_cut: Bounds) -> dict[str, float | None]:
    """The columns BOUNDS of a cut of that name; the paper's theorem is about `truncated` alone."""
    return {
        "first_order": of_cut.first_order,
        "second_order": of_cut.second_order,
        "quadratic": of_cut.quadratic,
        "bound": of_cut.sharp,
        "paper_bound": of_cut.paper if cut_name == "truncated" else None,
    }
