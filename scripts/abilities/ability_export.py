"""Rule `ability_export`: all scores of checkpoints in the schema of every_eval_ever, a file per checkpoint."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.abilities.export import evaluation_logs, write_logs
from lm_saturation.abilities.origins import PUBLISHED
from lm_saturation.io.logs import log
from lm_saturation.io.tables import read_frames
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        harness = version("lm_eval")
        ours = {suite: replace(origin, library_version=harness) for suite, origin in snakemake.params.origins.items()}
        files = [(snakemake.input.published, PUBLISHED), *((file, ours) for file in snakemake.input.scores)]
        for file, origins in files:
            written = int(Path(file).stat().st_mtime)  # when the scores came to be, so that a rerun gives the same
            logs = evaluation_logs(read_frames("ability_scores", [file]), origins, written)
            log.info("%s: %d checkpoints", file, write_logs(snakemake.output[0], logs))
