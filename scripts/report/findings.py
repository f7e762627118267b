"""Rule `findings`: each place where text, figures and published data of the papers disagree, with the evidence."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from scripts.common.jobs import job, whole_file
from scripts.common.tables import read_csv
from scripts.report.cells import number
from scripts.report.published import entropies_by_power, least_losses, matrix_sizes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

MODEL, WIDTH = "pythia-14m", 128  # the one of which Fig 4 shows most of the singular values
COLUMNS = 1000  # steps between two columns of Fig 4
TRAININGS = ["70m", "160m"]  # and what their names begin with
SHOTS = ["zero-shot", "five-shot"]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def trainings(lost: pd.DataFrame) -> pd.DataFrame:
    """The published trainings of Pythia 70M and 160M, by LAMBADA perplexity; of each, the shots that there are."""
    small = lost.model.str.split("-").str[0].isin(TRAININGS) & lost.suite.str.startswith("pythia")
    return lost[small & (lost.task == "lambada_openai") & (lost.metric == "perplexity")].sort_values(
        ["num_fewshot", "model", "suite"]
    )


def differing_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Models and tasks that do differently at equal held-out loss of Fig 1a: a 95 % interval without 0."""
    found = pairs[(pairs.loss_measure == "figure_1a") & (pairs.metric == "acc")]
    found = found.drop_duplicates(["suite", "model", "task", "num_fewshot"])
    return found[(found.difference_low > 0) | (found.difference_high < 0)]


def misfiled(evaluations: pd.DataFrame) -> int:
    """Values whose folder names other shots than their file records."""
    folder = evaluations.folder_num_fewshot
    return int((folder.notna() & (folder != evaluations.num_fewshot)).sum())


def render(template: str, **known: Any) -> str:
    """The page as Markdown; every name that the template uses must be known."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["number"] = number
    return environment.from_string(template).render(**known)


def evidence(tables: dict[str, pd.DataFrame], figures: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """What the template shows: `tables` of this run by name, `figures` as read off, by their number."""
    spectra = figures["4"]
    shifted = {
        lag: entropies_by_power(spectra.assign(step=spectra.step + lag), figures["5"], MODEL, WIDTH)
        for lag in (-COLUMNS, 0, COLUMNS)
    }
    final = tables["table_1"][tables["table_1"].checkpoint == "final"]

    def within(power: int, lag: int) -> int:
        found = shifted[lag]
        return int(found.drawn.between(found[f"low_{power}"], found[f"high_{power}"]).sum())

    def cell(source: str, column: str) -> dict[str, Any]:
        return records(final[(final.source == source) & (final.column == column)])[0]

    fits, curves = tables["scaling_fit"], tables["table_7"]
    thresholds, moments = tables["head_thresholds"], tables["tied_moments"]
    return {
        "claims": {row["claim"]: row for row in records(tables["claims"])},
        "cell": cell,
        "within": within,
        "unseen": WIDTH - int(spectra["rank"].max()),
        "entropies": records(shifted[0]),
        "least": records(least_losses(figures["1a"])),
        "scaling": records(fits[(fits.source == "paper") & (fits.constants == "hoffmann")]),
        "matrices": records(matrix_sizes(figures["7"]).merge(curves[curves.source == "paper"])),
        "thresholds": records(thresholds[(thresholds.source == "paper") & (thresholds.against == "rank")]),
        "orders": records(tables["loss_expansion_orders"]),
        "trainings": records(trainings(tables["ability_saturation"])),
        "evaluations": len(figures["evaluations"]),
        "misfiled": misfiled(figures["evaluations"]),
        "unnamed": int(figures["evaluations"].folder_num_fewshot.isna().sum()),
        "equal_loss": records(differing_pairs(tables["equal_loss"])),
        "moments": records(moments[moments.page.notna()]),
        "tied_models": records(tables["tied_models"]),
    }


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        names = ["table_1", "scaling_fit", "table_7", "head_thresholds", "loss_expansion_orders", "ability_saturation"]
        names += ["equal_loss", "tied_moments", "tied_models", "claims"]
        config = json.loads(Path(files.provenance).read_text(encoding="utf-8"))["config"]
        text = render(
            Path(files.template).read_text(encoding="utf-8"),
            suites=", ".join(config["checkpoints"]["suites"]) or "none",
            corpora=", ".join(config["ngrams"]["corpora"]),
            **evidence(
                {name: read_csv(name, getattr(files, name)) for name in names},
                {name.removeprefix("figure_"): pd.read_csv(getattr(files, name)) for name in snakemake.params.figures},
            ),
        )
        with whole_file(snakemake.output[0]) as partial:
            partial.write_text(text, encoding="utf-8")
