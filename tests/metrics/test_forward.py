"""One forward pass against Hugging Face's own, metric by metric, for every family; running out of memory."""

import logging

import numpy as np
import pytest
import torch

from lm_saturation.errors import InputError
from lm_saturation.inference import logits as logits_module
from lm_saturation.inference.trunk import decoder_layers, trunk_states
from lm_saturation.metrics.anisotropy import anisotropy
from lm_saturation.metrics.effective_rank import effective_rank
from lm_saturation.metrics.head_spectrum import head_spectrum
from lm_saturation.metrics.measure import measure
from lm_saturation.metrics.singular_entropy import singular_entropy
from tests.metrics.models import FAMILIES, GPT2, ROWS, FullMemory, tiny_model, tiny_sample, tiny_task


def own_outputs(model, sample):
    """The loss and the hidden states of the straightforward way, states of first tokens left out."""
    ids = torch.from_numpy(np.hstack([sample.inputs, sample.targets[:, -1:]]))
    labels = ids.clone()
    labels[:, : sample.skip + 1] = -100  # the first token is context, and nobody is asked for the one before it
    with torch.no_grad():
        found = model(ids, labels=labels, output_hidden_states=True)
        last = model.get_decoder()(ids[:, :-1]).last_hidden_state
    return float(found.loss), [states[:, sample.skip : -1] for states in found.hidden_states], last[:, sample.skip :]


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_hugging_face(family):
    model, task = tiny_model(family), tiny_task()
    found = measure(model, task)
    loss, states, last = own_outputs(model, task.sample)
    assert found.metrics["cross_entropy_nats"] == pytest.approx(loss, abs=1e-5)
    assert found.metrics["loss_float32"] == pytest.approx(loss, abs=1e-5)
    assert found.losses["loss_nats"].mean() == pytest.approx(loss, abs=1e-5)
    layers = len(states) - 1
    assert list(found.layers["layer"]) == [*range(layers + 1), layers]
    assert list(found.layers["state"]) == ["residual"] * (layers + 1) + ["after_norm"]
    for number, layer in enumerate([*states[:-1], last]):  # Hugging Face's last is the one after the norm
        row = number if number < layers else layers + 1
        exact = anisotropy(layer)
        for name, value in (("anisotropy", exact.raw), ("anisotropy_centred", exact.centred)):
            assert found.layers[name][row] == pytest.approx(value, abs=1e-5), (family, number)
        assert found.layers["mean_norm"][row] == pytest.approx(exact.mean_norm, rel=1e-5)


def test_last_layer_before_the_norm():
    model, task = tiny_model(), tiny_task()
    kept = []
    decoder_layers(model)[-1].register_forward_hook(lambda module, given, found: kept.append(found))
    with torch.no_grad():
        model(torch.from_numpy(task.sample.inputs))
    found = measure(tiny_model(), task).layers
    assert found["anisotropy"][-2] == pytest.approx(anisotropy(kept[0]).raw, abs=1e-6)
    assert found["depth"][-2] == 1


