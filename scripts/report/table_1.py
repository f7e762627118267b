"""Rule `table_1`: Pythia-160M, best against final checkpoint, zero-shot (arXiv 2404.07647, Table 1).

The paper's row, the published evaluations, and ours where a suite has the model. The paper does not say what *best*
is: here both, the best of each column, and the one checkpoint of least held-out loss (step 75,000 in Fig 1a).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import read_table, write_csv
from scripts.report.suites import read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

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


def paper_rows(published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The table as printed."""
    for row in published.itertuples():
        yield _row("paper", "as printed", row.checkpoint, row.column, value=row.value)


def score_rows(source: str, scores: pd.DataFrame, least: int) -> Iterator[dict[str, Any]]:
    """Best by both definitions, and final, of one model's zero-shot scores; `least` is the step of least loss.

    Of the checkpoints that were asked, the one nearest to it counts.
    """
    for column, (task, metric, scale) in COLUMNS.items():
        own = scores[(scores.task == task) & (scores.metric == metric) & (scores.num_fewshot == 0)].sort_values("step")
        if own.empty:
            for definition, checkpoint in (
                ("best of the column", "best"),
                ("least loss", "best"),
                ("last step", "final"),
            ):
                yield _row(source, definition, checkpoint, column, note="not available")
            continue
        best = own.value.idxmin() if scale == 1 else own.value.idxmax()
        nearest = (own.step - least).abs().idxmin()
        for definition, checkpoint, place in (
            ("best of the column", "best", best),
            ("least loss", "best", nearest),
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
        known = rows[(rows.source == "published") & (rows.definition != "least loss")].set_index("column").value
        if len(cells) == 2 and len(known) == 2:
            straight, swapped = ((one - known).abs().sum() for one in (cells, cells[::-1].set_axis(cells.index)))
            if swapped < straight:
                marked = (table.source == "paper") & (table.checkpoint == checkpoint) & table.column.isin(known.index)
                table.loc[marked, "note"] = "the two LAMBADA cells are swapped: see the published evaluation"
    return table


def least_loss_steps(points: pd.DataFrame) -> dict[str, int]:
    """By suite/model, the step of least held-out loss among the checkpoints that were measured and asked."""
    own = points[points.loss_measure == "held_out"]
    steps = own.loc[own.groupby(["suite", "model"]).loss.idxmin()] if len(own) else own
    return {f"{row.suite}/{row.model}": int(row.step) for row in steps.itertuples()}


def main(files: Any, names: dict[str, str]) -> pd.DataFrame:
    """The table; `names` maps suite/model to names on the hub."""
    rows = list(paper_rows(pd.read_csv(files.printed)))
    scores = read_suites("ability_scores", [files.published, *files.scores])
    official = scores[(scores.suite == "pythia-v1") & (scores.model == MODEL.removeprefix("pythia-"))]
    rows += score_rows("published", official, PAPER_BEST_STEP)
    least = least_loss_steps(read_table("emergence_points", files.points).to_pandas())
    for name in [name for name, hub in names.items() if hub == MODEL]:
        own = scores[scores.suite + "/" + scores.model == name]
        rows += score_rows(name, own, least.get(name, PAPER_BEST_STEP))
    return note_swapped(pd.DataFrame(rows))


if __name__ == "__main__":
    with job(snakemake):
        write_csv("table_1", snakemake.output[0], main(snakemake.input, snakemake.params.names))
