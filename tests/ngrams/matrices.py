"""Matrices that the tests of spectra share."""

import re
from functools import cache

import numpy as np
from scipy.sparse import csr_array

from lm_saturation.ngrams.gram import Survey
from lm_saturation.text.standard_library import python_docs


def language_like(rng, rows, vocabulary, maximum=4):
    """A random W with many one-hot rows: token frequencies are Zipfian, rows have 1 to `maximum` tokens."""
    law = 1 / np.arange(1, vocabulary + 1)
    dense = np.zeros((rows, vocabulary))
    for row in dense:
        size = min(1 + rng.geometric(0.7) - 1 or 1, maximum, vocabulary)
        tokens = rng.choice(vocabulary, size, replace=False, p=law / law.sum())
        row[tokens] = rng.dirichlet(np.ones(size))
    return dense


def adversarial():
    """Matrices by name on which bounds and estimates might fail: none is like language."""
    rng = np.random.default_rng(0)
    halves = np.kron(np.eye(12), [[0.5, 0.5], [0.5, 0.5], [1, 0]])
    return {
        "uniform rows": np.full((7, 30), 1 / 30),
        "identity": np.eye(30),
        "rank one": np.tile(rng.dirichlet(np.ones(30)), (50, 1)),
        "one row": rng.dirichlet(np.ones(30))[None],
        "one column": np.ones((5, 1)),
        "one entry": np.eye(1, 5),
        "equal blocks": halves,
        "dense": rng.dirichlet(np.ones(30), 200),
        "a hub": np.vstack([np.column_stack([np.full(29, 0.5), np.eye(29) / 2]), np.eye(30)]),
        "a chain": (np.eye(30) + np.eye(30, k=1)) / 2,
        "two components": np.kron(np.eye(2), rng.dirichlet(np.ones(15), 40)),
    }


@cache
def real_matrix(order, tokens=40_000):
    """W of the first words of Python's documentation."""
    words = re.findall(r"\w+|[^\w\s]", " ".join(text for _, text in zip(range(3000), python_docs(), strict=False)))
    ids = np.unique(words[:tokens], return_inverse=True)[1]
    windows = np.lib.stride_tricks.sliding_window_view(ids, order)
    row = np.unique(windows[:, :-1], axis=0, return_inverse=True)[1].ravel()
    counts = csr_array((np.ones(len(row)), (row, windows[:, -1])))
    return csr_array(counts / counts.sum(1)[:, None])


def survey_of(*blocks):
    """A survey of all rows."""
    survey = Survey(blocks[0].shape[1])
    for block in blocks:
        survey.add(block)
    return survey


def w_error_of(dense):
    """W-error at every d from a dense singular value decomposition; columns without an entry are left out."""
    values = np.linalg.svd(dense[:, dense.any(0)], compute_uv=False) ** 2
    tails = np.append(np.cumsum(values[::-1])[::-1][1:], np.zeros(dense.any(0).sum() - len(values) + 1))
    return np.sqrt(tails / values.sum())