def test_fused_metrics_equal_one_by_one():
    model, task = tiny_model(), tiny_task(vocabulary_size=90)
    found = measure(model, tiny_task(90, sample=tiny_sample(largest=90))).metrics
    sample = tiny_sample(largest=90)
    with torch.no_grad():
        states = model.gpt_neox(torch.from_numpy(sample.inputs)).last_hidden_state.flatten(0, 1)
        logits = model(torch.from_numpy(sample.inputs)).logits.flatten(0, 1)
    head = head_spectrum(model.lm_head.weight.detach(), 90)
    one = anisotropy(states)
    doubles = states.double()
    expected = {
        "anisotropy": one.raw,
        "anisotropy_centred": one.centred,
        "hidden_mean_share": one.mean_share,
        "hidden_norm": one.mean_norm,
        "hidden_effective_rank": effective_rank(torch.linalg.svdvals(doubles).numpy()),
        "hidden_effective_rank_centred": effective_rank(torch.linalg.svdvals(doubles - doubles.mean(0)).numpy()),
        "head_norm": head.norm,
        "head_effective_rank": effective_rank(head.plain),
        "head_effective_rank_centred": effective_rank(head.centred),
        "singular_entropy": singular_entropy(head.plain, 2),
        "singular_entropy_padded": singular_entropy(head.padded, 2),
        "singular_entropy_sigma_centred": singular_entropy(head.centred, 1),
        "logit_offset": float(logits[:, :90].mean()),
        "logit_spread": float((logits[:, :90] - logits[:, :90].mean(1, keepdim=True)).square().mean().sqrt()),
        "bits_per_byte": found["cross_entropy_nats"] / np.log(2) / 3,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert (found["head_rows"], found["vocabulary_size"], found["hidden_size"]) == (ROWS, 90, 32)
    assert len(task.counts) == 90


def test_a_first_token_leaves_no_trace_of_its_own():
    model = tiny_model()
    sample = tiny_sample(first=3)
    found = measure(model, tiny_task(sample=sample))
    loss, _, last = own_outputs(model, sample)
    assert found.metrics["cross_entropy_nats"] == pytest.approx(loss, abs=1e-5)
    assert found.metrics["anisotropy"] == pytest.approx(anisotropy(last).raw, abs=1e-6)
    assert found.metrics["sample_tokens"] == sample.targets.size


@pytest.mark.parametrize("family", ["gpt_neox", "bloom"])
@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_the_size_of_batches_changes_nothing(monkeypatch, family, batch_size):
    monkeypatch.setitem(logits_module.AT_ONCE, "cpu", 7 * ROWS)  # logits of seven tokens at a time
    monkeypatch.setattr(logits_module, "FEWEST", 1)
    model = tiny_model(family)
    one = measure(model, tiny_task()).metrics
    other = measure(model, tiny_task(batch_size=batch_size)).metrics
    assert_alike(one, other)


def assert_alike(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == (
            value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-7)
        ), name


def test_a_square_batch_is_not_mixed_up():
    """As many sequences as tokens: what belongs to sequences still is told from what belongs to places."""
    model = tiny_model()
    ids = torch.from_numpy(tiny_sample(sequences=12, length=13).inputs)
    with torch.no_grad():
        own = model.gpt_neox(ids).last_hidden_state
    torch.testing.assert_close(trunk_states(model, ids, 5), own)


def test_out_of_memory_halves_the_batch_and_goes_on(caplog):
    expected = measure(tiny_model(), tiny_task(batch_size=5))
    model = tiny_model()
    layer = decoder_layers(model)[1]
    layer.forward = FullMemory(layer, 2)
    with caplog.at_level(logging.WARNING, "saturation"):
        found = measure(model, tiny_task(batch_size=4))
    assert layer.forward.refused == 1  # four of five sequences, then two at a time
    assert "batches of 2 from here on" in caplog.text
    assert found.metrics["cross_entropy_nats"] == pytest.approx(expected.metrics["cross_entropy_nats"], abs=1e-6)
    np.testing.assert_allclose(found.layers["anisotropy"], expected.layers["anisotropy"], atol=1e-6)


def test_out_of_memory_in_the_head(monkeypatch):
    expected = measure(tiny_model(), tiny_task()).metrics
    original, refused = logits_module.linear, []

    def full(inputs, *weights):
        if inputs.numel() // inputs.shape[-1] > 26:
            refused.append(inputs.shape)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(inputs, *weights)

    monkeypatch.setattr(logits_module, "linear", full)
    monkeypatch.setattr(logits_module, "TOKENS", 6)
    found = measure(tiny_model(), tiny_task()).metrics
    assert refused
    assert_alike(expected, found)


def test_not_even_one_sequence_fits():
    model = tiny_model()
    layer = decoder_layers(model)[0]
    layer.forward = FullMemory(layer, 0)
    with pytest.raises(torch.OutOfMemoryError):
        measure(model, tiny_task())
    assert isinstance(layer.forward, FullMemory)  # what was there before is back


def test_bfloat16_stays_close_to_float32():
    model = tiny_model()
    exact = measure(model, tiny_task()).metrics
    found = measure(model.bfloat16(), tiny_task()).metrics
    assert found["dtype"] == "bfloat16"
    assert found["cross_entropy_nats"] == pytest.approx(exact["cross_entropy_nats"], rel=0.02)
    assert found["anisotropy"] == pytest.approx(exact["anisotropy"], abs=0.02)
    assert found["singular_entropy"] == pytest.approx(exact["singular_entropy"], rel=0.02)


def test_softmax_does_not_see_a_row_added_to_all():
    model = tiny_model()
    before = measure(model, tiny_task()).metrics
    model.lm_head.weight.data += torch.randn(32, generator=torch.Generator().manual_seed(9))
    after = measure(model, tiny_task()).metrics
    for name in ("cross_entropy_nats", "singular_entropy_centred", "logit_spread", "loss_bfloat16_centred"):
        assert after[name] == pytest.approx(before[name], rel=1e-4, abs=2e-4), name
    assert after["singular_entropy"] > before["singular_entropy"] + 0.1
    assert after["logit_offset_size"] > 2 * before["logit_offset_size"]


def test_parameters_are_counted_as_pythias_are():
    found = measure(tiny_model(), tiny_task()).metrics
    assert found["parameters"] == sum(one.numel() for one in tiny_model().parameters())
    assert found["non_embedding_parameters"] == found["parameters"] - 2 * ROWS * 32
    assert found["tied"] == 0
    tied = measure(tiny_model("gpt2"), tiny_task()).metrics
    assert tied["tied"] == 1
    assert tied["non_embedding_parameters"] == tied["parameters"] - ROWS * 32 - 64 * 32


def test_fewer_rows_than_dimensions():
    model = tiny_model(vocab_size=20)
    found = measure(model, tiny_task(18, sample=tiny_sample(largest=18)))
    assert len(found.spectrum["rank"]) == 20
    exact = torch.linalg.svdvals(model.lm_head.weight[:18].double()).detach().numpy()
    np.testing.assert_allclose(found.spectrum["singular_value"], [*exact, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"max_position_embeddings": 11},
            "metrics.sequence_length makes it read 12 tokens at once; its positions end at 11",
        ),
        ({"vocab_size": 60}, "the sample holds token 9., the LM head has 60 rows: another tokenizer"),
    ],
)
def test_models_that_do_not_fit_the_sample(changes, message):
    with pytest.raises(InputError, match=message):
        measure(tiny_model(**changes), tiny_task(60))


