"""How often the test of a kink in the loss by rank is right: power and false positives.

Truths are like the paper's curves of Pythia-410M (7 ranks) and Llama-7B (12): a smooth power of the rank, a stick that
is flat above rank 300, and one that keeps a slope there; with several sizes of noise. A kink is found where the smooth
curve can be excluded, and excluded where the stick can (claims/heads.py); the peer finds one where AIC prefers
a stick to the smooth curve. Seeded; about a minute.

python -m benchmarks.kink_power
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from benchmarks.common import write_results
from lm_saturation.heads.rank_threshold import fit_all, kink_test
from lm_saturation.statistics.decisions import ERROR

RANKS = {
    "410M": np.array([32, 64, 128, 256, 512, 768, 1024.0]),
    "7B": np.array([32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096.0]),
}
TRUTHS = {
    "smooth": lambda ranks: 1.8 + 10 * ranks**-0.63,
    "flat stick": lambda ranks: 1.9 + 0.4 * np.maximum(0, np.log(300 / ranks)),
    "two slopes": lambda ranks: 2.2 - 0.05 * np.log(ranks) + 0.4 * np.maximum(0, np.log(300 / ranks)),
}
NOISES = (0.01, 0.03)  # nats; the residuals of the paper's curves are .01 to .03
CURVES = 100


def judged(ranks, truth, noise, curve):
    """Is a kink found, is it excluded, and does the peer find one? Of one curve, by its seed."""
    losses = TRUTHS[truth](ranks) + noise * np.random.default_rng([curve, len(ranks)]).standard_normal(len(ranks))
    test, found = kink_test("rank", ranks, losses), fit_all("rank", ranks, losses[None])
    difference = float(found.aic_difference[0])
    return (
        test["p_smooth"] <= ERROR and difference > 0,
        test["p_kinked"] <= ERROR and difference < 0,
        difference > 0,
        test["power"],
    )


def shares(ranks, truth, noise, curves, over=map):
    """(4,) shares of curves in which a kink is found, excluded, found by AIC alone; and the median of the power."""
    found = np.array(list(over(partial(judged, ranks, truth, noise), range(curves))), float)
    return np.append(found[:, :3].mean(0), np.median(found[:, 3]))


def main():
    lines = [
        f"{CURVES} curves each. Nominal false positives: {ERROR:.3f} of either kind.",
        "",
        "| ranks | truth | noise, nats | kink found | kink excluded | AIC alone finds one | power stated, median |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for name, ranks in RANKS.items():
            for truth in TRUTHS:
                for noise in NOISES:
                    found = shares(ranks, truth, noise, CURVES, partial(_in_pool, pool))
                    cells = " | ".join(f"{share:.2f}" for share in found)
                    lines.append(f"| {name}, {len(ranks)} | {truth} | {noise} | {cells} |")
    write_results("Power of the test of a kink", "python -m benchmarks.kink_power", ["numpy"], lines)


def _in_pool(pool, work, values):
    return pool.map(work, values, chunksize=10)


if __name__ == "__main__":
    main()
