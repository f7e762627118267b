"""Rule `scaling_fit`: the scaling law through final losses, and how far small models lie above it (Fig 1b).

arXiv 2404.07647, section 3: A and α are fitted on models from 410M parameters up, with B, β and E of Hoffmann et al.
fixed; the gap of a model is its loss over that of the law, less 1. Here for the paper's own points and for suites, by
every way to count parameters and with other published constants; and the law with all five constants free.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scripts.common.intervals import interval
from scripts.common.jobs import job, log, progress
from scripts.common.tables import read_table, write_rows
from scripts.scaling.counts import COUNTS, parameters
from scripts.scaling.law import CONSTANTS, NAMES, Law, Points, fit, points

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SEED = 0
CHUNK = 50  # bootstrap samples that a process fits at a time
LEAST_POINTS = 4  # for each free constant, if all five are
LEAST_SIZES = 3  # of the models in a sample: fewer do not tell A from α
WARM_UP = 0.05  # share of the steps that the law with five free constants does not see
PAPER_LEAST = 400_000_000  # parameters, total, of the models that the paper fits: 410M and up


@dataclass(frozen=True)
class Variant:
    """One fit: how N is counted, which constants are held, and those that are free."""

    count: str
    constants: str  # of CONSTANTS; `free` where none is held
    fixed: dict[str, float]


def variants() -> list[Variant]:
    """The paper's fit first; then other constants and other counts; then five free constants by every count."""
    held = [
        Variant(count, name, {key: asdict(law)[key] for key in ("B", "beta", "E")})
        for count in COUNTS
        for name, law in CONSTANTS.items()
    ]
    return held + [Variant(count, "free", {}) for count in COUNTS]


def resamples(sizes: NDArray[np.float64], samples: int, seed: int = SEED) -> NDArray[np.float64]:
    """(samples, n) how often each point counts in bootstrap samples that hold at least LEAST_SIZES sizes of model."""
    rng, number = np.random.default_rng(seed), len(sizes)
    kept: list[NDArray[np.float64]] = []
    while len(kept) < samples:
        weights = rng.multinomial(number, np.full(number, 1 / number)).astype(float)
        if len(np.unique(sizes[weights > 0])) >= LEAST_SIZES:
            kept.append(weights)
    return np.array(kept).reshape(samples, number)


def _fit_chunk(given: Points, fixed: dict[str, float], start: Law, weights: NDArray[np.float64]) -> list[Law]:
    return [fit(given.counted(one), fixed, start.theta()[None])[0] for one in weights]


def bootstrap(given: Points, fixed: dict[str, float], start: Law, samples: int, pool: Executor, name: str) -> list[Law]:
    """Laws of bootstrap samples of the points, in the same order whatever runs them; each goes on from `start`."""
    weights = resamples(given.log_parameters, samples)
    chunks = [weights[at : at + CHUNK] for at in range(0, samples, CHUNK)]
    parts = pool.map(partial(_fit_chunk, given, fixed, start), chunks)
    return [law for part in progress(parts, f"bootstraps {name}", len(chunks), "chunk") for law in part]


def gaps(law: Law, rows: pd.DataFrame, count: str) -> NDArray[np.float64]:
    """How far losses lie above the law, as a share of it."""
    return (rows.loss_nats / law.loss(parameters(rows, count), rows.tokens) - 1).to_numpy(float)


def held_out_errors(rows: pd.DataFrame, variant: Variant, start: Law) -> NDArray[np.float64]:
    """The same of each model, from a fit without it that goes on from `start`; NaN with too few other sizes."""
    sizes = parameters(rows, variant.count)
    found = np.full(len(rows), np.nan)
    for size in sizes.unique():
        others, own = rows[sizes != size], (sizes == size).to_numpy()
        if parameters(others, variant.count).nunique() >= max(LEAST_SIZES, len(NAMES) - len(variant.fixed)):
            given = points(parameters(others, variant.count), others.tokens, others.loss_nats)
            law, _ = fit(given, variant.fixed, start.theta()[None])
            found[own] = gaps(law, rows[own], variant.count)
    return found


def fitted_rows(rows: pd.DataFrame, variant: Variant) -> pd.DataFrame:
    """The points that a fit sees: final checkpoints of large models; for five free constants all past warm-up."""
    if variant.fixed:
        return rows[(rows.checkpoint == "final") & (rows.large == 1)]
    return rows[rows.late == 1]


def fit_data(rows: pd.DataFrame, samples: int, pool: Executor) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """For each variant that the points allow, its row of `scaling_fit`, and the rows of `scaling_gaps`."""
    keys = {key: rows[key].iloc[0] for key in ("source", "suite")}
    ends = rows[rows.checkpoint.isin(["final", "best"])].drop_duplicates(["model", "checkpoint"])
    known: dict[tuple[tuple[float, ...], str], tuple[Law, float, list[Law]]] = {}
    for variant in variants():
        seen = fitted_rows(rows, variant)
        sizes = parameters(seen, variant.count)
        if sizes.nunique() < LEAST_SIZES or len(seen) < (2 if variant.fixed else LEAST_POINTS * len(NAMES)):
            log.warning("%s %s: too few models for %s, %s", *keys.values(), variant.count, variant.constants)
            continue
        if variant.fixed and (seen.loss_nats <= _rest(variant.fixed, seen.tokens)).any():
            log.warning("%s %s: the constants %s leave no loss to N", *keys.values(), variant.constants)
            continue
        same = (tuple(sizes), variant.constants)  # nominal sizes are total ones where no name says otherwise
        if same not in known:
            given = points(sizes, seen.tokens, seen.loss_nats)
            law, least = fit(given, variant.fixed)
            name = f"{keys['suite'] or 'paper'} {variant.count} {variant.constants}"
            known[same] = law, least, bootstrap(given, variant.fixed, law, samples, pool, name)
        law, least, laws = known[same]
        named = {**keys, "parameters_counted": variant.count, "constants": variant.constants}
        yield (
            {**named, **_constants(law, laws), "objective": least, "points": len(seen), "models": seen.model.nunique()}
            | _mean_gaps(law, laws, ends, variant.count),
            _gap_rows(named, law, laws, ends, seen, variant),
        )


