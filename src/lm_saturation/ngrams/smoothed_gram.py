"""The spectrum of a matrix whose rows a Kneser–Ney model gives, without ever making the rows.

A row is q = u + b q': u, what the counts after its context leave after discounting, is sparse; q' is the row of the
context without its first token; b is the back-off weight. Rows that share q', with weights w, add to G = PᵀP

    Σ w qqᵀ = Σ w uuᵀ + (Σ w b u) q'ᵀ + q' (Σ w b u)ᵀ + (Σ w b²) q'q'ᵀ,

so a context that stands for many rows needs but a weight λ and one sparse vector a: its part of G is
aqᵀ + qaᵀ + λqqᵀ. Put q = u + b q' in, and the same holds one order below with b(a + λu) for a, and λb² for λ. Going
down from order 5 to 1, only outer products of the short vectors a and u are added, each context's once, however many
rows there are; at order 1 one dense outer product remains.
"""

from typing import Any

import numba
import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.blas import dsymv, dsyr2

from lm_saturation.ngrams.kneser_ney import KneserNey, longest_contexts, probability
from lm_saturation.ngrams.spectrum import Spectrum, w_error


def smoothed_spectrum(model: KneserNey, contexts: NDArray[Any]) -> Spectrum:
    """The exact spectrum of P (contexts, ids of the tokenizer): contexts (n, 0 to 4) tokens.

    Row r holds the probabilities of the next token given that the document goes on: </s> is left out, the rest scaled
    to sum to 1. The probability of <unk> is shared equally by the ids that are not in the model; their columns are
    equal, so one column of the same singular value stands for them, and the zeros that they add are left out.
    Raises ArithmeticError if G does not agree with rows that sum to 1, or its eigenvalues with its trace.
    """
    unseen = model.bos - len(model.types)
    gram = smoothed_gram(model, contexts)
    _check_rows(gram, unseen, len(contexts))
    squared_norms = np.sort(gram.diagonal())[::-1]
    values = scipy.linalg.eigvalsh(gram.T, lower=False, overwrite_a=True, check_finite=False, driver="evd")[::-1]
    if abs(values.sum() - squared_norms.sum()) > 1e-9 * squared_norms.sum():
        raise ArithmeticError(f"eigenvalues of G sum to {values.sum()}, its trace is {squared_norms.sum()}")
    rounding = len(values) * np.finfo(float).eps * values[0]
    singular_values = np.sqrt(np.where(values > rounding, values, 0.0))
    errors = w_error(singular_values)
    return Spectrum(
        singular_values=singular_values,
        w_error=errors,
        w_error_low=errors,
        w_error_high=errors,
        column_norm_w_error=w_error(np.sqrt(squared_norms)),
        method=np.full(len(errors), "exact"),
        component_sizes=np.array([len(errors)]),
    )


def smoothed_gram(model: KneserNey, contexts: NDArray[Any]) -> NDArray[np.float64]:
    """G = PᵀP, its lower triangle: its columns are the ids in the model and one for all others, if there are any."""
    types, unseen = len(model.types), model.bos - len(model.types)
    gram = np.zeros((types + (unseen > 0),) * 2)
    column = np.full(model.eos + 1, -1)
    column[model.types] = np.arange(types)
    weights, mixed = _row_weights(model, contexts), np.zeros(len(model.levels[-1].word))
    for order in range(len(model.levels) - 1, 1, -1):
        level, above = model.levels[order], model.levels[order - 1]
        passed_on = np.zeros(len(above.word))
        _add_level(
            level.word, level.suffix, level.probability, above.probability,
            above.first, above.backoff, above.suffix, weights[order - 1],
            mixed, column, gram, weights[order - 2], passed_on,
        )  # fmt: skip
        mixed = passed_on
    unigram, half = np.zeros(len(gram)), np.zeros(len(gram))
    unigram[:types] = model.levels[1].probability[:types]
    if unseen:
        unigram[types] = model.unknown / np.sqrt(unseen)
    half[:types] = mixed[:types]
    half += 0.5 * weights[0][0] * unigram
    return dsyr2(1.0, half, unigram, a=gram.T, lower=0, overwrite_a=1).T


def _row_weights(model: KneserNey, contexts: NDArray[Any]) -> list[NDArray[np.float64]]:
    """For orders 0 to 4: the summed squares of the factors that scale the rows of each context to 1."""
    ends = np.full(len(contexts), model.eos)
    lost = probability(model, contexts, ends)
    if model.bos == len(model.types):  # nothing can be <unk>
        lost += probability(model, contexts, ends + 1)
    orders, nodes = longest_contexts(model, contexts)
    squares = (1 - lost) ** -2
    return [
        np.bincount(nodes[orders == order], squares[orders == order], len(level.word)).astype(np.float64)
        for order, level in enumerate(model.levels[:-1])
    ]


def _check_rows(gram: NDArray[np.float64], unseen: int, rows: int) -> None:
    ones = np.ones(len(gram))
    if unseen:
        ones[-1] = np.sqrt(unseen)
    total = ones @ dsymv(1.0, gram.T, ones, lower=0)
    if abs(total - rows) > 1e-9 * rows:
        raise ArithmeticError(f"rows that sum to 1 give {rows} for the sum of G, it is {total}")


@numba.njit(cache=True)
def _add_level(
    word, suffix, probability, below, first, backoff, node_suffix, weight, mixed, column, gram, weight_below, passed_on
):
    """Add a uᵀ + u aᵀ + λ u uᵀ of each context, and pass its weight and vector on to the context one token shorter.

    `mixed` holds a at the context's children. They are sorted, so only the lower triangle is written.
    """
    columns = np.empty(len(gram), np.int64)
    kept, half = np.empty(len(gram)), np.empty(len(gram))
    for node in range(len(first) - 1):
        if weight[node] == 0:
            continue
        used = 0
        for child in range(first[node], first[node + 1]):
            value = probability[child] - backoff[node] * below[suffix[child]]
            passed_on[suffix[child]] += backoff[node] * (mixed[child] + weight[node] * value)
            if column[word[child]] >= 0:
                columns[used], kept[used] = column[word[child]], value
                half[used] = mixed[child] + 0.5 * weight[node] * value
                used += 1
        weight_below[node_suffix[node]] += weight[node] * backoff[node] ** 2
        for i in range(used):
            row = gram[columns[i]]
            for j in range(i + 1):
                row[columns[j]] += kept[i] * half[j] + half[i] * kept[j]
