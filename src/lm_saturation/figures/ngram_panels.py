"""What the figures and tables of stage ngrams share: curves of W-error, and intervals over seeds."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.statistics.intervals import mean_interval

SAMPLE = ["corpus", "tokenizer", "order", "sample_size"]


def grid(largest: int) -> NDArray[np.int64]:
    """Dimensions at which a curve up to `largest` is drawn: dense on a linear and on a logarithmic axis."""
    points = [np.linspace(1, largest, 250), np.geomspace(1, largest, 150)]
    return np.unique(np.rint(np.concatenate(points)).astype(np.int64))


def curve(spectrum: pd.DataFrame, column: str, dimensions: NDArray[np.int64]) -> pd.DataFrame:
    """`column` of one sample's spectrum at the given dimensions: mean over seeds, and low and high of its interval."""
    seeds = [_at(one, column, dimensions) for _, one in spectrum.groupby("seed")]
    mean, low, high = mean_interval(np.stack(seeds))
    return pd.DataFrame({"dimension": dimensions, "w_error": mean, "low": low, "high": high})


def _at(one: pd.DataFrame, column: str, dimensions: NDArray[np.int64]) -> NDArray[np.float64]:
    values = np.append(one.sort_values("dimension")[column].to_numpy(), 0.0)  # nothing is left beyond the last type
    return values[np.minimum(dimensions, len(values)) - 1]
