"""42 published trainings of Pythia, by size and seed: does each saturate?

resources/pythia_seeds.csv.xz: of 19 checkpoints each, the Jensen–Shannon divergence of the model's next-token law and
the true next token, mean over 2.1 million tokens of The Pile, nats; and the loss on text drawn at random from the
unigram and bigram law of The Pile, nats/token. Nothing is said of the error of these means, so that of the divergence
is bounded: it lies in [0, ln 2], so the standard deviation of one token is at most (ln 2)/2 (Popoviciu), which leaves
`ERROR`.
"""

import numpy as np
import pandas as pd

TOKENS = 2.1e6
ERROR = float(np.log(2) / 2 / np.sqrt(TOKENS))  # nats: at most, of a mean divergence
INTERVAL = 1.96 * np.sqrt(2) * ERROR  # of a difference of two; that they share their tokens only makes it smaller
FROM_STEP = 1000  # before, models learn the unigram law itself
WIDTHS = {"14m": 128, "70m": 512, "160m": 768, "410m": 1024, "1b": 2048}
WIDTHS |= {"1.4b": 2048, "2.8b": 2560, "6.9b": 4096, "12b": 5120}
OF_PAPER = "standard"  # the runs that arXiv 2404.07647 measures


def seed_runs(checkpoints: pd.DataFrame) -> pd.DataFrame:
    """One row per training: how far its divergence and its loss on unigram text end above their minimum.

    Columns size, seed, hidden_size, best_step, final_step, increase (nats) with its bounded interval, unigram_least,
    unigram_final and unigram_increase (nats/token). With 19 steps a minimum is known to a factor of two in steps.
    """
    late = checkpoints[checkpoints.step >= FROM_STEP].sort_values("step")
    rows = []
    for (model, seed), run in late.groupby(["model", "variant"], sort=False):
        divergence, unigram = run.js_model_token, run.loss_on_unigram_text
        size = str(model).removeprefix("pythia-")
        increase = float(divergence.iloc[-1] - divergence.min())
        rows.append(
            {
                "size": size,
                "seed": seed,
                "hidden_size": WIDTHS[size],
                "best_step": int(run.step[divergence.idxmin()]),
                "final_step": int(run.step.iloc[-1]),
                "increase": increase,
                "increase_low": increase - INTERVAL,
                "increase_high": increase + INTERVAL,
                "unigram_least": float(unigram.min()),
                "unigram_final": float(unigram.iloc[-1]),
                "unigram_increase": float(unigram.iloc[-1] - unigram.min()),
            }
        )
    runs = pd.DataFrame(rows)
    return runs.sort_values(["hidden_size", "size", "seed"], kind="stable").reset_index(drop=True)
