"""Short trainings with a remedy, as the rule runs them, and tables of runs with known answers."""

import math
import runpy
from types import SimpleNamespace

import pandas as pd

from lm_saturation.config.tied import TiedTrainingOptions
from tests.conftest import ROOT, Items
from tests.training.runs import HELD_OUT, VOCABULARY, token_files

STEPS = [0, 1, 4, 8, 12]
TRAINING = {
    "model": {"width": 16, "layers": 1, "attention_heads": 1, "learning_rate": 0.01},
    "self_logit": 0.3 * 16 / math.log(VOCABULARY),
    "seeds": [0, 1],
    "sequence_length": 16,
    "batch_size": 4,
    "steps": STEPS,
    "held_out_tokens": 100,
    "device": "cpu",
    "precision": "float32",
}
SETTING = {"tokenizer": "bpe-2k", "residual_scale": 0.0}
FACTS = {**SETTING, "vocabulary_size": VOCABULARY, "width": 16, "layers": 1, "parameters": 4000}
FACTS |= {"sigma": 0.3, "learning_rate": 0.01}
GEOMETRY = {
    "anisotropy": 0.2,
    "anisotropy_centred": 0.01,
    "singular_entropy": 0.4,
    "singular_entropy_centred": 0.3,
    "head_mean_share": 0.1,
    "head_norm": 5.0,
}


def run_training(folder, corpus, remedy="plain", scale=0.0, **changed):
    """Run the script of rule `tied_training` in this process; its log, which is beside the folder, as a text."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    tables = {name: str(folder / remedy / f"tied_{name}.parquet") for name in ("training", "spectrum", "rates")}
    mock = SimpleNamespace(
        input=Items(*token_files(corpus)),
        output=Items(**tables),
        params=SimpleNamespace(options=options(**changed), held_out=HELD_OUT, code="code"),
        wildcards=SimpleNamespace(tokenizer="bpe-2k", residual_scale=f"{scale:g}", remedy=remedy),
        threads=1,
        log=str(log),
    )
    runpy.run_path(str(ROOT / "scripts/tied/tied_training.py"), {"snakemake": mock}, "__main__")
    return log.read_text(encoding="utf-8")


def options(**changed):
    return TiedTrainingOptions(**{**TRAINING, **changed})


def training_table(losses, steps=(0, 10, 20, 40)):
    """A tied_training frame; `losses` holds one curve a (remedy, seed)."""
    parts = []
    for (remedy, seed), curve in losses.items():
        keys = {"remedy": remedy, "seed": seed, "step": steps, "tokens": [64 * step for step in steps]}
        found = {"loss_nats": curve, "loss_error": 0.01, "expected_nats": curve[0] + 0.1}
        parts.append(pd.DataFrame({**keys, **FACTS, **GEOMETRY, **found}))
    return pd.concat(parts, ignore_index=True)


def rates_table(halves):
    """A tied_rates frame of the first seed: the remedies' losses after half of the steps, at the best of two rates."""
    rows = []
    for remedy, loss in halves.items():
        for rate, more in ((0.01, 0.0), (0.02, 0.3)):
            keys = {**SETTING, "remedy": remedy, "seed": 0, "steps": 20, "learning_rate": rate}
            rows.append({**keys, "loss_nats": loss + more, "is_best": int(not more)})
    columns = [*SETTING, "remedy", "seed", "steps", "learning_rate", "loss_nats", "is_best"]
    return pd.DataFrame(rows, columns=columns)
