"""The losses that the scaling law is fitted to: one row per checkpoint, of the paper (Fig 1b) or of a suite.

Two columns of 0 or 1 say which fits use a row:

large         the model is large enough for fits with B, β and E held fixed, which use its final checkpoint; models that
              are not are small ones, whose gap to the law is measured
past_warm_up  used where all five constants are free: of large models, after the first 5 % of the steps, each once
"""

import numpy as np
import pandas as pd

FIT_WARM_UP_SHARE = 0.05  # of the steps, which the law with five free constants is not fitted to
PAPER_MINIMUM_PARAMETERS = 400_000_000  # total, of the models that the paper fits: 410M and up


def published_points(published: pd.DataFrame) -> pd.DataFrame:
    """The paper's points: final and best checkpoints. The best ones of large models are their final ones."""
    large = published.parameters >= PAPER_MINIMUM_PARAMETERS
    past_warm_up = (published.checkpoint == "final") | ~large
    return published.assign(source="paper", suite=None, large=large.astype(int), past_warm_up=past_warm_up.astype(int))


def points_by_suite(metrics: pd.DataFrame, fit_from: dict[str, int]) -> list[pd.DataFrame]:
    """`suite_points` of each suite in `checkpoint_metrics`; `fit_from` is the size, in parameters, of large models."""
    return [suite_points(rows, fit_from.get(str(suite), 0)) for suite, rows in metrics.groupby("suite", sort=False)]


def suite_points(metrics: pd.DataFrame, minimum_parameters: float) -> pd.DataFrame:
    """Every checkpoint of a suite with known tokens, its final and best ones named; duplicates are left out.

    A checkpoint that is both final and best comes twice, and counts once in fits.
    """
    rows = metrics[metrics.duplicate_of.isna() & metrics.tokens.notna() & (metrics.tokens > 0)]
    if rows.empty:
        return rows.assign(source="ours", checkpoint="", large=0, past_warm_up=0)
    last, large = rows.groupby("model").step.transform("max"), rows.parameters >= minimum_parameters
    points = pd.DataFrame(
        {
            "source": "ours",
            "suite": rows.suite,
            "model": rows.model,
            "step": rows.step,
            "tokens": rows.tokens.astype(float),
            "loss_nats": rows.cross_entropy_nats,
            "nominal_parameters": rows.parameters,
            "parameters": rows.parameters,
            "non_embedding_parameters": rows.non_embedding_parameters,
            "head_parameters": rows.head_rows * rows.hidden_size,
            "large": large.astype(int),
            "past_warm_up": ((rows.step >= FIT_WARM_UP_SHARE * last) & large).astype(int),
            "checkpoint": np.where(rows.step == last, "final", "other"),
        }
    )
    best = points.loc[points.groupby("model").loss_nats.idxmin()].assign(checkpoint="best", past_warm_up=0)
    return pd.concat([points, best], ignore_index=True)
