"""Singular values of W: ours, all of them, against dense eigvalsh and the solvers that give the first k.

python -m benchmarks.spectrum                 two matrices, every solver, k = 16 to 4096: an hour or two
python -m benchmarks.spectrum whole           4.7e7 5-grams, V = 32k, ours and dense eigvalsh alone: an hour
python -m benchmarks.spectrum bounds          how close the bounds and estimates come, at orders 2 to 5
python -m benchmarks.spectrum bracket [types [matrices]]  width and time of the bracket at 1e7 and 4.7e7 5-grams, or
                                              of matrices by name, beside dense eigvalsh of the first of them, or of
                                              so many types of it: some minutes

Solvers that are not installed (see benchmarks/requirements.txt) are left out, and the table says so.
"""

import json
import resource
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
from scipy.sparse import csr_array

from benchmarks.common import CACHE, measure, real_tokens, timed, write_results
from lm_saturation.ngrams import gram
from lm_saturation.ngrams.counting import count_ngrams
from lm_saturation.ngrams.counting_kernels import mark_starts
from lm_saturation.ngrams.spectrum import Limits, exact_spectrum, find_spectrum, w_error

MATRICES = {  # V and 5-grams
    "1e7": (8192, 10_000_000),
    "1e5": (50277, 100_000),
    "wide": (32000, 10_000_000),
    "whole": (32000, 47_000_000),
}
KEPT = [16, 256, 1024, 4096]  # singular values of the solvers that give the first ones
SECONDS, GIGABYTES = 180, 12  # after which a run is cut
EXACT, PANELS = 1000, 3e9  # types of a component that is solved beside the bracket, bytes for the rows and columns of G
PACKAGES = ["numpy", "scipy", "numba", "scikit-learn"]
OPTIONAL = {"PRIMME": "primme", "torch.svd_lowrank": "torch"}


def matrix(name, order=5):
    """W of the first n-grams of program text, and the tokens they were taken from."""
    vocabulary_size, ngrams = MATRICES[name]
    ids = real_tokens(vocabulary_size)
    if name == "1e5":  # as in figure 7: spread over the whole text
        first = np.sort(np.random.default_rng(0).choice(len(ids) - order + 1, ngrams, replace=False))
        starts = np.zeros(len(ids), np.bool_)
        starts[first] = True
    else:
        ids = ids[: ngrams + order - 1]
        starts = np.zeros(len(ids), np.bool_)
        mark_starts(starts, np.array([len(ids)]), 0, order)
    counts = count_ngrams(ids, starts, order)
    new = np.append(True, (counts.tokens[:-1, 1:] != counts.tokens[:-1, :-1]).any(0))
    begins = np.flatnonzero(new)
    total = np.add.reduceat(counts.counts, begins)
    probability = counts.counts / np.repeat(total, np.diff(np.append(begins, len(new))))
    indptr = np.append(begins, len(new))
    return csr_array((probability, counts.tokens[-1].astype(np.int32), indptr), shape=(len(begins), vocabulary_size))


def seen(w):
    """The columns that are not empty."""
    return csr_array(w[:, np.unique(w.indices)])


def ours(w, _k):
    return exact_spectrum(w, threads=2).singular_values


def dense_eigvalsh(w, _k):
    """The usual way: the Gram matrix of all token types seen, in one dense eigensolve."""
    return eigvalsh((w.T @ w).toarray(order="F"))


def eigvalsh(block):
    import scipy.linalg

    values = scipy.linalg.eigvalsh(block, overwrite_a=True, check_finite=False, driver="evd")
    return np.sqrt(np.maximum(values[::-1], 0))


def svds(solver):
    """The first k by one of the solvers of scipy's svds."""

    def solve(w, k):
        from scipy.sparse.linalg import svds

        rng = np.random.default_rng(0)
        return np.sort(svds(w, k=k, return_singular_vectors=False, solver=solver, rng=rng))[::-1]

    return solve


def lobpcg(w, k):
    """LOBPCG on G = WᵀW, as scipy's svds does, but only the values."""
    from scipy.sparse.linalg import lobpcg

    product = csr_array(w.T @ w)
    start = np.random.default_rng(0).standard_normal((product.shape[0], k))
    values = lobpcg(product, start, maxiter=200, tol=1e-6)[0]
    return np.sqrt(np.maximum(np.sort(values)[::-1], 0))


