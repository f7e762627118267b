"""Metrics of a model in memory, against loops over tokens, pairs and singular values; what it refuses."""

import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from lm_saturation import model_metrics
from lm_saturation.errors import InputError
from tests.conftest import ROOT
from tests.metrics.models import COMMON, ROWS, tiny_model

FAMILIES = ["gpt_neox", "gpt2", "llama", "opt"]
USED = 90  # of the rows of the head; the others are padding


def token_ids(sequences=4, length=12, largest=USED, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, largest, (sequences, length)))


def looped_losses(model, ids):
    """The mean loss of each sequence, token by token, in Python's floats."""
    losses = []
    for sequence in ids:
        with torch.no_grad():
            logits = model(sequence[None]).logits[0].tolist()
        nats = [
            math.log(sum(math.exp(other) for other in logits[at])) - logits[at][sequence[at + 1]]
            for at in range(len(sequence) - 1)
        ]
        losses.append(statistics.fmean(nats))
    return losses


def looped_anisotropy(states):
    """The mean cosine of all pairs (n, d), raw and with the mean removed."""

    def mean_cosine(rows):
        cosines = [
            sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))
            for i, left in enumerate(rows)
            for j, right in enumerate(rows)
            if i != j
        ]
        return statistics.fmean(cosines)

    rows = states.double().tolist()
    mean = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    return mean_cosine(rows), mean_cosine([[a - b for a, b in zip(row, mean, strict=True)] for row in rows])


