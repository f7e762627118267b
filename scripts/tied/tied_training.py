"""Rule `tied_training`: models with one remedy, one per seed, trained alike and measured; first at which rate."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_rows, write_tables
from lm_saturation.jobs import job
from lm_saturation.text.token_files import open_shards
from lm_saturation.tied.training import Setting, train_remedy
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        params, output, wildcards = snakemake.params, snakemake.output, snakemake.wildcards
        Precision(params.options.device, params.options.precision).prepare(snakemake.threads, "tied.training.device")
        folder = Path(output.training).parent / "unfinished"
        shards = open_shards(snakemake.input)
        setting = Setting(wildcards.tokenizer, float(wildcards.residual_scale), wildcards.remedy)
        trained = train_remedy(shards, setting, params.options, params.held_out, folder, params.code)
        write_tables("tied_spectrum", output.spectrum, trained.spectra)
        write_rows("tied_rates", output.rates, trained.rates)
        write_rows("tied_training", output.training, trained.rows)
        shutil.rmtree(folder)