def test_states_and_losses_that_are_not_finite():
    model = tiny_model()
    model.gpt_neox.layers[1].mlp.dense_4h_to_h.bias.data[3] = torch.inf
    with pytest.raises(InputError, match="layer 2: hidden states that are not finite"):
        measure(model, tiny_task())
    model = tiny_model()
    model.lm_head.weight.data *= 3e38
    with pytest.raises(InputError, match="not finite"):
        measure(model, tiny_task())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [2, 3, 13, 60])
def test_a_model_that_sees_the_future_is_refused(length, dtype):
    """BERT reads both ways unless it is made a decoder; there need not be more tokens than are compared."""
    seeing = tiny_model("bert", hidden_size=64, initializer_range=0.05).to(dtype)
    with pytest.raises(InputError, match=r"^BertLMHeadModel: it is not causal: "):
        measure(seeing, tiny_task(sample=tiny_sample(length=length)))
    blind = tiny_model("bert", is_decoder=True).to(dtype)
    assert measure(blind, tiny_task(sample=tiny_sample(length=length))).metrics["cross_entropy_nats"] > 0


def test_states_that_are_not_the_models_own_are_refused():
    model = tiny_model()
    ids = torch.from_numpy(tiny_sample().inputs)
    with pytest.raises(InputError, match="differ from the model's own by"):
        logits_module.check(model, ids, 1.5 + trunk_states(model, ids, 2))


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2", "gemma2"])
def test_float64_is_measured(family):
    exact = measure(tiny_model(family).double(), tiny_task()).metrics
    found = measure(tiny_model(family), tiny_task()).metrics
    assert exact["dtype"] == "float64"
    for name in ("cross_entropy_nats", "anisotropy", "singular_entropy"):
        assert exact[name] == pytest.approx(found[name], rel=1e-4), name
    loss, _, last = own_outputs(tiny_model(family).double(), tiny_task().sample)
    assert exact["cross_entropy_nats"] == pytest.approx(loss, abs=1e-5)
    assert exact["anisotropy"] == pytest.approx(anisotropy(last).raw, abs=1e-9)


