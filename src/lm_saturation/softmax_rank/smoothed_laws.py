"""The laws that a Kneser–Ney model gives the frequent contexts of a sample: without a zero, and with less noise."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lm_saturation.ngrams.kneser_ney import KneserNey, probability
from lm_saturation.ngrams.smoothed_rows import distinct_contexts
from lm_saturation.softmax_rank.laws import NextTokenLaws, frequent_rows


def smoothed_laws(
    model: KneserNey, counts: pa.Table, entries: pa.Table, min_count: int, most: int
) -> NextTokenLaws | None:
    """The laws of those contexts of `laws_of_entries`, as heavy, over all ids of the tokenizer; None if there are none.

    `counts` is the sample of the table `ngram_counts` that `entries` of `ngram_matrix` were made of.
    """
    rows, row_counts = frequent_rows(entries, min_count, most)
    if not len(rows):
        return None
    laws = smoothed_rows(model, distinct_contexts(counts)[rows])
    return NextTokenLaws.of_counts(csr_array(laws * row_counts[:, None]))


def smoothed_rows(model: KneserNey, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, V) probabilities of every id after contexts (n, 0 to 4), given that the document goes on.

    As `smoothed_spectrum` has them: without </s>, and the probability of <unk> shared equally by the ids that are not
    in the model.
    """
    ids = np.arange(model.bos)
    rows = np.stack([probability(model, np.tile(context, (len(ids), 1)), ids) for context in contexts])
    unseen = np.setdiff1d(ids, model.types)
    rows[:, unseen] /= max(1, len(unseen))
    return rows / rows.sum(axis=1, keepdims=True)
