"""Claims judged on given tables: rows of claims.csv by name."""

from typing import Any

import pandas as pd

from lm_saturation.claims import CLAIMS, Context
from lm_saturation.claims.base import HERE
from lm_saturation.io.tables import table_columns
from lm_saturation_workflow.catalogue import TABLES
from tests.conftest import RESOURCES

CONTEXT = Context(sample_size="100000", synthetic=())


def published_figures() -> dict[str, pd.DataFrame]:
    """The papers' figures as read off, by name: figure_1a, ..."""
    files = RESOURCES.glob("figure_*_published.csv")
    return {path.stem.removesuffix("_published"): pd.read_csv(path) for path in files}


def judged(
    tables: dict[str, pd.DataFrame], source: str = HERE, context: Context = CONTEXT
) -> dict[str, dict[str, Any]]:
    """The rows, for a source, of the claims judged on some of these tables, and on nothing else but papers' figures."""
    known = {**published_figures(), **tables}
    inputs = {name: set(claim.evidence[source].inputs) for name, claim in CLAIMS.items() if source in claim.evidence}
    return {
        name: CLAIMS[name].row(source, {**known, "context": context})
        for name, needed in inputs.items()
        if needed <= set(known) and needed & set(tables)
    }


def empty(table: str) -> pd.DataFrame:
    """A table for people without rows, by the name of its file."""
    return pd.DataFrame(columns=list(table_columns(TABLES[table].schema)))
