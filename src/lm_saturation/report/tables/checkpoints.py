"""Checkpoints asked for, found and measured, one row per model."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from lm_saturation.figures.panels import KEYS
from lm_saturation.io.tables import table_columns

COLUMNS = [*KEYS, "step", "duplicate_of", "quantisation"]  # of checkpoint_metrics
SHOWN = 6  # steps that are listed one by one


def model_row(
    names: tuple[str, str], measured: pd.DataFrame, audit: pd.DataFrame, steps: list[int] | None
) -> dict[str, Any]:
    """The row of one model; `audit` is empty for a model trained here, `steps` None if the config asks for all."""
    trained = audit.empty
    wanted = set(steps) if steps is not None else set(audit.step)
    asked = audit[audit.step.isin(wanted)]
    with_weights = set(asked[asked.status.isin(["ok", "duplicate"])].step) if not trained else set(measured.step)
    incomplete = set(asked[asked.status == "incomplete"].step)
    lists = {
        "missing": wanted - with_weights - incomplete,
        "duplicate": set(asked[asked.status == "duplicate"].step) | set(measured[measured.duplicate_of.notna()].step),
        "incomplete": incomplete,
    }
    counts = {"missing": "missing", "duplicate": "duplicates", "incomplete": "incomplete"}
    return {
        **dict(zip(KEYS, names, strict=True)),
        "configured": None if steps is None else len(wanted),
        "found": None if trained else len(with_weights),
        "measured": len(measured),
        **{counts[name]: len(found) for name, found in lists.items()},
        **{f"{name}_steps": short_list(found) for name, found in lists.items()},
        "quantisation": "; ".join(measured.quantisation.dropna().unique()) or None,
    }


def short_list(steps: Iterable[int]) -> str | None:
    """Few steps one by one; of many the first and the last. None if there are none."""
    ordered = sorted(map(int, steps))
    if len(ordered) > SHOWN:
        return ", ".join([*map(str, ordered[: SHOWN - 2]), "...", str(ordered[-1])])
    return ", ".join(map(str, ordered)) or None


def checkpoint_table(metrics: pd.DataFrame, audits: pd.DataFrame, steps: dict[str, list[int] | None]) -> pd.DataFrame:
    """A row for each model that was measured or audited; `steps` are those that the config asks of each suite."""
    models = pd.concat([metrics[KEYS], audits[KEYS]]).drop_duplicates()
    parts = []
    for suite, model in models.itertuples(index=False):
        one, audit = (table[(table.suite == suite) & (table.model == model)] for table in (metrics, audits))
        parts.append(model_row((suite, model), one, audit, steps[suite]))
    frame = pd.DataFrame(parts, columns=list(table_columns("table_checkpoints")))
    return frame.astype({"configured": float, "found": float})
