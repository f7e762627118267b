"""What the small models of the default run show, from its tables: a row a checkpoint, with the readings of a probe.

python -m lm_saturation.evidence.trained_here results > src/lm_saturation/resources/trained_here.csv

Suites without controls are trained as usual; a positive control has a loss increase planted, a negative one is the
same training without. Checkpoints of the first 5 % of the steps are left out: metrics still leave their initial values.
"""

import sys
from pathlib import Path

import pandas as pd

from lm_saturation.errors import InputError
from lm_saturation.io.tables import read_csv, read_frames
from lm_saturation.saturation.thresholds import WARM_UP_SHARE

KEYS = ["suite", "model"]
SIZES = ["hidden_size", "vocabulary_size", "parameters", "step", "tokens"]
COSTS = {  # of rounding logits: the rounded loss less that in float32
    f"{half}_cost{centred}": (f"loss_{half}{centred}", f"loss_float32{centred}")
    for half in ("bfloat16", "float16")
    for centred in ("", "_centred")
}
MEASURED = [  # columns of checkpoint_metrics that are readings of a probe
    "bits_per_byte", "logit_offset", "logit_offset_size", "logit_spread", "anisotropy", "anisotropy_centred",
    "singular_entropy", "singular_entropy_centred", "head_mean_share", "loss_on_unigram_text",
]  # fmt: skip
RATIOS = {"singular_ratio": "singular_value", "singular_ratio_centred": "singular_value_centred"}
READINGS = [*MEASURED, *COSTS, *RATIOS]
INCREASES = {  # of a training, at its last step
    "difference": "loss_increase",
    "difference_low": "loss_increase_low",
    "difference_high": "loss_increase_high",
    "unigram_increase": "unigram_increase",
}
COLUMNS = [*KEYS, "control", *SIZES, *READINGS, *INCREASES.values()]


def checkpoint_rows(results: Path) -> pd.DataFrame:
    """The table `trained_here` from the results of a run; losses in nats/token.

    How far losses end above their minimum, the loss with its 95 % interval over documents, is in the row of the last
    step only. Raises InputError if the run measured no models.
    """
    metrics = read_frames("checkpoint_metrics", _files(results, "checkpoint_metrics"))
    if metrics.empty:
        raise InputError(f"{results}: no checkpoint_metrics.parquet below it; allowed: the results folder of a run")
    last = metrics.groupby(KEYS).step.transform("max")
    rows = metrics[metrics.duplicate_of.isna() & (metrics.step >= WARM_UP_SHARE * last)]
    costs = {name: rows[rounded].astype(float) - rows[exact] for name, (rounded, exact) in COSTS.items()}
    rows = rows.assign(**costs).merge(_ratios(results), on=[*KEYS, "step"])
    rows = rows.merge(_increases(results), on=KEYS)
    before = rows.step < rows.groupby(KEYS).step.transform("max")
    rows.loc[before, [*INCREASES.values()]] = float("nan")
    rows["tokens"] = rows.tokens.astype("Int64")
    return rows.sort_values([*KEYS, "step"], kind="stable")[COLUMNS]


def _files(results: Path, table: str) -> list[str]:
    return sorted(map(str, results.glob(f"metrics/*/*/*/{table}.parquet")))


def _ratios(results: Path) -> pd.DataFrame:
    """σ2/σ1 of the LM head of each checkpoint, raw and centred."""
    spectra = read_frames("head_spectrum", _files(results, "head_spectrum"))
    first, second = (spectra[spectra["rank"] == rank].set_index([*KEYS, "step"]) for rank in (1, 2))
    return pd.DataFrame({name: second[column] / first[column] for name, column in RATIOS.items()}).reset_index()


def _increases(results: Path) -> pd.DataFrame:
    """Of each model: its control, if it is one, and INCREASES."""
    tables = [
        read_csv(f"table_{name}", path)
        for name in ("saturation", "controls")
        if (path := results / "tables" / f"{name}.csv").exists()
    ]
    if not tables:
        raise InputError(f"{results}: neither tables/saturation.csv nor tables/controls.csv in it; run it to its end")
    found = pd.concat(tables, ignore_index=True)
    found["unigram_increase"] = found.loss_on_unigram_text_final - found.loss_on_unigram_text_minimum
    found = found.rename(columns=INCREASES)
    return found.reindex(columns=[*KEYS, "control", *INCREASES.values()])


if __name__ == "__main__":
    checkpoint_rows(Path(sys.argv[1])).to_csv(sys.stdout, index=False, float_format="%.5g", lineterminator="\n")
