"""What probe() measures, against other ways to the same number, and that it leaves no trace."""

import math
import random

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from lm_saturation import model_metrics, probe
from lm_saturation.errors import InputError
from lm_saturation.probing.references import RESOURCES, short
from tests.probing.nanogpt import gpt
from tests.probing.small import ROWS, TEXTS, small_gpt2, small_model, tokenizer

IDS = np.random.default_rng(1).integers(0, 290, (6, 20))


def of_ids(model, **options):
    return probe(model, None, IDS, **{"tokens": 6 * 19, "sequence_length": 20, **options})


def logits_of(model):
    with torch.no_grad():
        return model.eval()(torch.from_numpy(IDS[:, :-1])).logits.double().flatten(0, 1).numpy()


def nats(logits):
    targets = IDS[:, 1:].ravel()
    return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(targets)), targets]))


def random_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def test_equals_other_ways():
    model, health = small_model(), of_ids(small_model())
    logits = logits_of(model)
    assert health["cross_entropy_nats"] == pytest.approx(nats(logits), rel=1e-5)
    rounded = torch.from_numpy(logits).bfloat16().double().numpy()
    assert health["bfloat16_cost"] == pytest.approx(nats(rounded) - nats(logits), abs=2e-6)
    assert health["logit_offset"] == pytest.approx(logits.mean(), abs=1e-6)
    assert health["logit_offset_size"] == pytest.approx(np.sqrt((logits.mean(1) ** 2).mean()), rel=1e-4)
    head = model.lm_head.weight.detach().double().numpy()
    for name, matrix in (("", head), ("_centred", head - head.mean(0))):
        values = np.linalg.svd(matrix, compute_uv=False)
        shares = values**2 / (values**2).sum()
        assert health[f"singular_ratio{name}"] == pytest.approx(values[1] / values[0])
        expected = math.log(len(shares)) + (shares * np.log(shares)).sum()
        assert health[f"singular_entropy{name}"] == pytest.approx(expected)
    assert health["head_mean_share"] == pytest.approx(len(head) * (head.mean(0) ** 2).sum() / (head**2).sum())


def test_equals_model_metrics():
    health = of_ids(small_model())
    metrics = model_metrics(small_model(), IDS).metrics
    shared = [
        name
        for name in health.values
        if name in metrics and name not in ("loss_on_unigram_text", "unargmaxable_tokens")
    ]
    assert len(shared) >= 12
    for name in shared:
        assert health[name] == pytest.approx(metrics[name], abs=1e-12)


def test_unigram_text_follows_the_counts():
    probabilities = np.bincount(IDS.ravel(), minlength=ROWS) / IDS.size
    used = probabilities[probabilities > 0]
    health = of_ids(small_model(), unigram_tokens=20_000)
    assert health["unigram_entropy"] == pytest.approx(-(used * np.log(used)).sum())
    head = small_model()
    with torch.no_grad():  # a model that knows nothing but the law
        head.lm_head.weight.zero_()
        head.gpt_neox.final_layer_norm.weight.zero_()
        head.gpt_neox.final_layer_norm.bias.zero_()[0] = 1
        head.lm_head.weight[:, 0] = torch.from_numpy(np.log(np.maximum(probabilities, 1e-9)))
    law = of_ids(head, unigram_tokens=20_000)
    assert law["loss_on_unigram_text"] == pytest.approx(law["unigram_entropy"], abs=0.02)
    assert health["loss_on_unigram_text"] > health["unigram_entropy"] + 0.1


def test_an_offset_costs_what_rounding_costs_and_nothing_once_removed():
    model = small_model()
    with torch.no_grad():
        model.gpt_neox.final_layer_norm.bias[0] = 10.0
        model.lm_head.weight[:, 0] += 20.0
    plain, shifted = of_ids(small_model()), of_ids(model)
    assert shifted["logit_offset"] == pytest.approx(200, rel=0.2)
    assert shifted["bfloat16_cost"] > 0.005 > 50 * abs(shifted["bfloat16_cost_centred"])
    assert plain["head_mean_share"] < 0.02 < 0.9 < shifted["head_mean_share"]
    with torch.no_grad():
        model.lm_head.weight[:, 0] += 1e4
    overflown = of_ids(model)
    assert overflown["float16_cost"] == math.inf
    assert overflown.plain()["readings"]["float16_cost"]["value"] is None
    assert math.isfinite(overflown["float16_cost_centred"])


