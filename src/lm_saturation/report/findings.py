"""Where text, figures and published data of the papers disagree, with the evidence: results/findings.md."""

import re
from typing import Any

import jinja2
import pandas as pd

from lm_saturation.claims import CLAIMS
from lm_saturation.evidence.paper_curves import entropies_by_power, matrix_sizes, minimum_losses
from lm_saturation.heads.noticeable import NOTICEABLE
from lm_saturation.report.answers import answers
from lm_saturation.report.cells import number
from lm_saturation.report.verdicts import verdict_in_words

MODEL, WIDTH = "pythia-14m", 128  # the one of which Fig 4 shows most of the singular values
COLUMN_STEPS = 1000  # steps between two columns of Fig 4
TRAININGS = ["70m", "160m"]  # and what their names begin with


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
    accuracies = pairs[(pairs.loss_measure == "figure_1a") & (pairs.metric == "acc")]
    means = accuracies.drop_duplicates(["suite", "model", "task", "num_fewshot"])
    return means[(means.difference_low > 0) | (means.difference_high < 0)]


def misfiled(evaluations: pd.DataFrame) -> int:
    """Values whose folder names other shots than their file records."""
    folder = evaluations.folder_num_fewshot
    return int((folder.notna() & (folder != evaluations.num_fewshot)).sum())


def said(claim: str) -> str:
    """What it says, without the test of it."""
    return re.split(r" \(here:|(?<=\?) ", CLAIMS[claim].text)[0]


def render(template: str, **known: Any) -> str:
    """The page as Markdown; every name that the template uses must be known."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["number"] = number
    return environment.from_string(template).render(**known)


def evidence(
    tables: dict[str, pd.DataFrame], figures: dict[str, pd.DataFrame], evaluations: pd.DataFrame
) -> dict[str, Any]:
    """What the template shows: `tables` of this run by name, the papers' `figures` as read off, by their number."""
    spectra = figures["4"]
    shifted = {
        lag: entropies_by_power(spectra.assign(step=spectra.step + lag), figures["5"], MODEL, WIDTH)
        for lag in (-COLUMN_STEPS, 0, COLUMN_STEPS)
    }
    final = tables["table_1"][tables["table_1"].checkpoint == "final"]

    def within(power: int, lag: int) -> int:
        bounds = shifted[lag]
        return int(bounds.drawn.between(bounds[f"low_{power}"], bounds[f"high_{power}"]).sum())

    def cell(source: str, column: str) -> dict[str, Any]:
        return records(final[(final.source == source) & (final.column == column)])[0]

    rows = {(row["claim"], row["source"]): row for row in records(tables["claims"])}
    fits, curves = tables["scaling_fit"], tables["table_7"]
    thresholds, moments = tables["head_thresholds"], tables["tied_moments"]
    return {
        "answers": answers(tables["claims"], tables["seed_runs"], tables["rounding_pairs"]),
        "said": said,
        "verdict": lambda claim, source: verdict_in_words(rows[claim, source]),
        "cell": cell,
        "within": within,
        "unseen": WIDTH - int(spectra["rank"].max()),
        "entropies": records(shifted[0]),
        "minimum_losses": records(minimum_losses(figures["1a"])),
        "scaling": records(fits[(fits.source == "paper") & (fits.constants == "hoffmann")]),
        "matrices": records(matrix_sizes(figures["7"]).merge(curves[curves.source == "paper"])),
        "thresholds": records(
            thresholds[
                (thresholds.source == "paper") & (thresholds.against == "rank") & (thresholds.level_nats == NOTICEABLE)
            ]
        ),
        "orders": records(tables["loss_expansion_orders"]),
        "trainings": records(trainings(tables["ability_saturation"])),
        "evaluations": len(evaluations),
        "misfiled": misfiled(evaluations),
        "unnamed": int(evaluations.folder_num_fewshot.isna().sum()),
        "equal_loss": records(differing_pairs(tables["equal_loss"])),
        "moments": records(moments[moments.su_2023.notna()]),
        "tied_models": records(tables["tied_models"]),
    }
