"""Rule `claims`: what the papers claim, what came out here, and whether that agrees."""

from typing import TYPE_CHECKING

import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import read_csv, write_csv
from scripts.report.claims_abilities import ability_claims
from scripts.report.claims_checkpoints import checkpoint_rows
from scripts.report.claims_heads import head_claims
from scripts.report.claims_ngrams import ngram_rows
from scripts.report.claims_scaling import scaling_rows
from scripts.report.claims_tied import tied_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        rows = checkpoint_rows(
            read_csv("table_saturation", files.saturation), read_csv("onset_correlation", files.correlation)
        )
        rows += scaling_rows(read_csv("scaling_fit", files.scaling))
        rows += ability_claims(
            read_csv("table_1", files.table_1),
            read_csv("ability_saturation", files.lost),
            read_csv("emergence_fits", files.emergence),
            read_csv("equal_loss", files.equal_loss),
        )
        rows += head_claims(
            read_csv("head_thresholds", files.thresholds), read_csv("loss_expansion_orders", files.orders)
        )
        rows += ngram_rows(
            read_csv("table_7", files.table_7),
            read_csv("table_7_controls", files.controls),
            str(options.sample_size),
            list(options.synthetic),
        )
        rows += tied_rows(
            read_csv("tied_initial_loss", files.tied_losses),
            read_csv("tied_moments", files.tied_moments),
            read_csv("tied_models", files.tied_models),
            read_csv("tied_comparison", files.tied_comparison),
        )
        write_csv("claims", snakemake.output[0], pd.DataFrame(rows))
