"""Bootstraps of the scaling law: ours against scipy's L-BFGS-B with numerical gradients.

python -m benchmarks.scaling
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from scipy.optimize import minimize

from benchmarks.common import measure, write_results
from scripts.scaling.law import OPTIONS, Law, fit, objective, points
from scripts.scaling.scaling_fit import bootstrap, resamples

POINTS, SAMPLES = 240, 4000
PEER_SAMPLES = 200  # of the same, in a process of its own
TRUE = Law(400.0, 0.34, 410.0, 0.28, 1.7)


def given():
    """Losses of a known law with half a percent of noise."""
    rng = np.random.default_rng(0)
    parameters, tokens = 10 ** rng.uniform(7, 10.5, POINTS), 10 ** rng.uniform(9, 12, POINTS)
    return points(parameters, tokens, TRUE.loss(parameters, tokens) * np.exp(0.005 * rng.standard_normal(POINTS)))


def numerical(known, start, samples):
    """As scipy does it without a gradient, in θ as Hoffmann et al. write it."""
    weights = resamples(known.log_parameters, SAMPLES)[:samples]
    options = {**OPTIONS, "maxfun": 50_000}
    return [
        minimize(
            lambda t, w=w: objective(t, known.counted(w))[0], start.theta(), method="L-BFGS-B", options=options
        ).fun
        for w in weights
    ]


def run(method, threads):
    """One measurement: seconds a bootstrap sample, and the mean objective of the first samples."""
    known = given()
    law, _ = fit(known)
    weights = resamples(known.log_parameters, SAMPLES)
    with ProcessPoolExecutor(int(threads), get_context("spawn")) as pool:
        pool.submit(abs, 1).result()
        begin = time.perf_counter()
        if method == "ours":
            laws = bootstrap(known, {}, law, SAMPLES, pool, "benchmark")
            seconds = (time.perf_counter() - begin) / SAMPLES
            found = [objective(one.theta(), known.counted(w))[0] for one, w in zip(laws, weights, strict=True)]
        else:
            found = numerical(known, law, PEER_SAMPLES)
            seconds = (time.perf_counter() - begin) / PEER_SAMPLES
    print(json.dumps({"seconds": seconds, "objective": float(np.mean(found[:PEER_SAMPLES]))}))


def main():
    rows = {
        name: measure("benchmarks.scaling", *name.split(), threads=1) for name in ("ours 1", "ours 2", "numerical 1")
    }
    one = rows["ours 1"]["seconds"]
    lines = [
        f"{SAMPLES:,} bootstrap samples of {POINTS} losses, five free constants, each from the fit of all points.",
        f"Numerical: scipy's L-BFGS-B with gradients by differences, {PEER_SAMPLES} of the same samples.",
        "",
        "| method | processes | seconds for all | time / ours | mean objective |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        method, threads = name.split()
        all_seconds = row["seconds"] * SAMPLES
        lines.append(
            f"| {method} | {threads} | {all_seconds:.0f} | {row['seconds'] / one:.1f} | {row['objective']:.2f} |"
        )
    write_results("Bootstraps of the scaling law", "python -m benchmarks.scaling", ["scipy"], lines)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