@pytest.mark.parametrize("sequences", [2, 4, 8])
def test_as_many_sequences_as_heads_are_not_mixed_up(sequences):
    """MPT's ALiBi has one entry a head, and none a sequence."""
    model = tiny_model("mpt", d_model=32, n_heads=4, n_layers=3, max_seq_len=64)
    task = tiny_task(sample=tiny_sample(sequences=sequences), batch_size=1)
    assert measure(model, task).metrics["cross_entropy_nats"] == pytest.approx(
        own_outputs(model, task.sample)[0], abs=1e-5
    )


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("openai-gpt", {**GPT2, "max_position_embeddings": None}),  # layers that return lists
        (
            "llama4_text",
            {
                "head_dim": 8,
                "num_key_value_heads": 2,
                "num_local_experts": 2,
                "intermediate_size_mlp": 64,
                "pad_token_id": 0,
            },
        ),
    ],
)
def test_kinds_that_do_things_otherwise(family, changes):
    model, task = tiny_model(family, **changes), tiny_task()
    ids = torch.from_numpy(np.hstack([task.sample.inputs, task.sample.targets[:, -1:]]))
    with torch.no_grad():
        loss = float(model(ids, labels=ids).loss)
    assert measure(model, task).metrics["cross_entropy_nats"] == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("xlm", {"emb_dim": 32, "n_heads": 4, "n_layers": 3}, "XLMWithLMHeadModel: .* models of this kind cannot be "),
        (
            "xlnet",
            {"d_model": 32, "n_head": 4, "n_layer": 3, "d_inner": 64, "max_position_embeddings": None},
            "XLNetLMHeadModel: .*cannot be measured",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_line(family, changes, message):
    with pytest.raises(InputError, match=message) as error:
        measure(tiny_model(family, **changes), tiny_task())
    assert "\n" not in str(error.value)
    assert "positions end" not in str(error.value)


def test_a_crash_of_a_model_is_a_line():
    model = tiny_model()

    def crash(*_args, **_kwargs):
        raise RuntimeError("two\nlines")

    decoder_layers(model)[1].forward = crash
    with pytest.raises(InputError, match=r"GPTNeoXForCausalLM: its forward pass failed \(RuntimeError: two lines\)"):
        measure(model, tiny_task())


def test_unargmaxable_tokens_are_counted_on_request():
    model = tiny_model(vocab_size=40, hidden_size=8, num_attention_heads=1, num_hidden_layers=1)
    task = tiny_task(40, sample=tiny_sample(largest=40))
    assert measure(model, task).metrics["unargmaxable_tokens"] is None
    model.lm_head.weight.data[7] = model.lm_head.weight.data[:7].mean(0)  # inside the hull
    found = measure(model, tiny_task(40, sample=tiny_sample(largest=40), unargmaxable=True))
    assert found.metrics["unargmaxable_tokens"] >= 1
