"""Numbers as the page and the findings print them."""

import pandas as pd


def number(value: float) -> str:
    """A number in two digits, from 10 on without decimals; nothing for an empty cell."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 10 else f"{value:.2g}"
