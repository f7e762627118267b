"""Rule `ability_emergence`: performance against loss (Du, Zeng, Dong and Tang 2024, arXiv 2403.15796).

Their claims: models of all sizes fall on one curve; some abilities stay at chance until the loss falls below a tipping
point η; so an ability needs N ≥ N₀ (η − L∞)^(−1/α) parameters. And what only models that saturate can show: whether
ability is the same at the same loss before and after.

Losses that performance is set against:

held_out  ours, nats a token of the suite's held-out text
lambada   published: log of the perplexity of LAMBADA's last words, nats a word, at the same number of shots
wikitext  published for v0: bits a byte of WikiText-2
figure_1a the paper's own held-out loss of Pythia 70M, 160M and 410M (nats a token), between the steps of its Fig 1a
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from scripts.abilities.ability_saturation import LOGARITHMIC, error_of, read_scores
from scripts.abilities.curves import LEAST_MODELS, size_effect, tipping_point
from scripts.abilities.equal_loss import difference_interval, find_pairs
from scripts.common.jobs import job, progress
from scripts.common.tables import read_table, write_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

POINT_KEYS = ["family", "loss_measure", "task", "num_fewshot", "metric"]
LEAST_POINTS = 12
LEAST_PAIRS = 3
TASK_OF_LOSS = {"lambada": "lambada_openai", "wikitext": "wikitext"}
METRIC_OF_LOSS = {"lambada": "perplexity", "wikitext": "bits_per_byte"}
UNITS = {"held_out": "nats a token", "lambada": "nats a word", "wikitext": "bits a byte", "figure_1a": "nats a token"}


def abilities_of(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows that are abilities: means over items, not likelihoods of a text."""
    return scores[~scores.metric.isin(list(LOGARITHMIC)) & (scores.metric != "acc_norm")]


def published_points(scores: pd.DataFrame, figure: pd.DataFrame) -> pd.DataFrame:
    """Published abilities with the losses that were published beside them. `figure` is Fig 1a."""
    keys = ["suite", "model", "step", "num_fewshot"]
    parts = []
    for measure, task in TASK_OF_LOSS.items():
        own = scores[(scores.task == task) & (scores.metric == METRIC_OF_LOSS[measure])]
        loss = own[keys].assign(
            loss=np.log(own.value) if measure == "lambada" else own.value,
            loss_error=own.stderr.astype(float) / own.value if measure == "lambada" else 0.0,
            loss_measure=measure,
        )
        others = abilities_of(scores[scores.task != task])
        parts.append(others.merge(loss, on=keys))
    own = abilities_of(scores[(scores.suite == "pythia-v1") & scores.model.isin(_names(figure))])
    parts.append(pd.concat([_with_figure(rows, figure, str(model)) for model, rows in own.groupby("model")]))
    points = pd.concat(parts, ignore_index=True)
    return points.assign(family=points.suite)


def _names(figure: pd.DataFrame) -> list[str]:
    return list(figure.model.str.removeprefix("pythia-").unique())


def _with_figure(rows: pd.DataFrame, figure: pd.DataFrame, model: str) -> pd.DataFrame:
    curve = figure[figure.model == f"pythia-{model}"].sort_values("step")
    inside = rows[rows.step.between(curve.step.min(), curve.step.max())]
    return inside.assign(
        loss=np.interp(inside.step, curve.step, curve.loss_nats),
        loss_error=float(curve.loss_uncertainty.mean()) / 2,  # which is two standard errors
        loss_measure="figure_1a",
    )