def primme(w, k):
    import primme

    return np.sort(primme.svds(w, k, tol=1e-6, return_singular_vectors=False))[::-1]


def randomized(iterations):
    """The first k by scikit-learn."""

    def solve(w, k):
        from sklearn.utils.extmath import randomized_svd

        return randomized_svd(w, k, n_iter=iterations, transpose=True, random_state=0)[1]  # its basis is V x k then

    return solve


def torch_lowrank(w, k):
    """Its default number of power iterations, two."""
    import torch

    torch.manual_seed(0)
    entries = [torch.from_numpy(array) for array in (w.indptr, w.indices, w.data)]
    return torch.svd_lowrank(torch.sparse_csr_tensor(*entries, size=w.shape), q=k, niter=2)[1].numpy()


WHOLE = {"ours": ours, "dense eigvalsh": dense_eigvalsh}
FIRST = {
    "ARPACK": svds("arpack"),
    "PROPACK": svds("propack"),
    "LOBPCG": lobpcg,
    "PRIMME": primme,
    "randomized SVD, 2 iterations": randomized(2),
    "randomized SVD, 5 iterations": randomized(5),
    "randomized SVD, 7 iterations": randomized(7),
    "torch.svd_lowrank": torch_lowrank,
}


def work_timed(work):
    """As `timed`, with the seconds of all cores beside: they say more where other work runs."""
    start = time.process_time()
    result, cost = timed(work)
    return result, cost | {"cpu_seconds": time.process_time() - start}


def run(name, method, k):
    """One measurement, in this process; the singular values go to a file."""
    if method in FIRST:
        resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30,) * 2)
    w = seen(matrix(name))
    exact_spectrum(w[:1000])  # compiles
    values, cost = work_timed(lambda: (WHOLE | FIRST)[method](w, int(k)))
    np.save(CACHE / f"{name} {method} {k}.npy", values)
    norm = float((w.data**2).sum())
    print(json.dumps(cost | {"types": w.shape[1], "rows": w.shape[0], "squared_norm": norm}))


def run_block():
    """Dense eigvalsh of the whole G of the largest matrix, alone: G is there when the clock starts."""
    w = matrix("whole")
    survey = gram.Survey(w.shape[1])
    survey.add(w)
    layout = gram.lay_out(survey)
    types = len(layout.component)
    layout = gram.Layout(layout.position, np.zeros(types, np.int64), np.array([0, types]), layout.squared_norms)
    (block,) = gram.leading_blocks(gram.coupling_rows([w], layout), layout, np.array([types]), threads=2)
    values, cost = timed(lambda: eigvalsh(block))
    np.save(CACHE / "whole dense eigvalsh 0.npy", values)
    print(json.dumps(cost | {"types": types}))


def errors(values, truth, squared_norm):
    """Largest error of W-error(d), and of a singular value relative to it, over the values that a method gives.

    Where W-error is below 1e-4, or a singular value below 1e-3 of the largest, the reference itself is rounding.
    """
    kept = len(values)
    tail = np.sqrt(np.maximum(squared_norm - np.cumsum(values**2), 0) / squared_norm)
    measured, reference = (w_error(values) if kept == len(truth) else tail), w_error(truth)[:kept]
    large = truth[:kept] > 1e-3 * truth[0]
    return np.abs(measured - reference)[reference > 1e-4].max(), np.abs(values[large] / truth[:kept][large] - 1).max()