def looped_entropy(values):
    shares = [value**2 / sum(other**2 for other in values) for value in values]
    return math.log(len(values)) + sum(share * math.log(share) for share in shares if share > 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_loops(family):
    model, ids = tiny_model(family), token_ids()
    found = model_metrics(model, ids, vocabulary_size=USED, text_bytes=100)
    metrics = found.metrics

    losses = looped_losses(model, ids)
    np.testing.assert_allclose(found.losses.loss_nats, losses, atol=1e-5)
    assert metrics["cross_entropy_nats"] == pytest.approx(statistics.fmean(losses), abs=1e-5)
    assert metrics["cross_entropy_error"] == pytest.approx(statistics.stdev(losses) / 2, abs=1e-5)
    assert metrics["bits_per_token"] == pytest.approx(statistics.fmean(losses) / math.log(2), abs=1e-5)
    assert metrics["bits_per_byte"] == pytest.approx(statistics.fmean(losses) / math.log(2) * 44 / 100, abs=1e-5)

    with torch.no_grad():
        states = model(ids[:, :-1], output_hidden_states=True).hidden_states
        last = model.get_decoder()(ids[:, :-1]).last_hidden_state
    for number, layer in enumerate([*states[:-1], last]):  # transformers' last is the one after the norm
        row = found.layers.iloc[number if number < len(states) - 1 else -1]
        raw, centred = looped_anisotropy(layer.flatten(0, 1))
        assert row.anisotropy == pytest.approx(raw, abs=1e-5)
        assert row.anisotropy_centred == pytest.approx(centred, abs=1e-5)
    assert metrics["anisotropy"] == found.layers.anisotropy.iloc[-1]
    assert metrics["anisotropy_centred"] == found.layers.anisotropy_centred.iloc[-1]

    head = model.get_output_embeddings().weight.detach().double()[:USED]
    for name, matrix in (("", head), ("_centred", head - head.mean(0))):
        values = torch.linalg.svdvals(matrix).tolist()
        np.testing.assert_allclose(found.spectrum["singular_value" + name], values, rtol=1e-6)
        assert metrics["singular_entropy" + name] == pytest.approx(looped_entropy(values))
        assert metrics["singular_ratio" + name] == pytest.approx(values[1] / values[0])
    assert metrics["tied"] == (family in ("gpt2", "opt"))
    assert (metrics["head_rows"], metrics["vocabulary_size"], metrics["dtype"]) == (ROWS, USED, "float32")
    assert metrics["hidden_size"] == (16 if family == "opt" else 32)  # after OPT's projection, which the head reads


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_measures_the_rounded_model(family, dtype):
    model, ids = tiny_model(family).to(dtype), token_ids()
    metrics = model_metrics(model, ids).metrics
    with torch.no_grad():
        states = model.get_decoder()(ids[:, :-1]).last_hidden_state
        head = model.get_output_embeddings().weight.float()
        logits = states.float() @ head.T
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    assert metrics["dtype"] == str(dtype).removeprefix("torch.")
    assert metrics["cross_entropy_nats"] == pytest.approx(float(loss), rel=1e-3)
    assert metrics["anisotropy"] == pytest.approx(looped_anisotropy(states.flatten(0, 1))[0], abs=2e-3)
    assert metrics["head_norm"] == pytest.approx(float(head.double().norm()))
    assert next(model.parameters()).dtype == dtype


def test_float64_is_measured_as_float32():
    ids = token_ids()
    model = tiny_model().double()
    found, expected = model_metrics(model, ids), model_metrics(tiny_model(), ids)
    assert found.metrics.equals(expected.metrics)
    assert model.dtype == torch.float64


def test_dropout_is_off_and_the_model_left_as_it_was():
    model, ids = tiny_model("gpt2", resid_pdrop=0.5, embd_pdrop=0.5), token_ids()
    expected = model_metrics(model, ids).metrics
    model.train()
    model.transformer.h[0].eval()
    before = [(name, module.training) for name, module in model.named_modules()]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    assert model_metrics(model, ids).metrics.equals(expected)
    assert [(name, module.training) for name, module in model.named_modules()] == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    with torch.enable_grad():
        model(ids, labels=ids).loss.backward()  # nothing of the measuring is in the way


def test_one_sequence_of_lists_and_of_arrays():
    model, ids = tiny_model(), token_ids(1, 9)
    found = model_metrics(model, ids[0].tolist()).metrics
    assert found.equals(model_metrics(model, ids.numpy()).metrics)
    assert math.isnan(found["cross_entropy_error"])  # of one sequence
    assert math.isnan(found["bits_per_byte"])
    assert found["sample_tokens"] == 8
    assert found["vocabulary_size"] == ROWS


def test_centring_undoes_what_softmax_does_not_see():
    model, ids = tiny_model(), token_ids()
    before = model_metrics(model, ids).metrics
    model.lm_head.weight.data += 3.0
    after = model_metrics(model, ids).metrics
    assert after["singular_ratio"] < 0.5 * before["singular_ratio"]
    for name in ("singular_ratio_centred", "singular_entropy_centred", "cross_entropy_nats"):
        assert after[name] == pytest.approx(before[name], rel=1e-4)


def test_counts_of_a_corpus_decide_what_is_frequent():
    model, ids = tiny_model(), token_ids()
    counts = np.arange(1, USED + 1)
    found = model_metrics(model, ids, vocabulary_size=USED, token_counts=counts).metrics
    assert found["top_frequency_correlation"] != model_metrics(model, ids).metrics["top_frequency_correlation"]


@pytest.mark.parametrize(
    ("ids", "options", "line"),
    [
        ([[1, 2], [3]], {}, "token_ids: sequences of different lengths; allowed: (sequences, tokens)"),
        ([[0.5, 1]], {}, "token_ids: float64 of shape (1, 2); allowed: integers (sequences, tokens)"),
        ([[5]], {}, "token_ids: shape (1, 1); allowed: at least one sequence of two tokens"),
        ([[0, ROWS]], {}, f"token_ids: {ROWS} is not in the vocabulary; allowed: 0 to 96, the LM head's rows"),
        ([[-1, 2]], {}, "token_ids: -1 is not in the vocabulary; allowed: 0 to 96, the LM head's rows"),
        ([[1] * 66], {}, "token_ids: sequences of 66 tokens; allowed: 65, the model's positions"),
        ([[0, 7]], {"vocabulary_size": 7}, "vocabulary_size is 7; allowed: 8 to 97, by token_ids and the LM head"),
        ([[0, 7]], {"vocabulary_size": 98}, "vocabulary_size is 98; allowed: 8 to 97, by token_ids and the LM head"),
        ([[0, 7]], {"token_counts": [1, 2]}, "token_counts: shape (2,); allowed: (97,), one a token of the vocabulary"),
    ],
)
def test_ids_that_cannot_be_measured(ids, options, line):
    with pytest.raises(InputError) as refused:
        model_metrics(tiny_model(), ids, **options)
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (AutoModel, AutoConfig.for_model("gpt2", **{**COMMON, "n_embd": 32, "n_layer": 1, "n_head": 4})),
        (AutoModelForMaskedLM, AutoConfig.for_model("bert", **COMMON)),
        (AutoModelForSeq2SeqLM, AutoConfig.for_model("t5", vocab_size=ROWS, d_model=16, d_ff=16, num_layers=1)),
        (None, None),
    ],
)
def test_models_without_a_causal_head(make, config):
    model = make.from_config(config) if make else torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=f"^{type(model).__name__}: not a causal language model of transformers$"):
        model_metrics(model, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("gpt_neox.embed_in", "layer 0: hidden states that are not finite"),
        ("gpt_neox.layers.1.mlp.dense_4h_to_h", "layer 2: hidden states that are not finite"),
        ("lm_head", "logits that are not finite"),
    ],
)
def test_weights_that_are_not_finite(place, line):
    model = tiny_model()
    model.get_submodule(place).weight.data[3, 1] = math.nan
    with pytest.raises(InputError) as refused:
        model_metrics(model, [[3, 4, 5, 3]])
    assert str(refused.value) == line


def test_single_metrics_alone():
    """Those of singular values need no PyTorch, and none of them changes how it works."""
    code = """
import sys
from lm_saturation.metrics.effective_rank import effective_rank
from lm_saturation.metrics.singular_entropy import singular_entropy
from lm_saturation.ngrams.spectrum import w_error
assert not {"torch", "transformers"} & set(sys.modules)
import torch
before = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.initial_seed()
from lm_saturation.metrics.anisotropy import anisotropy
from lm_saturation.metrics.head_spectrum import head_spectrum
assert "transformers" not in sys.modules
from lm_saturation import model_metrics
assert before == (
    torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.initial_seed()
)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
