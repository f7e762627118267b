"""22 Gemstones (width 256 to 3072, 350e9 tokens, arXiv 2502.06857): how far their losses end above their minimum.

resources/gemstones.csv.xz: held-out losses, nats/token, of 35 checkpoints on two corpora.
"""

import pandas as pd


def gemstone_increases(losses: pd.DataFrame) -> pd.DataFrame:
    """One row per model and corpus, by width: its best and its final step, and the increase between them (nats)."""
    rows = []
    for (model, corpus), curve in losses.sort_values("step").groupby(["model", "corpus"], sort=False):
        best = curve.loc[curve.loss_nats.idxmin()]
        rows.append(
            {
                "model": model,
                "hidden_size": int(best.width),
                "layers": int(best.depth),
                "corpus": corpus,
                "best_step": int(best.step),
                "final_step": int(curve.step.iloc[-1]),
                "increase": float(curve.loss_nats.iloc[-1] - best.loss_nats),
            }
        )
    return pd.DataFrame(rows).sort_values(["hidden_size", "layers", "corpus"]).reset_index(drop=True)