def measured_points(scores: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Abilities measured here with the held-out loss of the same checkpoint; duplicates are left out."""
    own = metrics[metrics.duplicate_of.isna()]
    loss = own[["suite", "model", "step"]].assign(
        loss=own.cross_entropy_nats, loss_error=own.cross_entropy_error.astype(float).fillna(0), bits=own.bits_per_byte
    )
    points = abilities_of(scores).merge(loss, on=["suite", "model", "step"])
    return points.assign(family=points.suite, loss_measure="held_out")


def performance(rows: pd.DataFrame) -> np.ndarray:
    """Performance (n,) so that more is better: a Brier score with its sign turned."""
    return rows.value.to_numpy(float) * (-1 if rows.metric.iloc[0] == "brier" else 1)


def emergence_row(rows: pd.DataFrame, samples: int) -> dict[str, Any] | None:
    """What one table of points (rows of one task and metric) says; None with too few models or points."""
    models = pd.factorize(rows.suite + "/" + rows.model)[0]
    y, losses = performance(rows), rows.loss.to_numpy(float)
    if len(np.unique(models)) < LEAST_MODELS or len(rows) < LEAST_POINTS or np.ptp(y) == 0:
        return None
    sized = size_effect(losses, y, rows.parameters.to_numpy(float), models, samples)
    tipping = tipping_point(losses, y, models, samples)
    return {
        **{key: rows[key].iloc[0] for key in POINT_KEYS},
        "models": len(np.unique(models)),
        "points": len(rows),
        "chance": None if rows.chance.isna().any() else float(rows.chance.mean()),
        "spearman": float(stats.spearmanr(losses, rows.value).statistic),
        "explained": sized.common,
        "explained_with_size": sized.sized,
        "size_extra": sized.extra,
        "size_extra_low": sized.extra_low,
        "size_extra_high": sized.extra_high,
        "size_shift": sized.shift,
        "tipping_point": tipping.point,
        "tipping_point_low": tipping.point_low,
        "tipping_point_high": tipping.point_high,
        "floor": tipping.floor * (-1 if rows.metric.iloc[0] == "brier" else 1),
        "kinked_error": tipping.kinked_error,
        "smooth_error": tipping.smooth_error,
        "smooth": tipping.smooth,
        "kink_advantage": tipping.advantage,
        "kink_advantage_low": tipping.advantage_low,
        "kink_advantage_high": tipping.advantage_high,
        "kinked": int(tipping.found),
    }


def needed_parameters(row: dict[str, Any], fits: pd.DataFrame, tokens: float) -> Iterator[dict[str, Any]]:
    """Parameters from which the tipping point is reached, N ≥ (A / (η − L∞))^(1/α), by each law fitted to the family.

    L∞ = E + B / T^β at the `tokens` T that the family's models saw. Empty where no size reaches it.
    """
    laws = fits[(fits.suite == row["family"]) & (row["loss_measure"] == "held_out")]
    for law in laws.itertuples():
        least = law.E + law.B / tokens**law.beta
        keys = {key: row[key] for key in POINT_KEYS}
        yield {
            **keys,
            "kinked": row["kinked"],
            "parameters_counted": law.parameters_counted,
            "constants": law.constants,
            "tokens": tokens,
            "least_loss_nats": least,
            "needed": _needed(row["tipping_point"], least, law),
            "needed_low": _needed(row["tipping_point_high"], least, law),
            "needed_high": _needed(row["tipping_point_low"], least, law),
        }


def _needed(point: float | None, least: float, law: Any) -> float | None:
    if point is None or point <= least:
        return None
    needed = float((law.A / (point - least)) ** (1 / law.alpha)) if law.alpha > 0 else np.inf
    return needed if np.isfinite(needed) else None


def pair_rows(rows: pd.DataFrame, samples: int) -> Iterator[dict[str, Any]]:
    """A row for each pair of checkpoints at equal loss, of one model, task and metric."""
    rows = rows.sort_values("step")
    y, losses, steps = performance(rows), rows.loss.to_numpy(float), rows.step.to_numpy()
    pairs = find_pairs(losses, y)
    if len(pairs.after) < LEAST_PAIRS:
        return
    errors = error_of(str(rows.metric.iloc[0]), rows.value, rows.stderr.astype(float))
    low, high = difference_interval(losses, y, rows.loss_error.to_numpy(float), errors, samples)
    for number, place in enumerate(pairs.after):
        yield {
            **{key: rows[key].iloc[0] for key in (*POINT_KEYS, "suite", "model", "parameters")},
            "step_before": int(steps[pairs.before[number]]),
            "step_best": int(steps[losses.argmin()]),
            "step_after": int(steps[place]),
            "loss": float(losses[place]),
            "best_loss": float(losses.min()),
            "before": float(pairs.early[number]),
            "after": float(pairs.late[number]),
            "pairs": len(pairs.after),
            "difference": pairs.difference,
            "difference_low": low,
            "difference_high": high,
        }


def read_metrics(paths: Iterable[str]) -> pd.DataFrame:
    """The rows of `checkpoint_metrics` that points need."""
    columns = ["suite", "model", "step", "tokens", "duplicate_of", "cross_entropy_nats", "cross_entropy_error"]
    frames = [read_table("checkpoint_metrics", path).select([*columns, "bits_per_byte"]).to_pandas() for path in paths]
    return pd.concat([frame.astype({"suite": str, "model": str}) for frame in frames], ignore_index=True)


def main(files: Any, output: Any, samples: int) -> None:
    """Write points, what they say, the parameters needed, and pairs at equal loss."""
    points = published_points(read_scores([files.published]), pd.read_csv(files.figure))
    tokens: dict[str, float] = {}
    if files.scores:
        metrics = read_metrics(files.metrics)
        points = pd.concat([points, measured_points(read_scores(files.scores), metrics)], ignore_index=True)
        tokens = {str(suite): float(rows.tokens.max()) for suite, rows in metrics.groupby("suite")}
    points["unit"] = points.loss_measure.map(UNITS)
    groups = [rows for _, rows in points.groupby(POINT_KEYS, sort=False)]
    found = [row for rows in progress(groups, "curves", len(groups), "curve") if (row := emergence_row(rows, samples))]
    fits = read_table("scaling_fit", files.fits).to_pandas()
    needed = [
        more
        for row in found
        if np.isfinite(tokens.get(row["family"], np.nan))
        for more in needed_parameters(row, fits, tokens[row["family"]])
    ]
    curves = [rows for _, rows in points.groupby([*POINT_KEYS, "suite", "model"], sort=False)]
    pairs = [row for rows in progress(curves, "pairs", len(curves), "model") for row in pair_rows(rows, samples)]
    every = points.astype(object).where(points.notna(), None).to_dict("records")
    for name, rows in (
        ("emergence_points", every),
        ("emergence_fits", found),
        ("emergence_sizes", needed),
        ("equal_loss", pairs),
    ):
        write_rows(name, getattr(output, name), rows)


if __name__ == "__main__":
    with job(snakemake):
        main(snakemake.input, snakemake.output, snakemake.params.bootstraps)
