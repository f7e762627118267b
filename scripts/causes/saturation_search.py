"""Rule `saturation_search`: tiny models of one shape trained on one text by every recipe of a grid, many at once."""

from typing import TYPE_CHECKING, Any

from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.metrics.evaluation_spec import EvaluationFiles, read_spec
from lm_saturation.miniature.search import search_rows
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_shards
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: Any, params: Any, keys: dict[str, str], shape: tuple[int, int]) -> None:
    """Train all of this width and batch size, and write what they show."""
    spec = read_spec(EvaluationFiles(files.tokens, files.tokenizer), params.weights, params.sample, params.held_out)
    shards = open_shards(files.tokens)
    ids = split_documents(shards, params.held_out).train.ids
    runs, curves = search_rows(ids, shards[0].vocabulary_size, *shape, params.options, spec)
    write_rows("saturation_search", output.runs, [{**keys, **row} for row in runs])
    write_rows("saturation_search_curves", output.curves, [{**keys, **row} for row in curves])


if __name__ == "__main__":
    with job(snakemake):
        wildcards = snakemake.wildcards
        Precision().prepare(snakemake.threads)
        keys = {"corpus": wildcards.corpus, "tokenizer": wildcards.tokenizer}
        shape = (int(wildcards.width), int(wildcards.batch_size))
        main(snakemake.input, snakemake.output, snakemake.params, keys, shape)
