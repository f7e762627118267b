"""The rows of one model: losses that stay, and rounding that costs what it must."""

import numpy as np
import pandas as pd
import pytest
import torch

from lm_saturation.config.causes import InterventionOptions
from lm_saturation.invisible.measured import rows_of
from lm_saturation.invisible.readout import Readout
from lm_saturation.invisible.shape import Targets
from lm_saturation.report.tables.table_offset_intervention import table_offset_intervention

TARGETS = Targets(entropy_share=0.88, sigma_ratio=0.054, anisotropy=0.98)
UNSEEN = ["produced", "produced_loud", "centred", "canonical", "canonical_as_trained"]


def problem(vocabulary, number, spread, seed=0):
    """Gaussian logits of that spread and next tokens drawn from their softmax; the states have a mean."""
    random = np.random.default_rng(seed)
    states = random.standard_normal((number, 16)) + 1.0
    head = random.standard_normal((vocabulary, 16))
    head *= spread / np.sqrt((states**2).sum(1).mean())
    logits = states @ head.T
    tokens = (logits + random.gumbel(size=logits.shape)).argmax(1)
    bias = torch.zeros(vocabulary, dtype=torch.float64)
    return Readout(torch.from_numpy(head), bias, torch.from_numpy(states)), torch.from_numpy(tokens)


@pytest.fixture(scope="module")
def rows():
    readout, tokens = problem(2000, 600, 2.0)
    options = InterventionOptions(loss_tokens=500, offsets=[300.0, 1500.0])
    frame = pd.DataFrame(rows_of(readout, tokens, options, TARGETS))
    return frame.assign(suite="s", model="m", step=3)


def test_what_softmax_does_not_see_costs_nothing(rows):
    exact = rows[rows.precision == "float64"].set_index("state").loss_change_nats
    single = rows[rows.precision == "float32"].set_index("state").loss_change_nats
    assert exact[UNSEEN].abs().max() < 1e-12
    assert single[["produced", "centred", "canonical", "canonical_as_trained"]].abs().max() < 1e-6
    assert exact[["moved", "cut"]].abs().min() > 1e-3


def test_it_is_as_degenerate_as_it_should_be_and_back(rows):
    by_state = rows[rows.precision == "float32"].drop_duplicates("state").set_index("state")
    for state in ("produced", "produced_loud"):
        made = by_state.loc[state]
        assert made.singular_entropy >= made.entropy_target * (1 - 1e-9)
        assert made.sigma_ratio <= made.sigma_ratio_target * (1 + 1e-9)
        assert made.anisotropy >= made.anisotropy_target * (1 - 1e-9)
    shape = ["singular_entropy", "sigma_ratio", "anisotropy", "anisotropy_centred"]
    one, two = by_state.loc["canonical", shape], by_state.loc["canonical_as_trained", shape]
    np.testing.assert_allclose(one.to_numpy(float), two.to_numpy(float), rtol=1e-6, atol=1e-9)
    assert by_state.loc["centred", "anisotropy"] < 0.01
    assert by_state.loc["produced", "logit_offset"] < 0.1 * by_state.loc["produced_loud", "logit_offset"]


def test_offsets_are_those_asked_for(rows):
    offsets = rows[(rows.state == "offset") & (rows.precision == "float32")]
    assert offsets.logit_offset.to_numpy() == pytest.approx([300, 1500], rel=0.02)
    entropies = offsets.singular_entropy_centred.to_numpy()
    assert entropies == pytest.approx(rows.singular_entropy_centred[0])


def test_the_table_has_a_row_a_state(rows):
    table = table_offset_intervention(rows)
    assert len(table) == 8 + 2
    produced = table[table.state == "produced"].iloc[0]
    assert abs(produced.float64_change) < 1e-12
    assert table.float64_change.isna().sum() == 2


def test_rounding_costs_what_gaussian_logits_cost():
    """Known of V = 50,304 and a spread of 2.2: .20 nats in bfloat16 at an offset of 300, .19 in float16 at 3,000.

    Within three standard errors of the sampled tokens: a cost c has errors of √(2c) a token.
    """
    number = 1000
    made, tokens = problem(20_000, number, 2.2)
    head = torch.nn.functional.pad(made.head, (0, 1))
    states = torch.nn.functional.pad(made.states, (0, 1), value=1000.0)  # hardly any offset differs from the others
    options = InterventionOptions(loss_tokens=number, offsets=[300.0, 3000.0])
    frame = pd.DataFrame(rows_of(Readout(head, made.bias, states), tokens, options, TARGETS))
    costs = frame[frame.state == "offset"].set_index(["asked_offset", "precision"])
    for place, known in (((300.0, "bfloat16"), 0.20), ((3000.0, "float16"), 0.19)):
        predicted = costs.predicted_nats[place]
        assert costs.rounding_nats[place] == pytest.approx(predicted, abs=3 * np.sqrt(2 * predicted / number))
        assert predicted == pytest.approx(known, rel=0.25)


def test_a_logit_that_overflows_leaves_its_cells_empty():
    readout, tokens = problem(50, 100, 1.0)
    options = InterventionOptions(loss_tokens=100, offsets=[1e5])
    frame = pd.DataFrame(rows_of(readout, tokens, options, TARGETS))
    half = frame[(frame.state == "offset") & (frame.precision == "float16")].iloc[0]
    assert half[["loss_nats", "loss_change_nats", "rounding_nats", "predicted_nats"]].isna().all()
    assert frame[frame.precision == "bfloat16"].loss_nats.notna().all()
