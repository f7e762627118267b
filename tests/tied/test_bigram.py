"""The bigram model: brute force, closed forms with intervals, and where the formulas break."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from lm_saturation.config.tied import InitialOptions
from lm_saturation.tied import bigram
from lm_saturation.tied.bigram import first_embeddings, mean_error, moments, normed, sample_losses
from lm_saturation.tied.formulas import expected_loss, su_2023_loss
from lm_saturation.tied.initial_loss import remedy_rows
from lm_saturation.tied.remedies import REMEDIES
from tests.conftest import ROOT


@pytest.mark.parametrize("block", [7, 30, 4096])
def test_losses_equal_brute_force(block, monkeypatch):
    """Every logit, and every next token but the input, in float64."""
    monkeypatch.setattr(bigram, "BLOCK", block)
    size, width, rows, sigmas = 60, 16, 20, [0.1, 1.0]
    every = first_embeddings(size, width, 3, size)
    states = normed(every[:rows])
    found = sample_losses(states, every[:rows], bigram.embeddings(size, width, 3), sigmas)
    for place, sigma in enumerate(sigmas):
        embedding = sigma * every.double().numpy()
        norms = np.sqrt((embedding[:rows] ** 2).mean(1, keepdims=True))
        logits = embedding[:rows] / norms @ embedding.T
        losses = [
            np.mean([logsumexp(logits[token]) - logits[token, other] for other in range(size) if other != token])
            for token in range(rows)
        ]
        np.testing.assert_allclose(found.losses[place], losses, rtol=1e-5)
        np.testing.assert_allclose(found.self_logits[place], logits.diagonal(), rtol=1e-5)


def plain(size, width, sigmas, rows=200, name="plain"):
    return list(remedy_rows(REMEDIES[name], size, width, InitialOptions(sigmas=sigmas, rows=rows, seed=2)))


def test_the_state_has_the_width_as_squared_norm_and_others_their_variance():
    every = first_embeddings(4000, 32, 0, 4000)
    states = normed(every[:50])
    torch.testing.assert_close(states.square().sum(1), torch.full((50,), 32.0))
    others = (states @ (0.3 * every[50:]).T).numpy()
    assert others.var() == pytest.approx(32 * 0.3**2, rel=0.03)


def test_the_second_formula_holds_where_that_of_su_2023_breaks():
    """dσ²/2 is 0.32 to 1.3 nats and the self-logit still small: Su (2023) gives log n."""
    for row in plain(20_000, 64, [0.1, 0.12]):
        assert row["loss_nats"] == pytest.approx(row["expected_nats"], rel=0.005)
        assert row["loss_nats"] - row["su_2023_nats"] > 0.25
        assert row["su_2023_nats"] == pytest.approx(row["log_vocabulary_nats"], abs=0.2)


def test_both_hold_where_the_self_logit_rules():
    (row,) = plain(2000, 1024, [0.05])
    assert row["su_2023_nats"] == pytest.approx(1024 * 0.05)
    assert row["loss_nats"] == pytest.approx(row["su_2023_nats"], abs=4 * row["loss_error"] + 0.2)


def test_beyond_freezing_the_sum_is_its_greatest_term():
    """dσ² = 64 is more than 2 log n = 16.6: the second formula is far too high, √(2 dσ² log n) about right."""
    size, width, sigma = 4000, 256, 0.5
    (row,) = plain(size, width, [sigma], name="untied")
    greatest = sigma * math.sqrt(2 * width * math.log(size))
    assert row["expected_nats"] > row["loss_nats"] + 8
    assert 0.85 * greatest < row["loss_nats"] < 1.02 * greatest


def test_formulas():
    assert su_2023_loss(1000, 64, 0.1) == pytest.approx(math.log(math.exp(6.4) + 999))
    assert expected_loss(1000, 6.4, 0.64) == pytest.approx(math.log(math.exp(6.4) + 999 * math.exp(0.32)))
    assert su_2023_loss(50257, 100_000, 1.0) == pytest.approx(100_000)  # without overflow
    scaled = REMEDIES["scaled"].sigma(0.02, 50257, 768)
    assert su_2023_loss(50257, 768, scaled) == pytest.approx(math.log(2 * 50257 - 1))
    for width, enough in ((50 * math.log(50257) + 1, True), (50 * math.log(50257) - 1, False)):
        lacking = width * (math.log(50257) / width) ** 2 / 2
        assert (lacking < 0.01 * math.log(50257)) == enough


@pytest.mark.parametrize("width", [8, 100, 1000])
def test_moments_are_those_of_theory_not_of_su_2023(width):
    found = {row["moment"]: row for row in moments(9001, width, 1)}
    for row in found.values():
        assert abs(row["value"] - row["theory"]) < 4 * row["error"]
    inner = found["inner_product_square"]
    assert inner["theory"] == 1 / width
    assert abs(inner["value"] - inner["su_2023"]) > 20 * inner["error"]
    assert found["squared_norm_variance"]["error"] < 0.1 * found["squared_norm_variance"]["theory"]


def test_standard_errors():
    assert mean_error(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx((2.5, math.sqrt(5 / 3 / 4)))


def test_fifty_thousand_tokens_need_no_square(tmp_path):
    """A matrix of 50,257² logits would take 10 GB."""
    code = (
        "import resource\n"
        "from lm_saturation.config.tied import InitialOptions\n"
        "from lm_saturation.tied.initial_loss import remedy_rows\n"
        "from lm_saturation.tied.remedies import REMEDIES\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "options = InitialOptions(sigmas=[0.02], rows=64, seed=0)\n"
        "row = next(remedy_rows(REMEDIES['plain'], 50257, 1024, options))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, row['loss_nats'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert float(output[0]) < 300  # MB beyond the libraries
    assert float(output[1]) == pytest.approx(20.45, rel=0.01)
