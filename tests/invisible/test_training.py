"""Trainings in half precision: losses and gradients by the definition, and heads whose mean row does not matter."""

import numpy as np
import pandas as pd
import pytest
import torch

from lm_saturation.config.causes import OffsetTrainingOptions
from lm_saturation.config.suites import TrainedModel, TrainingOptions
from lm_saturation.invisible.training import train_with, variant_loss
from lm_saturation.io.tables import read_table
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from tests.heads.problems import VOCABULARY, write_model
from tests.invisible.test_rules import HELD_OUT, SAMPLE, WEIGHTS

MODEL = TrainedModel(width=16, layers=1, attention_heads=1, learning_rate=0.01, seed=0)
LENGTH = 12


def model():
    return build_model(MODEL, VOCABULARY, LENGTH)


def sampler():
    return BatchSampler(np.random.default_rng(0).integers(0, VOCABULARY, 3000), LENGTH, 8, 0)


def gradients(precision, z_loss=0.0):
    """Of all parameters, from a loss that is scaled as in training."""
    built, scale = model(), 8 * LENGTH
    loss = variant_loss(built, torch.from_numpy(sampler().batch(0)), precision, z_loss)
    (loss * scale).backward()
    return float(loss.detach()), torch.cat([weight.grad.flatten() / scale for weight in built.parameters()])


def test_in_float32_it_is_the_cross_entropy_of_the_model():
    batch = torch.from_numpy(sampler().batch(0))
    built = model()
    logits = built(batch[:, :-1]).logits.detach()
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
    assert float(variant_loss(built, batch, "float32", 0.0).detach()) == pytest.approx(float(expected), rel=1e-6)
    squares = float(logits.logsumexp(-1).square().mean())
    with_z = float(variant_loss(built, batch, "float32", 0.5).detach())
    assert with_z == pytest.approx(float(expected) + squares / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("precision", "limit"),
    [("float16_logits", 2e-3), ("float16", 5e-3), ("bfloat16_logits", 2e-2), ("bfloat16", 4e-2)],
)
def test_halves_give_nearly_the_gradient_of_float32(precision, limit):
    """Without underflow: float16 keeps 11 bits, bfloat16 8."""
    loss, exact = gradients("float32")
    rounded_loss, rounded = gradients(precision)
    assert rounded_loss == pytest.approx(loss, rel=limit)
    difference = float((rounded - exact).norm() / exact.norm())
    assert 1e-6 < difference < limit


def test_a_centred_head_learns_the_same():
    """The gradient has no mean row, so to remove it changes no update of the rest."""
    options = OffsetTrainingOptions(steps=20)
    models = {kind: model() for kind in ("plain", "centred")}
    for kind, built in models.items():
        assert train_with(built, sampler(), 0.01, "float32", kind, options) == 0
    plain, centred = (built.lm_head.weight.detach() for built in models.values())
    assert float(plain.mean(0).norm()) > 1e-3
    assert float(centred.mean(0).norm()) < 1e-6
    torch.testing.assert_close(plain - plain.mean(0), centred, rtol=0, atol=2e-3)


def test_the_rule_trains_the_grid(tmp_path, run_script):
    folder = write_model(tmp_path)
    options = OffsetTrainingOptions(precisions=["float32", "float16"], seeds=[3], steps=2)
    params = {
        "model": MODEL,
        "sequences": TrainingOptions(sequence_length=LENGTH, batch_size=4),
        "weights": WEIGHTS,
        "sample": SAMPLE,
        "options": options,
        "held_out": HELD_OUT,
    }
    files = {"tokenizer": str(folder / "tokenizer.json"), "tokens": [str(folder / f"{n}.json") for n in range(2)]}
    path = tmp_path / "offset_training.parquet"
    wildcards = {"suite": "s", "model": "m"}
    run_script("causes/offset_training.py", input=files, output=[path], params=params, wildcards=wildcards)
    rows = read_table("offset_training", path).to_pandas()
    assert rows.groupby(["precision", "head"], observed=True).size().tolist() == [1] * 8
    assert (rows.seed == 3).all()
    centred = pd.Series(rows.singular_entropy - rows.singular_entropy_centred)[rows["head"] == "centred"]
    assert centred.abs().max() < 1e-6
