"""Rule `table_tied`: shared embeddings in numbers: initial losses, moments, real models, trainings."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from scripts.common.intervals import mean_interval
from scripts.common.jobs import job
from scripts.common.tables import read_table, table_columns, write_csv
from scripts.report.suites import read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ALIKE = ["parameters", "sigma", "expected_nats", "threshold_nats"]  # the same for every seed
MEANS = ["initial_nats", "anisotropy", "singular_entropy", "singular_entropy_centred"]


def training_rows(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row a remedy; of the models that do not reach the loss, steps are not counted."""
    for remedy, own in runs.groupby("remedy", sort=False):
        reached = own.steps_to_loss.dropna()
        steps = mean_interval(reached.to_numpy(float)) if len(reached) else [None] * 3
        final = mean_interval(own.final_nats.to_numpy())
        yield {
            "remedy": remedy,
            "seeds": len(own),
            "reached": len(reached),
            **own[ALIKE].iloc[0].to_dict(),
            **own[MEANS].mean().to_dict(),
            **dict(zip(("steps_to_loss", "steps_low", "steps_high"), steps, strict=True)),
            **dict(zip(("final_nats", "final_low", "final_high"), final, strict=True)),
        }


def training_table(runs: pd.DataFrame) -> pd.DataFrame:
    """The table `table_tied_training`."""
    table = pd.DataFrame(list(training_rows(runs)), columns=list(table_columns("table_tied_training")))
    return table.astype({"parameters": int})


if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        for table, given, path in (
            ("tied_initial_loss", files.losses, output.losses),
            ("tied_moments", files.moments, output.moments),
            ("tied_models", files.models, output.models),
        ):
            write_csv(table, path, read_suites(table, given))
        write_csv("tied_comparison", output.comparison, read_table("tied_comparison", files.comparison).to_pandas())
        runs = read_table("tied_runs", files.runs).to_pandas().astype({"remedy": str})
        write_csv("table_tied_training", output.training, training_table(runs))