def _rest(fixed: dict[str, float], tokens: pd.Series) -> pd.Series:
    """What held constants say of the loss of a model without end."""
    return fixed["B"] / tokens ** fixed["beta"] + fixed["E"]


def _constants(law: Law, laws: list[Law]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in NAMES:
        low, high = interval(np.array([getattr(one, name) for one in laws]))
        found |= {name: getattr(law, name), f"{name}_low": low, f"{name}_high": high}
    return found


def _mean_gaps(law: Law, laws: list[Law], ends: pd.DataFrame, count: str) -> dict[str, Any]:
    """Of the models that are not large: mean gap of final and best checkpoints, if there are any."""
    found: dict[str, Any] = {}
    for kind in ("final", "best"):
        small = ends[(ends.checkpoint == kind) & (ends.large == 0)]
        values = np.array([gaps(one, small, count).mean() if len(small) else np.nan for one in (law, *laws)])
        low, high = interval(values[1:])
        mean = None if np.isnan(values[0]) else float(values[0])
        found |= {f"{kind}_gap": mean, f"{kind}_gap_low": low, f"{kind}_gap_high": high}
    return found


def _gap_rows(
    named: dict[str, Any], law: Law, laws: list[Law], ends: pd.DataFrame, seen: pd.DataFrame, variant: Variant
) -> list[dict[str, Any]]:
    own, others = gaps(law, ends, variant.count), np.array([gaps(one, ends, variant.count) for one in laws])
    finals = seen[seen.checkpoint == "final"]
    errors = dict(zip(finals.model, held_out_errors(finals, variant, law), strict=True)) if variant.fixed else {}
    rows = []
    for place, row in enumerate(ends.itertuples()):
        low, high = interval(others[:, place]) if len(laws) else (None, None)
        error = errors.get(row.model, np.nan) if row.checkpoint == "final" else np.nan
        rows.append(
            {
                **named,
                "model": row.model,
                "checkpoint": row.checkpoint,
                "step": row.step,
                "tokens": row.tokens,
                "parameters": int(parameters(ends, variant.count).iloc[place]),
                "loss_nats": row.loss_nats,
                "predicted_nats": float(law.loss(parameters(ends, variant.count).iloc[place], row.tokens)),
                "gap": own[place],
                "gap_low": low,
                "gap_high": high,
                "held_out_error": None if np.isnan(error) else float(error),
                "fitted": int(row.model in set(finals.model) and (row.checkpoint == "final" or not variant.fixed)),
            }
        )
    return rows


def paper_points(published: pd.DataFrame) -> pd.DataFrame:
    """The paper's points of Fig 1b."""
    large = published.parameters >= PAPER_LEAST
    late = (published.checkpoint == "final") | ~large  # the best checkpoints of large models are their final ones
    return published.assign(source="paper", suite=None, large=large.astype(int), late=late.astype(int))


def suite_points(metrics: pd.DataFrame, least: float) -> pd.DataFrame:
    """Every checkpoint of a suite with known tokens, its final and best ones named; duplicates are left out.

    A checkpoint that is both final and best comes twice, and counts once in fits.
    """
    own = metrics[metrics.duplicate_of.isna() & metrics.tokens.notna() & (metrics.tokens > 0)]
    if own.empty:
        return own.assign(source="ours", checkpoint="", large=0, late=0)
    last = own.groupby("model").step.transform("max")
    head = own.head_rows * own.hidden_size
    rows = pd.DataFrame(
        {
            "source": "ours",
            "suite": own.suite,
            "model": own.model,
            "step": own.step,
            "tokens": own.tokens.astype(float),
            "loss_nats": own.cross_entropy_nats,
            "nominal_parameters": own.parameters,
            "parameters": own.parameters,
            "non_embedding_parameters": own.non_embedding_parameters,
            "head_parameters": head,
            "large": (own.parameters >= least).astype(int),
            "late": ((own.step >= WARM_UP * last) & (own.parameters >= least)).astype(int),
            "checkpoint": np.where(own.step == last, "final", "other"),
        }
    )
    best = rows.loc[rows.groupby("model").loss_nats.idxmin()].assign(checkpoint="best", late=0)
    return pd.concat([rows, best], ignore_index=True)


def main(files: Any, output: Any, options: Any, threads: int) -> None:
    """Fit the paper's points and every suite, and write both tables."""
    data = [paper_points(pd.read_csv(files.published))]
    metrics = [
        read_table("checkpoint_metrics", path).to_pandas().astype({"suite": str, "model": str})
        for path in files.metrics
    ]
    for suite, rows in pd.concat(metrics).groupby("suite", sort=False) if metrics else []:
        data.append(suite_points(rows, options.fit_from.get(suite, 0)))
    with ProcessPoolExecutor(threads, get_context("spawn")) as pool:
        found = [pair for rows in data if len(rows) for pair in fit_data(rows, options.bootstraps, pool)]
    tables = {"scaling_fit": [row for row, _ in found], "scaling_gaps": [row for _, rows in found for row in rows]}
    for name, path in zip(tables, (output.fits, output.gaps), strict=True):
        write_rows(name, path, tables[name])


if __name__ == "__main__":
    with job(snakemake):
        main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
