"""Rule `table_saturation`: saturation in numbers, one row a model, and whether onsets come in the same order."""

from typing import TYPE_CHECKING

import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import table_columns, write_csv
from scripts.metrics.onsets import WARM_UP
from scripts.report.suites import KEYS, by_size, read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LOSS = {"best_step": "best_step", "best": "best_loss", "final_step": "final_step", "final": "final_loss"}
INTERVAL = ["difference", "difference_low", "difference_high", "saturates"]
OTHERS = ["anisotropy", "anisotropy_centred", "singular_entropy", "singular_entropy_centred"]


def model_rows(saturation: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """One row a model: its loss, then least value, last value and onset of every other metric; suites by order."""
    loss = saturation[saturation.metric == "cross_entropy"].rename(columns=LOSS)
    rows = loss[[*KEYS, "parameters", "checkpoints", *LOSS.values(), *INTERVAL]]
    for metric in OTHERS:
        names = {"best": f"{metric}_least", "final": f"{metric}_final", "onset_step": f"{metric}_onset_step"}
        columns = saturation[saturation.metric == metric].rename(columns=names)[[*KEYS, *names.values()]]
        rows = rows.merge(columns, on=KEYS)
    rows = rows.merge(facts(metrics), on=KEYS)
    return by_size(rows.assign(step=0))[list(table_columns("table_saturation"))]


def facts(metrics: pd.DataFrame) -> pd.DataFrame:
    """Of each model: hidden size, tokens a parameter by the end, and checkpoints past warm-up."""
    own = metrics[metrics.duplicate_of.isna()]
    last = own.groupby(KEYS).step.transform("max")
    late = own[own.step >= WARM_UP * last].groupby(KEYS).size().rename("late_checkpoints").reset_index()
    ends = own[own.step == last].drop_duplicates(KEYS)
    ends = ends.assign(tokens_per_parameter=ends.tokens.astype(float) / ends.parameters)
    return ends[[*KEYS, "hidden_size", "tokens_per_parameter"]].merge(late, on=KEYS)


if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        needed = [*KEYS, "step", "tokens", "duplicate_of", "parameters", "hidden_size"]
        metrics = read_suites("checkpoint_metrics", files.metrics, needed)
        write_csv("table_saturation", output.table, model_rows(read_suites("saturation", files.saturation), metrics))
        write_csv("onset_correlation", output.correlation, read_suites("onset_correlation", files.correlation))
