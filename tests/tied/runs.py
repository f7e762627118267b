"""Short trainings with a remedy, as the rule runs them, and tables of runs with known answers."""

from types import SimpleNamespace

import pandas as pd

from tests.checkpoints.runs import HELD_OUT, VOCABULARY

STEPS = [0, 1, 4, 8, 12]
TRAINING = {
    "model": {"width": 16, "layers": 1, "heads": 1, "learning_rate": 0.01, "residual_scale": 0.0},
    "sigma": 0.3,
    "seeds": [0, 1],
    "sequence_length": 16,
    "batch_size": 4,
    "steps": STEPS,
    "held_out_tokens": 100,
    "device": "cpu",
    "precision": "float32",
}
FACTS = {"vocabulary_size": VOCABULARY, "width": 16, "layers": 1, "parameters": 4000, "sigma": 0.3}
GEOMETRY = {
    "anisotropy": 0.2,
    "anisotropy_centred": 0.01,
    "singular_entropy": 0.4,
    "singular_entropy_centred": 0.3,
    "head_mean_share": 0.1,
    "head_norm": 5.0,
}


def arguments(folder, corpus, remedy="plain", **changed):
    records = [str(corpus / "0.json"), str(corpus / "1.json")]
    params = SimpleNamespace(training={**TRAINING, **changed}, held_out=HELD_OUT)
    output = SimpleNamespace(
        training=str(folder / remedy / "tied_training.parquet"), spectrum=str(folder / remedy / "tied_spectrum.parquet")
    )
    return records, remedy, params, 1, output


def training_table(losses, steps=(0, 10, 20, 40)):
    """A tied_training frame; `losses` holds one curve a (remedy, seed)."""
    parts = []
    for (remedy, seed), curve in losses.items():
        keys = {"remedy": remedy, "seed": seed, "step": steps, "tokens": [64 * step for step in steps]}
        found = {"loss_nats": curve, "loss_error": 0.01, "expected_nats": curve[0] + 0.1}
        parts.append(pd.DataFrame({**keys, **FACTS, **GEOMETRY, **found}))
    return pd.concat(parts, ignore_index=True)
