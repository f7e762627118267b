"""What one checkpoint of a published model shows, from the tables of a run that measured it (`make real`).

python -m lm_saturation.evidence.real_weights results/smollm2 > src/lm_saturation/resources/real_weights.csv

One row a number. A single checkpoint says how a trained model is, not what its training did.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from lm_saturation.evidence.rounding import NOISE
from lm_saturation.io.tables import read_csv, read_frames, table_columns

NORMAL = 1.959964  # half the width of a 95 % interval, in standard errors
NATS, COSINE = "nats/token", "mean cosine"
MEASURED = {  # columns of checkpoint_metrics, and their units
    "parameters": "parameters",
    "hidden_size": "dimensions",
    "vocabulary_size": "tokens",
    "sample_tokens": "tokens",
    "cross_entropy_nats": NATS,
    "bits_per_byte": "bits/byte",
    "anisotropy": COSINE,
    "anisotropy_centred": COSINE,
    "hidden_mean_share": "share of the squared norm",
    "singular_entropy": "nats",
    "singular_entropy_centred": "nats",
    "head_mean_share": "share of the squared norm",
    "head_effective_rank": "dimensions",
    "head_effective_rank_centred": "dimensions",
    "logit_offset": "nats",
    "logit_spread": "nats",
    "loss_float32": NATS,
    "loss_bfloat16": NATS,
    "loss_bfloat16_centred": NATS,
    "loss_on_unigram_text": NATS,
    "loss_on_bigram_text": NATS,
    "loss_with_all_directions": NATS,
    "loss_without_state_directions_1": NATS,
    "loss_without_state_directions_4": NATS,
    "loss_without_head_directions_1": NATS,
    "loss_without_head_directions_4": NATS,
}
PRODUCED = {  # columns of offset_intervention of the model made degenerate, and their units
    "singular_entropy": "nats",
    "sigma_ratio": "σ2/σ1",
    "anisotropy": COSINE,
    "entropy_target": "nats",
    "sigma_ratio_target": "σ2/σ1",
    "anisotropy_target": COSINE,
    "loss_change_nats": NATS,
}
OFFSET = re.compile(r"offset_(?P<asked_offset>\d+)_(?P<half>b?float16)_(?P<number>cost|predicted)")
LAYERS = "anisotropy_layers"  # the median over the layers, of table_saturation
CUT_COSTS = {"truncated": "cut_cost", "weighted_centred": "weighted_cut_cost"}  # methods of bottleneck_bound
Row = dict[str, Any]


def run_rows(results: Path) -> Iterator[Row]:
    """Rows of the table `real_weights` from the results of a run, for every model at its last step."""
    metrics = read_frames("checkpoint_metrics", _files(results, "metrics", "checkpoint_metrics"))
    for (_, model), own in metrics.groupby(["suite", "model"], observed=True):
        last = own.sort_values("step").iloc[-1]
        yield from _metric_rows(str(model), last)
        yield from _layer_rows(results, str(model), int(last.step))
    yield from _head_rows(results)
    yield from _score_rows(results)
    yield from _intervention_rows(results)


def _row(model: str, quantity: str, value: float, unit: str, **others: Any) -> Row:
    row = {"model": model, "quantity": quantity, "rank": None, "value": value, "low": None, "high": None, "unit": unit}
    return row | others


def _files(results: Path, stage: str, table: str) -> list[str]:
    return sorted(map(str, results.glob(f"{stage}/*/*/*/{table}.parquet")))


def _table(results: Path, name: str, schema: str = "") -> pd.DataFrame:
    """A table for people; without rows if the run was not asked for it."""
    path, schema = results / "tables" / f"{name}.csv", schema or name
    return read_csv(schema, path) if path.exists() else pd.DataFrame(columns=list(table_columns(schema)))


def _metric_rows(model: str, row: pd.Series) -> Iterator[Row]:
    for name, unit in MEASURED.items():
        others: Row = {}
        if name == "cross_entropy_nats" and pd.notna(row.cross_entropy_error):
            half = NORMAL * row.cross_entropy_error
            others = {"low": row[name] - half, "high": row[name] + half}
        if pd.notna(row[name]):
            yield _row(model, name, float(row[name]), unit, **others)


def _layer_rows(results: Path, model: str, step: int) -> Iterator[Row]:
    """The median over layers, as in the table of saturation."""
    table = _table(results, "saturation", "table_saturation")
    own = table[(table.model == model) & (table.final_step == step)]
    for value in own[LAYERS]:
        yield _row(model, LAYERS, float(value), COSINE)


def _head_rows(results: Path) -> Iterator[Row]:
    """Heads of each rank: trained ones against the full-rank head of the same training, and the pretrained one, cut."""
    costs = _table(results, "head_costs")
    for row in costs[costs.source == "ours"].itertuples():
        ends = {"low": row.cost_low, "high": row.cost_high}
        yield _row(row.model, f"head_cost_{row.initialisation}", row.cost_nats, NATS, rank=row.rank, **ends)
    ours = costs[costs.source == "ours"].drop_duplicates(["model", "initialisation"])
    for row in ours.itertuples():
        ends = {"low": row.full_rank_gap_low, "high": row.full_rank_gap_high}
        yield _row(row.model, f"full_rank_gap_{row.initialisation}", row.full_rank_gap, NATS, **ends)
    bounds = _table(results, "bottleneck_bound")
    bounds = bounds[bounds["head"] == "pretrained"]
    for method, quantity in CUT_COSTS.items():
        for row in bounds[bounds.method == method].itertuples():
            ends = {"low": row.gap_low, "high": row.gap_high}
            yield _row(row.model, quantity, row.gap_nats, NATS, rank=row.rank, **ends)
    for row in bounds[bounds.method == "truncated"].itertuples():
        yield _row(row.model, "w_error", row.w_error, "share of the norm", rank=row.rank)
        yield _row(row.model, "cut_bound", row.paper_bound, NATS, rank=row.rank)


def _score_rows(results: Path) -> Iterator[Row]:
    """Accuracies of the tasks made of held-out text, zero-shot, and what chance gives."""
    files = _files(results, "abilities", "ability_scores")
    if not files:
        return
    scores = read_frames("ability_scores", files)
    last = scores.step == scores.groupby(["suite", "model"], observed=True).step.transform("max")
    scores = scores[last & (scores.metric == "acc") & (scores.num_fewshot == 0)]
    for row in scores.itertuples():
        ends = {"low": row.value - NORMAL * row.stderr, "high": row.value + NORMAL * row.stderr}
        yield _row(row.model, f"{row.task}_accuracy", row.value, "share of the items", **ends)
        yield _row(row.model, f"{row.task}_chance", row.chance, "share of the items")


def _intervention_rows(results: Path) -> Iterator[Row]:
    """The model made degenerate where softmax does not see it, and what rounding costs at offsets where it must."""
    files = sorted(map(str, results.glob("causes/*/offset_intervention.parquet")))
    rows = read_frames("offset_intervention", files)
    for row in rows[(rows.state == "produced") & (rows.precision == "float32")].itertuples():
        for name, unit in PRODUCED.items():
            yield _row(row.model, f"produced_{name}", float(getattr(row, name)), unit)
    offsets = rows[(rows.state == "offset") & (rows.predicted_nats > NOISE) & rows.rounding_nats.notna()]
    for row in offsets.itertuples():
        name = f"offset_{row.asked_offset:.0f}_{row.precision}"
        yield _row(row.model, f"{name}_cost", row.rounding_nats, NATS)
        yield _row(row.model, f"{name}_predicted", row.predicted_nats, NATS)


def produced(real_weights: pd.DataFrame) -> pd.DataFrame:
    """Models made degenerate where softmax does not see it: columns of `table_offset_intervention`, and model."""
    wide = quantities(real_weights).set_index("model").reindex(columns=[f"produced_{name}" for name in PRODUCED])
    names = wide.rename(columns=lambda name: name.removeprefix("produced_"))
    return names.rename(columns={"loss_change_nats": "float32_change"}).dropna().reset_index()


def rounded_offsets(real_weights: pd.DataFrame) -> pd.DataFrame:
    """What rounding costs at offsets given to a model: columns model, asked_offset, half, cost, predicted."""
    found = real_weights.quantity.str.extract(OFFSET).assign(model=real_weights.model, value=real_weights.value)
    keys = ["model", "asked_offset", "half"]
    wide = found.dropna(subset=["number"]).pivot_table(index=keys, columns="number", values="value", sort=False)
    return wide.reindex(columns=["cost", "predicted"]).rename_axis(columns=None).reset_index()


def quantities(real_weights: pd.DataFrame) -> pd.DataFrame:
    """The numbers that have no rank, one row a model and one column a quantity; empty where it was not measured."""
    numbers = real_weights[real_weights["rank"].isna()]
    wide = numbers.pivot_table(index="model", columns="quantity", values="value", sort=False)
    names = dict.fromkeys([*MEASURED, LAYERS, *wide.columns])
    return wide.reindex(columns=list(names)).rename_axis(index="model").reset_index()


def trained_heads(real_weights: pd.DataFrame) -> pd.DataFrame:
    """Costs of heads of lower rank, as in the table `head_costs`.

    Columns suite, model, initialisation, hidden_size, rank, cost_nats, cost_low, cost_high, full_rank_gap_high.
    """
    widths = quantities(real_weights).set_index("model").hidden_size
    heads = real_weights[real_weights.quantity.str.startswith("head_cost_")]
    gaps = real_weights[real_weights.quantity.str.startswith("full_rank_gap_")]
    gap = {(row.model, row.quantity.removeprefix("full_rank_gap_")): row.high for row in gaps.itertuples()}
    initialisations = heads.quantity.str.removeprefix("head_cost_")
    return pd.DataFrame(
        {
            "suite": "real",
            "model": heads.model,
            "initialisation": initialisations,
            "hidden_size": heads.model.map(widths).astype(int),
            "rank": heads["rank"].astype(int),
            "cost_nats": heads.value,
            "cost_low": heads.low,
            "cost_high": heads.high,
            "full_rank_gap_high": [gap[key] for key in zip(heads.model, initialisations, strict=True)],
        }
    )


def _printed(value: Any) -> Any:
    """Numbers to six digits, whole ones in full."""
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() else f"{value:.6g}"


if __name__ == "__main__":
    written = csv.DictWriter(sys.stdout, list(table_columns("real_weights")), lineterminator="\n")
    written.writeheader()
    for row in run_rows(Path(sys.argv[1])):
        written.writerow({name: _printed(value) for name, value in row.items()})
