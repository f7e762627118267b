"""Rule `ngram_counts`: exact n-gram counts of seeded samples of a corpus, or of all of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.common.jobs import InputError, job, log
from scripts.common.tables import write_tables
from scripts.common.token_files import Tokens, open_tokens
from scripts.ngrams.counting import MAX_ORDER, NgramCounts, count_ngrams, ngram_starts, thin

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def sample_counts(
    tokens: Tokens, order: int, sample_size: str, seed: int, *, cross_documents: bool = False
) -> NgramCounts:
    """Count the n-grams of one seeded sample, or of everything if `sample_size` is "all" or more than there is.

    Raises InputError if the corpus has no n-gram of that order.
    """
    ends = np.array([len(tokens.ids)]) if cross_documents else tokens.ends
    starts = ngram_starts(len(tokens.ids), ends, order)
    if not (total := np.count_nonzero(starts)):
        longest = np.diff(ends, prepend=0).max(initial=0)
        raise InputError(
            f"corpus {tokens.record['corpus']}: no {order}-gram in it, its longest document has {longest} tokens"
        )
    if sample_size != "all":
        if int(sample_size) > total:
            log.warning("asked for %s %d-grams; the corpus has %d, all of them are taken", sample_size, order, total)
        thin(starts, int(sample_size), seed)
    return count_ngrams(tokens.ids, starts, order)


def table_columns(counts: NgramCounts) -> dict[str, Any]:
    """The columns of the table `ngram_counts` that hold the n-grams; contexts shorter than four end early."""
    *context, next_token = counts.tokens
    filled = dict(enumerate(context, 1))
    contexts = {f"context_{i}": filled.get(i) for i in range(1, MAX_ORDER)}
    return {**contexts, "next_token": next_token, "count": counts.counts}


def seeded_counts(tokens: Tokens, keys: dict[str, str], options: Any) -> Iterator[dict[str, Any]]:
    """The columns of the table `ngram_counts` for each seed; `options` are the rule's parameters."""
    for seed in options.seeds:
        counts = sample_counts(
            tokens, options.order, keys["sample_size"], seed, cross_documents=options.cross_documents
        )
        log.info("seed %d: %d n-grams, %d distinct", seed, counts.counts.sum(), len(counts.counts))
        yield {**keys, "seed": seed, **table_columns(counts)}


if __name__ == "__main__":
    with job(snakemake):
        write_tables(
            "ngram_counts",
            snakemake.output[0],
            seeded_counts(open_tokens(snakemake.input.record), dict(snakemake.wildcards), snakemake.params),
        )
