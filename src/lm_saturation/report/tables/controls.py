"""Models whose loss rises by construction, and models whose loss does not: would a rise be found, and none invented?

A verdict "its loss does not rise" is worth as much as the chance to see a rise, which the positive control shows; a
verdict "it rises" as much as the absence of false alarms, which the negative one shows.
"""

from collections.abc import Mapping

import pandas as pd

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE
from lm_saturation.config.suites import Control
from lm_saturation.io.tables import table_columns
from lm_saturation.report.tables.saturation import saturation_table


def controls_table(
    saturation: pd.DataFrame, metrics: pd.DataFrame, layers: pd.DataFrame, controls: Mapping[str, Control]
) -> pd.DataFrame:
    """The table of saturation of the control suites, with what each is and whether it was judged rightly."""
    table = saturation_table(saturation, metrics, layers)
    table["control"] = table.suite.map(dict(controls)).astype(object)
    table["as_expected"] = (table.saturates == (table.control == "positive")).astype(int)
    return table[list(table_columns("table_controls"))]


def control_claims(controls: pd.DataFrame) -> pd.DataFrame:
    """The verdict on each claim about saturation, were the controls the models that it speaks of.

    Columns claim, positive, negative and both: judged on the positive controls, the negative ones, and all. That a
    training must be long enough is waived: whether their loss rises is known by construction.
    """
    judged = controls.assign(tokens_per_parameter=float("inf"))
    groups = {"positive": as_saturation(judged, "positive"), "negative": as_saturation(judged, "negative")}
    groups["both"] = judged[list(table_columns("table_saturation"))]
    rows = [
        {"claim": name} | {group: claim.row(HERE, {"saturation": table})["verdict"] for group, table in groups.items()}
        for name, claim in CLAIMS.items()
        if HERE in claim.evidence and claim.evidence[HERE].inputs == ["saturation"]
    ]
    return pd.DataFrame(rows, columns=list(table_columns("control_claims")))


def as_saturation(controls: pd.DataFrame, control: Control) -> pd.DataFrame:
    """The positive or the negative controls as a table of saturation, which the claims about saturation can judge."""
    return controls.loc[controls.control == control, list(table_columns("table_saturation"))].reset_index(drop=True)
