"""Intervals of estimates from clustered data: delete one cluster at a time.

Checkpoints of one model are not independent, models are. With few clusters the jackknife is safer than a bootstrap of
them: it overstates the error rather than understating it (Bell and McCaffrey 2002, Survey Methodology 28; MacKinnon,
Nielsen and Webb 2023, Journal of Applied Econometrics 38).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lm_saturation.statistics.intervals import LEVEL

Ends = tuple[float | None, float | None]


def jackknife_interval(estimate: float, without: NDArray[np.float64]) -> Ends:
    """The 95 % interval of an estimate, from those (clusters,) without each cluster; Student's t, clusters − 1.

    (None, None) below two clusters, or where an estimate is not finite.
    """
    count = len(without)
    if count < 2 or not np.isfinite(without).all():
        return None, None
    error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    half = float(stats.t.isf((1 - LEVEL) / 2, count - 1) * error)
    return estimate - half, estimate + half
