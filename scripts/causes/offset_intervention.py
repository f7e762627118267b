"""Rule `offset_intervention`: the last checkpoints of a suite, changed where softmax does not see it."""

from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from lm_saturation.devices import find_device
from lm_saturation.invisible.shape import read_targets
from lm_saturation.invisible.suite import suite_rows
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.metrics.evaluation_spec import EvaluationFiles, read_spec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, params: Any, suite: str) -> None:
    """Change the last checkpoint of every model, and write what it then shows."""
    device = find_device(params.sample.device, "metrics.device")
    layers, values, entropies = (pd.read_csv(path) for path in (files.figure_2, files.figure_4, files.figure_5))
    targets = read_targets(layers, values, entropies, params.options.like)
    spec = read_spec(EvaluationFiles(files.tokens, files.tokenizer), params.weights, params.sample, params.held_out)
    folders = dict(zip(params.models, files.checkpoints, strict=True))
    rows = suite_rows(folders, spec, params.weights, params.options, targets, device)
    write_rows("offset_intervention", output, [{"suite": suite, **row} for row in rows])


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        main(snakemake.input, snakemake.output[0], snakemake.params, snakemake.wildcards.suite)
