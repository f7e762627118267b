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
from lm_saturation.scaling.bootstrap import drawn_losses, estimate_noise, refits
from lm_saturation.scaling.law import OPTIONS, Law, fit, make_points, objective

POINTS, SAMPLES = 240, 4000
PEER_SAMPLES = 200  # of the same, in a process of its own
TRUE = Law(400.0, 0.34, 410.0, 0.28, 1.7)


def simulated():
    """Losses of a known law with half a percent of noise."""
    rng = np.random.default_rng(0)
    parameters, tokens = 10 ** rng.uniform(7, 10.5, POINTS), 10 ** rng.uniform(9, 12, POINTS)
    return make_points(parameters, tokens, TRUE.loss(parameters, tokens) * np.exp(0.005 * rng.standard_normal(POINTS)))


def numerical(points, law, drawn):
    """As scipy does it without a gradient, in θ as Hoffmann et al. write it."""
    options = {**OPTIONS, "maxfun": 50_000}
    return [
        minimize(
            lambda t, x=x: objective(t, points.of_losses(x))[0], law.theta(), method="L-BFGS-B", options=options
        ).fun
        for x in drawn
    ]


def run(method, threads):
    """One measurement: seconds a bootstrap sample, and the mean objective of the first samples."""
    points = simulated()
    law, _ = fit(points)
    models = np.arange(POINTS)  # one checkpoint each
    drawn = drawn_losses(law, points, models, estimate_noise(law, points, models, ()), SAMPLES)
    with ProcessPoolExecutor(int(threads), get_context("spawn")) as pool:
        pool.submit(abs, 1).result()
        begin = time.perf_counter()
        if method == "ours":
            laws = refits(points, {}, law, drawn, pool, "benchmark")
            seconds = (time.perf_counter() - begin) / SAMPLES
            objectives = [
                objective(sample.theta(), points.of_losses(x))[0] for sample, x in zip(laws, drawn, strict=True)
            ]
        else:
            objectives = numerical(points, law, drawn[:PEER_SAMPLES])
            seconds = (time.perf_counter() - begin) / PEER_SAMPLES
    print(json.dumps({"seconds": seconds, "objective": float(np.mean(objectives[:PEER_SAMPLES]))}))


def main():
    rows = {
        name: measure("benchmarks.scaling", *name.split(), threads=1) for name in ("ours 1", "ours 2", "numerical 1")
    }
    single = rows["ours 1"]["seconds"]
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
            f"| {method} | {threads} | {all_seconds:.0f} | {row['seconds'] / single:.1f} | {row['objective']:.2f} |"
        )
    write_results("Bootstraps of the scaling law", "python -m benchmarks.scaling", ["scipy"], lines)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
