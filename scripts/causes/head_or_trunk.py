"""Rule `head_or_trunk`: a wide trunk with heads of full and low rank, and narrow models, trained with one seed."""

from typing import TYPE_CHECKING, Any

from lm_saturation.head_or_trunk.training import cells_of, read_trainings, seed_rows
from lm_saturation.io.tables import read_frames, write_rows
from lm_saturation.jobs import job
from lm_saturation.metrics.evaluation_spec import EvaluationFiles
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, params: Any, keys: dict[str, str], threads: int, seed: int) -> None:
    """Train every kind of model at its rate."""
    Precision().prepare(threads)
    text = EvaluationFiles(files.tokens, files.tokenizer)
    options = params.options
    trainings = read_trainings(text, params.weights, params.sample, params.held_out, params.sequences, options)
    wide, models = params.models
    cells = cells_of(wide, models, options.ranks)
    tried = read_frames("head_or_trunk", files.rates).to_dict("records") if files.rates else []
    rows = seed_rows(cells, trainings, seed, tried)
    write_rows("head_or_trunk", output, [{**keys, **row} for row in rows])


if __name__ == "__main__":
    with job(snakemake):
        keys = {"suite": snakemake.wildcards.suite, "model": snakemake.wildcards.model}
        seed = int(snakemake.wildcards.seed)
        main(snakemake.input, snakemake.output[0], snakemake.params, keys, snakemake.threads, seed)
