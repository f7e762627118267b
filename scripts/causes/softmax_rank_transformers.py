"""Rule `softmax_rank_transformers`: what small transformers lose where the rank of the logits is known."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_rows
from lm_saturation.jobs import job
from lm_saturation.softmax_rank.phase import transformer_rows
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        Precision().prepare(snakemake.threads)
        params = snakemake.params
        ideal = read_frames("softmax_rank_languages", [snakemake.input[0]])
        rows = list(transformer_rows(params.languages, params.transformers, ideal, params.seed))
        write_rows("softmax_rank_transformers", snakemake.output[0], rows)
