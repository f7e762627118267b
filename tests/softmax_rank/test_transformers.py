"""Small transformers on languages of known logit rank, against transformers' own class and against the ideal gap."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from lm_saturation.config.causes import LanguageOptions, SearchOptions, TransformerOptions
from lm_saturation.config.suites import TrainedModel
from lm_saturation.io.tables import read_table, write_rows
from lm_saturation.report.tables.table_softmax_rank import table_softmax_rank_transformers
from lm_saturation.softmax_rank.logit_language import logit_language
from lm_saturation.softmax_rank.measured import language_rows
from lm_saturation.softmax_rank.phase import refitted_loss, transformer_rows
from lm_saturation.softmax_rank.thresholds import ENOUGH
from lm_saturation.softmax_rank.transformers import Shape, hidden_states, initial_weights, losses, train
from lm_saturation.training.gpt_neox import build_model
from tests.config.defaults import changed, error_of
from tests.conftest import RESOURCES

LANGUAGE = LanguageOptions(ranks=[2], dimensions=[1, 2, 4, 6], contexts=12, vocabulary_size=10)


def stacked(model):
    """The weights of a GPT-NeoX with one attention head, as a stack of one."""
    named = {name: weight.detach()[None] for name, weight in model.state_dict().items()}
    weights = {"embedding": named["gpt_neox.embed_in.weight"], "head": named["lm_head.weight"].mT}
    width = weights["embedding"].shape[2]

    def add(name, module, order=("weight", "bias"), rows=slice(None)):
        matrix, vector = (named[f"gpt_neox.{module}.{part}"] for part in order)
        if name.endswith(("attention", "mlp", "last")):
            weights[f"{name}_gain"], weights[f"{name}_shift"] = matrix[:, None], vector[:, None]
        else:
            weights[name], weights[f"{name}_bias"] = matrix[:, rows].mT, vector[:, None, rows]

    for i in range(model.config.num_hidden_layers):
        add(f"{i}.attention", f"layers.{i}.input_layernorm")
        add(f"{i}.mlp", f"layers.{i}.post_attention_layernorm")
        add(f"{i}.value", f"layers.{i}.attention.query_key_value", rows=slice(2 * width, None))
        add(f"{i}.output", f"layers.{i}.attention.dense")
        add(f"{i}.up", f"layers.{i}.mlp.dense_h_to_4h")
        add(f"{i}.down", f"layers.{i}.mlp.dense_4h_to_h")
    add("last", "final_layer_norm")
    return weights


def test_a_context_of_one_token_is_a_gpt_neox():
    model = build_model(TrainedModel(width=8, layers=2, attention_heads=1, learning_rate=0.01), 12, 4).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1), dtype=weight.dtype)
        theirs = model(torch.arange(12)[:, None]).logits[:, 0]
    weights = stacked(model)
    torch.testing.assert_close((hidden_states(weights) @ weights["head"])[0], theirs, rtol=1e-10, atol=1e-10)
    ours = initial_weights(Shape(12, 12, 8, 2), [0])
    assert {name: weight.shape for name, weight in ours.items()} == {
        name: weight.shape for name, weight in weights.items()
    }


def test_the_initialisation_is_pythias():
    weights = initial_weights(Shape(2000, 2000, 64, 2), [0, 1])
    for name, deviation in (("embedding", 0.4), ("head", 0.4), ("0.up", 0.4), ("1.down", 1), ("0.output", 1)):
        expected = deviation**0.5 / 8  # small: √(2/5d); what writes into the residual: 2/(L√d)
        assert float(weights[name].std()) == pytest.approx(expected, rel=0.02)
    assert not torch.equal(weights["head"][0], weights["head"][1])


def test_the_loss_is_that_of_the_definition():
    laws = logit_language(12, 10, 3, seed=0)
    joint = laws.joint.toarray()
    weights = initial_weights(Shape(12, 10, 4, 1), [3])
    logits = (hidden_states(weights) @ weights["head"])[0].numpy()
    ours = losses(weights, torch.from_numpy(joint)[None].float())
    assert float(ours) == pytest.approx(-(joint * log_softmax(logits, axis=1)).sum(), rel=1e-5)


def test_models_are_trained_as_if_alone():
    joint = torch.from_numpy(np.stack([logit_language(12, 10, rank, 0).joint.toarray() for rank in (2, 3)])).float()
    start = initial_weights(Shape(12, 10, 4, 1), [0, 1])
    together, gained = train(start, joint, 20, 0.01)
    for i in range(2):
        alone, own = train({name: weight[i : i + 1] for name, weight in start.items()}, joint[i : i + 1], 20, 0.01)
        torch.testing.assert_close(together["head"][i], alone["head"][0], rtol=1e-3, atol=1e-5)
        assert float(gained[i]) == pytest.approx(float(own[0]), abs=1e-5)
    assert (losses(together, joint) < losses(start, joint)).all()


def test_the_best_states_for_a_head():
    """Against a general minimiser on the definition, context by context."""
    laws = logit_language(5, 6, 3, seed=0)
    rng = np.random.default_rng(0)
    states, head = rng.standard_normal((5, 2)), rng.standard_normal((6, 2))
    expected = sum(
        minimize(lambda h, row=row: -(row * log_softmax(head @ h)).sum() / row.sum(), np.zeros(2)).fun * row.sum()
        for row in laws.joint.toarray()
    )
    assert refitted_loss(laws, states, head) == pytest.approx(expected, abs=1e-7)


@pytest.fixture(scope="module")
def trained():
    """At d = 2, the rank of the language; and above, where a final LayerNorm lets it be expressed."""
    options = TransformerOptions(widths=[2, 6], steps=1500, learning_rates=[0.03], seeds=[0, 1])
    search = SearchOptions(iterations=400)
    ideal = pd.DataFrame(language_rows(LANGUAGE, search))
    return pd.DataFrame(transformer_rows(LANGUAGE, options, ideal, search.seed))


def test_no_transformer_is_better_than_the_ideal(trained):
    assert (trained.trained_gap_nats >= trained.ideal_gap_nats - 2e-3).all()
    assert (trained.refitted_gap_nats >= trained.ideal_gap_nats - 2e-3).all()
    assert (trained.trained_gap_nats >= trained.refitted_gap_nats - 1e-9).all()


def test_the_gap_vanishes_with_width_and_training(trained):
    gaps = trained.groupby("width").trained_gap_nats
    assert gaps.max()[6] < 0.01
    assert gaps.min()[2] > 0.05  # of width 2, a LayerNorm leaves two states
    assert (trained.ideal_gap_nats < 2e-3).all()


def test_through_the_script(run_script, tmp_path):
    search, languages = SearchOptions(), tmp_path / "languages.parquet"
    write_rows("softmax_rank_languages", languages, list(language_rows(LANGUAGE, search)))
    options = TransformerOptions(widths=[2, 4], steps=5, learning_rates=[0.01, 0.02], seeds=[3])
    params = {"languages": LANGUAGE, "transformers": options, "seed": search.seed}
    output = tmp_path / "transformers.parquet"
    run_script("causes/softmax_rank_transformers.py", input=[languages], output=[output], params=params)
    rows = read_table("softmax_rank_transformers", output).to_pandas()
    assert rows[["rank", "width", "weights_seed", "steps"]].to_numpy().tolist() == [[2, 2, 3, 5], [2, 4, 3, 5]]


def test_a_width_without_an_ideal_is_refused():
    said = error_of(changed("causes/languages", {"dimensions": [4, 8], "transformers": {"widths": [2]}}))
    assert said.startswith("causes.languages.transformers.widths names 2; allowed: from the least of dimensions on")


def test_the_shipped_grid_is_of_these_languages():
    rows = table_softmax_rank_transformers([str(RESOURCES / "softmax_rank_transformers.csv")])
    for (rank, seed, contexts, types), grid in rows.groupby(["rank", "seed", "contexts", "types"]):
        laws = logit_language(contexts, types, rank, seed)
        assert grid.entropy_nats.unique() == pytest.approx([laws.entropy_nats], rel=1e-5)
        assert grid.unigram_gap_nats.unique() == pytest.approx([laws.unigram_gap_nats], rel=1e-5)
    assert (rows.trained_gap_nats > rows.ideal_gap_nats - ENOUGH).all()  # where it is less, no more is searched
    assert (rows.trained_gap_nats > rows.refitted_gap_nats - 1e-6).all()
