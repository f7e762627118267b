"""What every row of the claims table has: a claim, the numbers it was tested on, and the verdict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

NOT_TESTED = "not tested in this configuration"
PAPER = "arXiv 2404.07647"


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, before it is tested."""

    claim: str
    text: str
    published: str
    unit: str
    found_in: str
    paper: str = PAPER


def verdict_row(
    claim: Claim, values: pd.Series, agrees: pd.Series, low: pd.Series | None = None, high: pd.Series | None = None
) -> dict[str, Any]:
    """The row of a claim tested on one value a curve, with intervals where there are any; none means not tested.

    It is reproduced if every curve agrees.
    """
    low, high = (values if end is None else end.fillna(values) for end in (low, high))
    verdict = "reproduced" if agrees.all() else "not reproduced"
    return {
        "claim": claim.claim,
        "paper": claim.paper,
        "text": claim.text,
        "published": claim.published,
        "ours": float(values.median()) if len(values) else np.nan,
        "ours_low": float(low.min()) if len(values) else np.nan,
        "ours_high": float(high.max()) if len(values) else np.nan,
        "unit": claim.unit,
        "curves": len(values),
        "agreeing": int(agrees.sum()),
        "verdict": verdict if len(values) else NOT_TESTED,
        "found_in": claim.found_in,
    }
