"""LM heads of the best learning rates in numbers."""

import numpy as np
import pandas as pd

from lm_saturation.figures.panels import KEYS
from lm_saturation.io.tables import table_columns


def head_table(sweep: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """The head of the best learning rate of each model, initialisation and rank, and its gap to the pretrained head."""
    best = sweep[sweep.is_best == 1]
    method = np.where(best.factored == 1, best.initialisation, best.initialisation + "_unfactored")
    gaps = bounds[[*KEYS, "method", "rank", "gap_nats", "gap_low", "gap_high", "w_error"]]
    rows = best.assign(method=method).merge(gaps, on=[*KEYS, "method", "rank"])
    order = {model: number for number, model in enumerate(dict.fromkeys(map(tuple, sweep[KEYS].to_numpy())))}
    places = [order[model] for model in map(tuple, rows[KEYS].to_numpy())]
    rows = rows.assign(place=places).sort_values(
        ["place", "initialisation", "factored", "rank"], ascending=[True, True, False, True]
    )
    return rows[list(table_columns("table_heads"))]