def attempt(name, method, k):
    """The cost of a run, or why there is none."""
    if method in OPTIONAL and not find_spec(OPTIONAL[method]):
        return "not installed"
    limit = SECONDS if method in FIRST else None
    try:
        return measure("benchmarks.spectrum", "run", name, method, str(k), threads=2, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"cut after {SECONDS} s"
    except subprocess.CalledProcessError:
        return f"failed, or more than {GIGABYTES} GiB"


def table(name):
    """The lines of one matrix's table."""
    found = {(method, 0): attempt(name, method, 0) for method in reversed(WHOLE)}
    first = found["ours", 0]
    for method in FIRST:
        for k in [k for k in KEPT if k < first["types"]]:
            found[method, k] = attempt(name, method, k)
            if isinstance(found[method, k], str):  # more values take longer still
                break
    truth = np.load(CACHE / f"{name} dense eigvalsh 0.npy")
    vocabulary_size, ngrams = MATRICES[name]
    lines = [
        f"W of {ngrams:,} 5-grams, V = {vocabulary_size:,}: {first['rows']:,} rows, {first['types']:,} token types.",
        "",
        "| method | values | seconds | peak memory, MB | error of W-error(d) | relative error of a σ | time / ours |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (method, k), cost in found.items():
        if isinstance(cost, str):
            lines.append(f"| {method} | {k:,} | {cost} | | | | |")
            continue
        values = np.load(CACHE / f"{name} {method} {k}.npy")
        shown = [f"{error:.1e}" for error in errors(values, truth, cost["squared_norm"])]
        shown = ["0 (reference)"] * 2 if method == "dense eigvalsh" else shown
        lines.append(
            f"| {method} | {len(values):,} | {cost['seconds']:.2f} | {cost['peak_mb']:.0f} | {shown[0]} | {shown[1]} "
            f"| {cost['seconds'] / first['seconds']:.2g} |"
        )
    return lines


def peers():
    lines = [
        f"Program text, two threads. A run is cut after {SECONDS} s or {GIGABYTES} GiB, and no larger k is tried then.",
        "Errors are the largest against dense eigvalsh, where W-error is above 1e-4 and σ above 1e-3 of the largest.",
    ]
    for name in ("1e7", "1e5"):
        lines += ["", *table(name)]
    packages = [*PACKAGES, *(package for package in OPTIONAL.values() if find_spec(package))]
    write_results("Singular values of W", "python -m benchmarks.spectrum", packages, lines)


def whole():
    found = {"ours": measure("benchmarks.spectrum", "run", "whole", "ours", "0", threads=2)}
    found["dense eigvalsh alone"] = measure("benchmarks.spectrum", "block", threads=2)
    types, rows = found["ours"]["types"], found["ours"]["rows"]
    values, truth = (np.load(CACHE / f"whole {method} 0.npy") for method in WHOLE)
    lines = [
        f"W of 47,000,000 5-grams of program text, V = 32,000: {rows:,} rows, {types:,} token types. Two threads.",
        f"Twice {types:,}² numbers of 8 bytes are {2 * 8 * types**2 / 2**20:,.0f} MB. For dense eigvalsh G is given.",
        f"Largest difference of W-error(d): {np.abs(w_error(values) - w_error(truth)).max():.1e}.",
        "",
        "| method | seconds | peak memory, MB |",
        "|---|---:|---:|",
        *(f"| {method} | {cost['seconds']:.0f} | {cost['peak_mb']:.0f} |" for method, cost in found.items()),
    ]
    title, command = "Full exact spectrum of 4.7e7 5-grams, V = 32k", "python -m benchmarks.spectrum whole"
    write_results(title, command, PACKAGES, lines)


def first_types(name, types):
    """W of so many types of largest norm, all if 0."""
    w = seen(matrix(name))
    norms = np.bincount(w.indices, w.data**2)
    return csr_array(w[:, np.sort(np.argsort(-norms)[: int(types)])]) if int(types) else w


def run_bracket(name, types):
    """The bracket of one matrix, in this process, without an eigensolve of its large component; it goes to a file."""
    w = first_types(name, types)
    limits = Limits(exact=EXACT, tolerance=1.0, memory_bytes=PANELS)

    def find(w):
        survey = gram.Survey(w.shape[1])
        survey.add(w)
        return find_spectrum(lambda: [w], survey, limits)

    find(w[:20_000])  # compiles
    spectrum, cost = work_timed(lambda: find(w))
    np.save(CACHE / f"{name} bracket {types}.npy", [spectrum.w_error_low, spectrum.w_error_high])
    print(json.dumps(cost | {"types": w.shape[1], "method": max(spectrum.method)}))


def run_dense(name, types):
    """One dense eigensolve of the same, and how far the exact W-error lies inside the bracket."""
    w = first_types(name, types)
    values, cost = work_timed(lambda: dense_eigvalsh(w, 0))
    truth = w_error(values)
    low, high = np.load(CACHE / f"{name} bracket {types}.npy")
    inside = (low**2 <= truth**2 + 1e-12) & (truth**2 <= high**2 + 1e-12)
    found = {"inside": int(inside.sum()), "below": (truth - low).max(), "above": (high - truth).max()}
    print(json.dumps(cost | {"types": w.shape[1]} | found))


def bracket(types="0", *names):
    """Width and time of the bracket beside a dense eigensolve, whose time is carried over to what it is not run on."""
    names = names or ("1e7", "whole")
    runs = list(dict.fromkeys([(names[0], types), *((name, "0") for name in names)]))
    found = {run: measure("benchmarks.spectrum", "run_bracket", *run) for run in runs}
    dense = measure("benchmarks.spectrum", "run_dense", *runs[0])
    lines = [
        f"Program text, one thread, {PANELS / 1e9:g} GB for rows and columns of G. The peer is dense eigvalsh of WᵀW.",
        "Seconds in brackets and the ratio are of CPU time.",
        f"* carried over from {dense['types']:,} types by the cube.",
        "",
        "| 5-grams | V | types | seconds | width, largest | mean | dense eigvalsh, s | ratio |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_bracket_line(*run, cost, dense) for run, cost in found.items()),
        "",
        f"Of {dense['types']:,} types the exact W-error is inside at {dense['inside']:,} d; the lower bound is at most",
        f"{dense['below']:.1e} below it, the upper one {dense['above']:.1e} above.",
    ]
    title, command = "Bracket of W-error without an eigensolve", "python -m benchmarks.spectrum bracket"
    write_results(title, " ".join([command, types, *names]), PACKAGES[:3], lines)


def _bracket_line(name, types, cost, dense):
    width = -np.subtract(*np.load(CACHE / f"{name} bracket {types}.npy"))
    scale = (cost["types"] / dense["types"]) ** 3
    return (
        f"| {MATRICES[name][1]:,} | {MATRICES[name][0]:,} | {cost['types']:,} "
        f"| {cost['seconds']:.1f} ({cost['cpu_seconds']:.1f}) | {width.max():.1e} | {width.mean():.1e} "
        f"| {scale * dense['seconds']:,.0f} ({scale * dense['cpu_seconds']:,.0f}){'' if scale == 1 else '*'} "
        f"| {scale * dense['cpu_seconds'] / cost['cpu_seconds']:.0f} |"
    )


def bounds():
    lines = [
        "The first 1e6 n-grams of program text, V = 8,192. Bounds and estimates against the exact W-error: the largest",
        "over d, mean over d in brackets. The leading block has the greatest column norms; 0: without an eigensolve.",
        "",
        "| context order | types | leading block | width of the bracket | upper bound | Lanczos | seconds |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    MATRICES["1e6"] = (8192, 1_000_000)
    for order in (2, 3, 4, 5):
        w = matrix("1e6", order)
        truth = exact_spectrum(w, threads=2).w_error
        survey = gram.Survey(w.shape[1])
        survey.add(w)
        for limit in (0, 512, 2048, 4096):
            limits = Limits(exact=limit, tolerance=0.0 if limit else 1.0, memory_bytes=1e9, threads=2)
            found, cost = timed(lambda of=w, seen=survey, to=limits: find_spectrum(lambda: [of], seen, to))
            width = found.w_error_high - found.w_error_low
            shown = [width, found.w_error_high - truth, np.abs(found.w_error - truth)]
            cells = " | ".join(f"{error.max():.1e} ({error.mean():.1e})" for error in shown)
            lines.append(f"| {order - 1} | {len(truth):,} | {limit:,} | {cells} | {cost['seconds']:.1f} |")
    write_results("Bounds of W-error", "python -m benchmarks.spectrum bounds", PACKAGES[:3], lines)


if __name__ == "__main__":
    commands = {"run": run, "run_bracket": run_bracket, "block": run_block, "whole": whole, "bounds": bounds}
    commands |= {"run_dense": run_dense, "bracket": bracket, "peers": peers}
    commands[sys.argv[1] if len(sys.argv) > 1 else "peers"](*sys.argv[2:])
