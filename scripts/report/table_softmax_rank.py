"""Rule `table_softmax_rank`: what a softmax needs, in numbers, and the gap on languages of known logit rank."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.table_softmax_rank import table_softmax_rank, table_softmax_rank_transformers

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        summaries = read_frames("ngram_summary", files.summaries)
        table = table_softmax_rank(read_frames("softmax_rank", files.ranks), summaries)
        write_csv("table_softmax_rank", snakemake.output.softmax_rank, table)
        languages = read_frames("softmax_rank_languages", files.languages)
        write_csv("softmax_rank_languages", snakemake.output.softmax_rank_languages, languages)
        trained = table_softmax_rank_transformers(files.transformers)
        write_csv("softmax_rank_transformers", snakemake.output.softmax_rank_transformers, trained)
