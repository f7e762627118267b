"""Rule `checkpoint_train`: a model of a suite that is trained here, at every step that its configuration keeps."""

from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.io.checksums import write_checksum
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.text.token_files import open_shards
from lm_saturation.training.recipe import Precision
from lm_saturation.training.resumable_run import ResumableRun
from lm_saturation.training.train_model import run_fingerprint, train_model

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        params, output, wildcards = snakemake.params, snakemake.output, snakemake.wildcards
        options, model, steps, held_out = params.options, params.model, list(params.steps), params.held_out
        Precision(options.device, options.precision).prepare(snakemake.threads, f"suites.{wildcards.suite}.device")
        shards, later = open_shards(snakemake.input.tokens), open_shards(snakemake.input.later_tokens)
        checkpoints = Path(output.checkpoints)
        fingerprint = run_fingerprint([*shards, *later], [options, model, held_out], params.code, steps=steps)
        run = ResumableRun(checkpoints.parent / "unfinished", fingerprint)
        rows = train_model(shards, later, held_out, model, options, steps, run, wildcards.model)
        keys = {"suite": wildcards.suite, "model": wildcards.model}
        write_rows("training_log", output.log, [{**keys, **row} for row in rows])
        run.finish(checkpoints)
        write_checksum(checkpoints)
