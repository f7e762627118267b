"""Table 1: Pythia-160M, best against final checkpoint, zero-shot (arXiv 2404.07647, Table 1).

The paper's row, the published evaluations, and ours where a suite has the model. The paper does not say what *best*
is: here both, the best of each column, and the one checkpoint of lowest held-out loss (step 75,000 in Fig 1a).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

MODEL = "pythia-160m"
PAPER_BEST_STEP = 75_000
COLUMNS = {  # of the table: task, metric, and what turns a score into the unit of the paper
    "LAMBADA perplexity": ("lambada_openai", "perplexity", 1),
    "LAMBADA accuracy": ("lambada_openai", "acc", 100),
    "StoryCloze accuracy": ("storycloze_2016", "acc", 100),
    "WikiText perplexity": ("wikitext", "word_perplexity", 1),
    "SciQ accuracy": ("sciq", "acc", 100),
    "ARC-easy accuracy": ("arc_easy", "acc", 100),
}
NORMAL = 1.96  # standard errors in half a 95 % interval


def printed_rows(published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The table as printed."""
    for row in published.itertuples():
        yield _row("paper", "as printed", row.checkpoint, row.column, value=row.value)


def score_rows(source: str, scores: pd.DataFrame, lowest: int) -> Iterator[dict[str, Any]]:
    """Best by both definitions, and final, of one model's zero-shot scores; `lowest` is the step of lowest loss.

    Of the checkpoints that were evaluated, the one nearest to it counts.
    """
    for column, (task, metric, scale) in COLUMNS.items():
        own = scores[(scores.task == task) & (scores.metric == metric) & (scores.num_fewshot == 0)].sort_values("step")
        if own.empty:
            for definition, checkpoint in (
                ("best of the column", "best"),
                ("lowest loss", "best"),
                ("last step", "final"),
            ):
                yield _row(source, definition, checkpoint, column, note="not available")
            continue
        best = own.value.idxmin() if scale == 1 else own.value.idxmax()
        nearest = (own.step - lowest).abs().idxmin()
        for definition, checkpoint, place in (
            ("best of the column", "best", best),
            ("lowest loss", "best", nearest),
            ("last step", "final", own.index[-1]),
        ):
            row, half = own.loc[place], NORMAL * own.stderr.astype(float).fillna(float("nan"))[place]
            yield _row(
                source,
                definition,
                checkpoint,
                column,
                step=int(row.step),
                value=scale * row.value,
                low=scale * (row.value - half),
                high=scale * (row.value + half),
            )


def _row(source: str, definition: str, checkpoint: str, column: str, **found: Any) -> dict[str, Any]:
    unit = "%" if COLUMNS[column][2] == 100 else "perplexity"
    empty = {"step": None, "value": None, "low": None, "high": None, "note": None}
    about = {"source": source, "definition": definition, "checkpoint": checkpoint, "column": column, "unit": unit}
    return about | empty | found


def note_swapped(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's two LAMBADA cells of a checkpoint, marked if they agree with the published ones only when swapped."""
    table = table.copy()
    for checkpoint, rows in table[table.column.str.startswith("LAMBADA")].groupby("checkpoint"):
        cells = rows[rows.source == "paper"].set_index("column").value
        known = rows[(rows.source == "published") & (rows.definition != "lowest loss")].set_index("column").value
        if len(cells) == 2 and len(known) == 2:
            straight, swapped = ((one - known).abs().sum() for one in (cells, cells[::-1].set_axis(cells.index)))
            if swapped < straight:
                marked = (table.source == "paper") & (table.checkpoint == checkpoint) & table.column.isin(known.index)
                table.loc[marked, "note"] = "the two LAMBADA cells are swapped: see the published evaluation"
    return table


def lowest_loss_steps(points: pd.DataFrame) -> dict[str, int]:
    """By suite/model, the step of lowest held-out loss among the checkpoints that were measured and asked."""
    own = points[points.loss_measure == "held_out"]
    steps = own.loc[own.groupby(["suite", "model"]).loss.idxmin()] if len(own) else own
    return {f"{row.suite}/{row.model}": int(row.step) for row in steps.itertuples()}


def table_1(
    printed: pd.DataFrame, scores: pd.DataFrame, points: pd.DataFrame, names: Mapping[str, str]
) -> pd.DataFrame:
    """The table, of `ability_scores` and `emergence_points`; `names` maps suite/model to names on the hub."""
    rows = list(printed_rows(printed))
    official = scores[(scores.suite == "pythia-v1") & (scores.model == MODEL.removeprefix("pythia-"))]
    rows += score_rows("published", official, PAPER_BEST_STEP)
    lowest = lowest_loss_steps(points)
    for name in [name for name, hub in names.items() if hub == MODEL]:
        own = scores[scores.suite + "/" + scores.model == name]
        rows += score_rows(name, own, lowest.get(name, PAPER_BEST_STEP))
    return note_swapped(pd.DataFrame(rows))
