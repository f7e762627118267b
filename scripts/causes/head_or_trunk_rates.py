"""Rule `head_or_trunk_rates`: at which learning rates heads of low rank and narrow models do best."""

from typing import TYPE_CHECKING, Any

from lm_saturation.head_or_trunk.training import cells_of, rate_rows, read_trainings
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.metrics.evaluation_spec import EvaluationFiles
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, params: Any, keys: dict[str, str], threads: int) -> None:
    """Train every kind of model at every rate."""
    Precision().prepare(threads)
    text = EvaluationFiles(files.tokens, files.tokenizer)
    options = params.options
    trainings = read_trainings(text, params.weights, params.sample, params.held_out, params.sequences, options)
    wide, models = params.models
    cells = cells_of(wide, models, options.ranks)
    rows = rate_rows(cells, trainings)
    write_rows("head_or_trunk", output, [{**keys, **row} for row in rows])


if __name__ == "__main__":
    with job(snakemake):
        keys = {"suite": snakemake.wildcards.suite, "model": snakemake.wildcards.model}
        main(snakemake.input, snakemake.output[0], snakemake.params, keys, snakemake.threads)
