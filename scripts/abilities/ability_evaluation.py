"""Rule `ability_evaluation`: the checkpoints of a span of a model, evaluated by lm-evaluation-harness."""

from typing import TYPE_CHECKING

import torch

from lm_saturation.abilities.evaluation import evaluate_checkpoints
from lm_saturation.abilities.task_folders import redirect_harness_log
from lm_saturation.checkpoints.loading import list_checkpoints
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.text.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        redirect_harness_log()
        files, params, names = snakemake.input, snakemake.params, snakemake.wildcards
        checkpoints = [
            (step, folder)
            for step, folder in list_checkpoints(files.checkpoints)
            if not params.steps or step in params.steps
        ]
        scores, samples = evaluate_checkpoints(
            checkpoints, files.tasks, load_tokenizer(files.tokenizer), params.weights, params.options
        )
        keys = {"suite": names.suite, "model": names.model}
        write_rows("ability_scores", snakemake.output.scores, [keys | row for row in scores])
        write_rows("ability_samples", snakemake.output.samples, [keys | row for row in samples])
