"""The table `table_offset_intervention`: models changed where softmax does not see it, one row a state."""

import pandas as pd

from lm_saturation.io.tables import table_columns

KEYS = ["suite", "model", "step", "state", "asked_offset"]
LOSSES = {  # by column: the precision and the number
    "loss_nats": ("float32", "loss_nats"),
    "float64_change": ("float64", "loss_change_nats"),
    "float32_change": ("float32", "loss_change_nats"),
    **{f"{half}_cost": (half, "rounding_nats") for half in ("bfloat16", "float16")},
    **{f"{half}_predicted": (half, "predicted_nats") for half in ("bfloat16", "float16")},
}


def table_offset_intervention(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per model and state, in the order of the rows of `offset_intervention`."""
    columns = list(table_columns("table_offset_intervention"))
    shapes = [name for name in columns if name not in LOSSES]
    table = rows[rows.precision == "float32"][shapes]
    for column, (precision, number) in LOSSES.items():
        found = rows[rows.precision == precision][[*KEYS, number]].rename(columns={number: column})
        table = table.merge(found, how="left", on=KEYS, validate="one_to_one")
    return table[columns].reset_index(drop=True)
