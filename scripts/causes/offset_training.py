"""Rule `offset_training`: a small model trained with logits, or all, in half precision, with several heads."""

from typing import TYPE_CHECKING, Any

from lm_saturation.invisible.training import training_rows
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.metrics.evaluation_spec import EvaluationFiles, read_spec
from lm_saturation.text.token_files import open_shards
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, params: Any, keys: dict[str, str], threads: int) -> None:
    """Train the model in every way, and write what each then shows."""
    Precision().prepare(threads)
    spec = read_spec(EvaluationFiles(files.tokens, files.tokenizer), params.weights, params.sample, params.held_out)
    shards = open_shards(files.tokens)
    rows = training_rows(shards, params.held_out, params.model, params.sequences, params.options, spec)
    write_rows("offset_training", output, [{**keys, **row} for row in rows])


if __name__ == "__main__":
    with job(snakemake):
        keys = {"suite": snakemake.wildcards.suite, "model": snakemake.wildcards.model}
        main(snakemake.input, snakemake.output[0], snakemake.params, keys, snakemake.threads)
