"""The paper's models as rows of table_saturation, read off Figs 3 and 5, so that claims judge them as those of a run.

Whether a model saturates is read off Fig 3, where the paper shows it beside anisotropy, in word perplexity on WikiText.
The figure has no band. Its errors are those of the reading and the scatter of neighbouring checkpoints, so an interval
is about this text alone.
"""

import numpy as np
import pandas as pd

from lm_saturation.abilities.score_scales import loss_scale_errors
from lm_saturation.evidence.paper_curves import READING_ERRORS, increase_interval
from lm_saturation.saturation.onsets import anisotropy_saturation, entropy_saturation
from lm_saturation.saturation.thresholds import WARM_UP_SHARE

WIDTHS = {  # hidden size
    "pythia-14m": 128,
    "pythia-31m": 256,
    "pythia-70m": 512,
    "pythia-160m": 768,
    "pythia-410m": 1024,
    "pythia-1b": 2048,
    "pythia-1.4b": 2048,
}


def word_perplexities(figure_3: pd.DataFrame) -> pd.DataFrame:
    """Fig 3: the increase of each model's log word perplexity after its minimum, nats/word, and its anisotropy.

    The columns of table_saturation that follow from it.
    """
    rows = []
    for model, curve in figure_3.groupby("model", sort=False):
        ordered = curve.sort_values("step")
        steps, words = ordered.step.to_numpy(), ordered.word_perplexity.to_numpy()
        logs = np.log(words)
        scatter = loss_scale_errors("word_perplexity", words, np.full(len(words), np.nan))
        reading = ordered.word_perplexity_uncertainty.to_numpy() / READING_ERRORS / words
        low, high = increase_interval(logs, np.hypot(scatter, reading))
        shown = ordered[ordered.anisotropy.notna()]  # colours of segments: the last step has none
        anisotropy = anisotropy_saturation(shown.step.to_numpy(), shown.anisotropy.to_numpy())
        rows.append(
            {
                "suite": "Fig 3",
                "model": model,
                "hidden_size": WIDTHS[str(model)],
                "late_checkpoints": int((steps >= WARM_UP_SHARE * steps[-1]).sum()),
                "best_step": int(steps[logs.argmin()]),
                "final_step": int(steps[-1]),
                "difference": logs[-1] - logs.min(),
                "difference_low": low,
                "difference_high": high,
                "anisotropy_final": anisotropy["final"],
                "anisotropy_onset_step": anisotropy["onset_step"],
            }
        )
    return pd.DataFrame(rows).astype({"anisotropy_onset_step": float})


def singular_entropies(figure_5: pd.DataFrame) -> pd.DataFrame:
    """Fig 5: minimum, end, onset and steepest rise of each model's singular entropy, as in table_saturation.

    Also the standard error of reading off the increase after the minimum, `singular_entropy_error`.
    """
    rows = []
    for model, curve in figure_5.groupby("model", sort=False):
        ordered = curve.sort_values("step")
        width = WIDTHS[str(model)]
        found = entropy_saturation(ordered.step.to_numpy(), ordered.singular_entropy.to_numpy(), width)
        errors = ordered.set_index("step").singular_entropy_uncertainty / READING_ERRORS
        names = ["onset_step", "rise_start_step", "rise_steps", "rise_steps_low"]
        rows.append(
            {
                "suite": "Fig 5",
                "model": model,
                "hidden_size": width,
                "singular_entropy_minimum": found["best"],
                "singular_entropy_final": found["final"],
                "singular_entropy_error": float(np.hypot(errors[found["best_step"]], errors[found["final_step"]])),
                **{f"singular_entropy_{name}": found[name] for name in names},
            }
        )
    return pd.DataFrame(rows).astype({f"singular_entropy_{name}": float for name in names})


def both_figures(figure_3: pd.DataFrame, figure_5: pd.DataFrame) -> pd.DataFrame:
    """The models that both figures have, by Fig 3 and, for the singular entropy, Fig 5."""
    entropies = singular_entropies(figure_5).drop(columns=["suite", "hidden_size"])
    return word_perplexities(figure_3).merge(entropies, on="model")
