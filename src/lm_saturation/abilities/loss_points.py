"""Performance against loss, one point per checkpoint, task and metric: the table `emergence_points`.

Losses that performance is set against:

held_out   measured here: nats/token of the suite's held-out text
lambada    published: log of the perplexity of LAMBADA's last words, nats/word, at the same number of shots
wikitext   published for v0: log of the word perplexity of WikiText-2, nats/word
figure_1a  the paper's own held-out loss of Pythia 70M, 160M and 410M, nats/token, between the steps of its Fig 1a
bits_per_byte  measured here: held-out loss of suites with different tokenizers, all together
"""

import numpy as np
import pandas as pd

from lm_saturation.abilities.score_scales import LIKELIHOODS

POINT_KEYS = ["family", "loss_measure", "task", "num_fewshot", "metric"]
CURVE_KEYS = [*POINT_KEYS, "suite", "model"]
CHECKPOINT_KEYS = ["suite", "model", "step"]
# Columns of `checkpoint_metrics` that are needed here
METRIC_COLUMNS = [
    *CHECKPOINT_KEYS,
    "tokens",
    "duplicate_of",
    "vocabulary_size",
    "cross_entropy_nats",
    "cross_entropy_error",
    "bits_per_byte",
]
PUBLISHED_LOSSES = {"lambada": ("lambada_openai", "perplexity"), "wikitext": ("wikitext", "word_perplexity")}
UNITS = {
    "held_out": "nats/token",
    "lambada": "nats/word",
    "wikitext": "nats/word",
    "figure_1a": "nats/token",
    "bits_per_byte": "bits/byte",
}
ALL_SUITES = "all suites"  # the family of points whose losses compare across tokenizers


def published_points(scores: pd.DataFrame, figure: pd.DataFrame) -> pd.DataFrame:
    """Published abilities (rows of `ability_scores`) with the losses that were published beside them.

    `figure` is Fig 1a: model, step, loss_nats and loss_uncertainty, two standard errors.
    """
    parts = [_with_published_loss(scores, measure) for measure in PUBLISHED_LOSSES]
    abilities = _abilities(scores[scores.suite == "pythia-v1"])
    curves = dict(iter(figure.groupby(figure.model.str.removeprefix("pythia-"))))
    models = [(model, rows) for model, rows in abilities.groupby("model") if model in curves]
    parts += [_with_drawn_loss(rows, curves[model]) for model, rows in models]
    return _with_family(pd.concat(parts, ignore_index=True))


def measured_points(scores: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Abilities measured here with the held-out loss of the same checkpoint; duplicate checkpoints are left out.

    `scores` are rows of `ability_scores`, `metrics` of `checkpoint_metrics`.
    """
    metrics = metrics[metrics.duplicate_of.isna()]
    losses = metrics[CHECKPOINT_KEYS].assign(
        loss=metrics.cross_entropy_nats,
        loss_error=metrics.cross_entropy_error.astype(float).fillna(0),
        loss_measure="held_out",
    )
    points = _with_family(_abilities(scores).merge(losses, on=CHECKPOINT_KEYS))
    if metrics.vocabulary_size.nunique() < 2:
        return points
    bits = (metrics.bits_per_byte / metrics.cross_entropy_nats).to_numpy()  # a nat/token
    losses = losses.assign(loss=losses.loss * bits, loss_error=losses.loss_error * bits, loss_measure="bits_per_byte")
    together = _with_family(_abilities(scores).merge(losses, on=CHECKPOINT_KEYS)).assign(family=ALL_SUITES)
    return pd.concat([points, together], ignore_index=True)


def _abilities(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores that are abilities: means over items, not likelihoods of a text."""
    return scores[~scores.metric.isin(LIKELIHOODS) & (scores.metric != "acc_norm")]


def _with_published_loss(scores: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Abilities with the loss that is a published score of the same checkpoint and shots."""
    task, metric = PUBLISHED_LOSSES[measure]
    keys = [*CHECKPOINT_KEYS, "num_fewshot"]
    rows = scores[(scores.task == task) & (scores.metric == metric)]
    losses = rows[keys].assign(
        loss=np.log(rows.value),
        loss_error=rows.stderr.astype(float).fillna(0) / rows.value,  # WikiText's was published without
        loss_measure=measure,
    )
    return _abilities(scores[scores.task != task]).merge(losses, on=keys)


def _with_drawn_loss(abilities: pd.DataFrame, curve: pd.DataFrame) -> pd.DataFrame:
    """Abilities of one model with its loss in Fig 1a, interpolated between the steps of the figure."""
    curve = curve.sort_values("step")
    inside = abilities[abilities.step.between(curve.step.min(), curve.step.max())]
    return inside.assign(
        loss=np.interp(inside.step, curve.step, curve.loss_nats),
        loss_error=float(curve.loss_uncertainty.mean()) / 2,  # which is two standard errors
        loss_measure="figure_1a",
    )


def _with_family(points: pd.DataFrame) -> pd.DataFrame:
    return points.assign(family=points.suite, unit=points.loss_measure.map(UNITS))