@pytest.mark.parametrize("wrap", [lambda model: model, torch.nn.DataParallel, torch.compile])
def test_leaves_no_trace(wrap):
    model = small_model(dropout=0.5).train()
    model.gpt_neox.layers[0].eval()
    model.forward = lambda *_, **__: pytest.fail("what accelerate put there was run")
    patched = model.forward
    model.compile(backend="eager")
    compiled = model._compiled_call_impl
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    states = random_states()
    numbers = probe(wrap(model), tokenizer(), TEXTS).values
    assert random_states() == states
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert (model.forward, model._compiled_call_impl) == (patched, compiled)
    torch.manual_seed(5)
    random.seed(5)
    assert probe(model, tokenizer(), TEXTS).values == numbers  # whatever the random states


def test_the_sample_is_fixed_and_of_all_texts():
    model = small_model()
    one, other = (probe(model, tokenizer(), TEXTS, tokens=8 * 31, sequence_length=32) for _ in range(2))
    assert one.sample == other.sample == {"sequences": 8, "tokens": 8 * 31, "sha256": one.sample["sha256"]}
    assert sorted(one.documents) == [*range(8)]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer())
    assert probe(model, fast, TEXTS, tokens=8 * 31, sequence_length=32).values == one.values
    short = probe(model, tokenizer(), "the model reads")
    assert short.sample["tokens"] == len(tokenizer().encode("the model reads").ids) - 1


def test_bytes_of_text():
    health = probe(small_model(), tokenizer(), TEXTS[0], tokens=10**6)
    ids = tokenizer().encode(TEXTS[0]).ids
    assert health.sample["tokens"] >= len(ids) // 2
    bits = health["cross_entropy_nats"] * health.sample["tokens"] / math.log(2)
    assert bits / health["bits_per_byte"] == pytest.approx(len(TEXTS[0]) * health.sample["tokens"] / len(ids), rel=0.2)
    assert "bits_per_byte" not in of_ids(small_model()).values


@pytest.mark.parametrize("bias", [True, False])
def test_a_model_of_nanogpt_is_the_same_network(bias):
    model = gpt(bias=bias)
    with torch.no_grad():
        logits = model(torch.from_numpy(IDS[:, :-1])).double().flatten(0, 1).numpy()
    health = of_ids(model)
    assert health["cross_entropy_nats"] == pytest.approx(nats(logits), rel=1e-5)
    assert health["logit_offset"] == pytest.approx(logits.mean(), abs=1e-5)
    assert model.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.nn.Linear(2, 2), None, IDS), "Linear: not a causal language model"),
        ((small_gpt2(), None, TEXTS), "text without a tokenizer"),
        ((small_gpt2(), object(), TEXTS), "tokenizer: object; allowed: a fast one"),
        ((small_gpt2(), tokenizer(), [1, 2]), "not all are text"),
        ((small_gpt2(), None, [[1, 400]]), "token 400; allowed: 0 to 299"),
        ((small_gpt2(), tokenizer(), ""), "0 tokens; allowed: at least two"),
    ],
)
def test_refuses_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        probe(*arguments)
    assert "\n" not in str(error.value)


def test_health_is_read_by_name():
    health = of_ids(small_gpt2())
    with pytest.raises(KeyError, match="did you mean logit_offset"):
        health["logit_ofset"]
    assert "logit_offset" in str(health)
    real = pd.read_csv(RESOURCES / "real_weights.csv").set_index("quantity").value
    assert f"SmolLM2-135M-Instruct: {short(real.logit_offset)}" in str(health)
