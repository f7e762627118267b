"""The full exact spectrum of 1e5 5-grams, V = 50k: ours against dense eigvalsh and two truncated solvers.

python -m benchmarks.spectrum
"""

import json
import sys

import numpy as np
from scipy.sparse import csr_array

from benchmarks.common import CACHE, measure, real_tokens, timed, write_results
from scripts.ngrams.counting import count_ngrams, ngram_starts, thin
from scripts.ngrams.spectrum import exact_spectrum, w_error

NGRAMS = 100_000
KEPT = 2000  # singular values of the truncated solvers
METHODS = ["ours", "dense eigvalsh", "scipy svds", "randomized SVD"]


def matrix():
    """W of 1e5 5-grams."""
    ids = real_tokens()
    starts = ngram_starts(len(ids), np.array([len(ids)]), 5)
    thin(starts, NGRAMS, seed=0)
    counts = count_ngrams(ids, starts, 5)
    new = np.append(True, (counts.tokens[:4, 1:] != counts.tokens[:4, :-1]).any(0))
    row = np.cumsum(new) - 1
    total = np.add.reduceat(counts.counts, np.flatnonzero(new))
    entries = (counts.counts / total[row], (row, counts.tokens[4].astype(np.int64)))
    return csr_array(entries, shape=(row[-1] + 1, int(ids.max()) + 1))


def dense_eigvalsh(w):
    """The usual way: the Gram matrix of all token types seen, in one dense eigensolve."""
    import scipy.linalg

    seen = w[:, np.unique(w.indices)]
    gram = (seen.T @ seen).toarray(order="F")
    values = scipy.linalg.eigvalsh(gram, overwrite_a=True, check_finite=False, driver="evd")
    return np.sqrt(np.maximum(values[::-1], 0))


def scipy_svds(w):
    """ARPACK, the largest KEPT."""
    from scipy.sparse.linalg import svds

    return np.sort(svds(w, k=KEPT, return_singular_vectors=False, solver="arpack", rng=np.random.default_rng(0)))[::-1]


def randomized(w):
    """scikit-learn's default number of power iterations, the largest KEPT."""
    from sklearn.utils.extmath import randomized_svd

    return randomized_svd(w, KEPT, random_state=0)[1]


def run(method):
    """One measurement, in this process; the singular values go to a file."""
    work = {
        "ours": lambda w: exact_spectrum(w).singular_values,
        "dense eigvalsh": dense_eigvalsh,
        "scipy svds": scipy_svds,
        "randomized SVD": randomized,
    }[method]
    w = matrix()
    exact_spectrum(w[:1000])
    values, cost = timed(lambda: work(w))
    np.save(CACHE / f"{method}.npy", values)
    norm = float((w.data**2).sum())
    print(json.dumps(cost | {"types": len(np.unique(w.indices)), "rows": w.shape[0], "squared_norm": norm}))


def errors(values, truth, squared_norm):
    """Largest error of W-error(d), and of a singular value relative to it, over the values that a method gives.

    Where W-error is below 1e-4, or a singular value below 1e-3 of the largest, the reference itself is rounding.
    """
    kept = len(values)
    tail = np.sqrt(np.maximum(squared_norm - np.cumsum(values**2), 0) / squared_norm)
    own, reference = (w_error(values) if kept == len(truth) else tail), w_error(truth)[:kept]
    large = truth[:kept] > 1e-3 * truth[0]
    return np.abs(own - reference)[reference > 1e-4].max(), np.abs(values[large] / truth[:kept][large] - 1).max()


def main():
    real_tokens()
    found = {method: measure("benchmarks.spectrum", method, threads=2) for method in METHODS}
    truth = np.load(CACHE / "dense eigvalsh.npy")
    first = found["ours"]
    lines = [
        f"W of {NGRAMS:,} 5-grams of program text, V = 50,277: {first['rows']:,} rows, {first['types']:,} token types.",
        f"Two threads. The truncated solvers give the first {KEPT:,} values only. Errors are the largest against dense",
        "eigvalsh, wherever W-error is above 1e-4 and σ above 1e-3 of the largest.",
        "",
        "| method | values | seconds | peak memory, MB | error of W-error(d) | relative error of a σ | time / ours |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for method, cost in found.items():
        values = np.load(CACHE / f"{method}.npy")
        of_w_error, of_value = errors(values, truth, cost["squared_norm"])
        shown = ("0 (reference)",) * 2 if method == "dense eigvalsh" else (f"{of_w_error:.1e}", f"{of_value:.1e}")
        lines.append(
            f"| {method} | {len(values):,} | {cost['seconds']:.2f} | {cost['peak_mb']:.0f} | {shown[0]} | {shown[1]} "
            f"| {cost['seconds'] / first['seconds']:.0f} |"
        )
    title, command = "Full exact spectrum of 1e5 5-grams", "python -m benchmarks.spectrum"
    write_results(title, command, ["numpy", "scipy", "numba", "scikit-learn"], lines)


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
