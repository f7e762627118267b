"""Rule `ability_published`: the published evaluations of Pythia's checkpoints as a table like that of our own.

Shots are those that the file records, whatever its folder is called. Where a checkpoint was evaluated twice with the
same shots, the run whose folder agrees with its record is kept; accuracies of both differ by
less than 0.01.
"""

from typing import TYPE_CHECKING

import pandas as pd

from scripts.common.jobs import InputError, job
from scripts.common.tables import write_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ["suite_version", "model", "num_fewshot", "step", "task", "metric"]
CHANCE = {  # accuracy of guessing; LogiQA, SciQ and MMLU have four choices, ARC nearly always
    "arc_challenge": 0.25,
    "arc_easy": 0.25,
    "lambada_openai": 0.0,
    "logiqa": 0.25,
    "mmlu": 0.25,
    "piqa": 0.5,
    "sciq": 0.25,
    "winogrande": 0.5,
    "wsc": 0.5,
}


def published_scores(evaluations: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """The columns of `ability_scores`, from resources/pythia_evaluations.csv.xz and resources/pythia_models.csv.

    Raises InputError if a model is not known.
    """
    agrees = evaluations.num_fewshot == evaluations.folder_num_fewshot.fillna(evaluations.num_fewshot)
    ordered = evaluations.assign(repeat=~agrees).sort_values(["repeat", "source_path"], kind="stable")
    kept = ordered.drop_duplicates(KEYS).sort_values(KEYS)
    found = kept.merge(models, on=["suite_version", "model"], how="left", validate="many_to_one")
    if found.tokens_per_step.isna().any():
        unknown = found.model[found.tokens_per_step.isna()].iloc[0]
        raise InputError(f"published evaluations of {unknown}, which resources/pythia_models.csv does not list")
    chance = found.task.map(CHANCE).where(found.metric.isin(["acc", "acc_norm"]))
    return pd.DataFrame(
        {
            "suite": "pythia-" + found.suite_version,
            "model": found.model.str.removeprefix("pythia-"),
            "step": found.step,
            "tokens": found.step * found.tokens_per_step.astype("int64"),
            "parameters": found.parameters,
            "hidden_size": found.hidden_size,
            "task": found.task,
            "num_fewshot": found.num_fewshot,
            "metric": found.metric,
            "value": found.value,
            "stderr": found.stderr,
            "items": None,
            "chance": chance,
            "source": found.source_path,
        }
    )


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        found = published_scores(pd.read_csv(files.evaluations), pd.read_csv(files.models))
        rows = found.astype(object).where(found.notna(), None).to_dict("records")
        write_rows("ability_scores", snakemake.output[0], rows)
