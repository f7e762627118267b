import json
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, GPTNeoXForCausalLM

from lm_saturation.config.suites import TrainedModel
from lm_saturation.errors import InputError
from lm_saturation.io.tables import read_table
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.head_loss import head_loss
from lm_saturation.training.loop import batch_loss, make_optimizer, update
from lm_saturation.training.recipe import Precision, learning_rate
from tests.training.runs import HELD_OUT, LATER, MODEL, OPTIONS, STEPS, VOCABULARY, contents, run_training, write_corpus


def some_model(**changes):
    return build_model(TrainedModel(**{**MODEL, **changes}), VOCABULARY, 16)


# the model


@pytest.mark.parametrize(
    ("width", "layers", "attention_heads", "without_embeddings"),
    [(128, 6, 4, 1_189_888), (256, 6, 8, 4_739_072), (512, 6, 8, 18_915_328)],
)
def test_sizes_are_pythias(width, layers, attention_heads, without_embeddings):
    model = some_model(width=width, layers=layers, attention_heads=attention_heads)
    assert without_embeddings == layers * (12 * width**2 + 13 * width) + 2 * width
    assert model.num_parameters() == without_embeddings + 2 * VOCABULARY * width
    assert model.get_input_embeddings().weight is not model.get_output_embeddings().weight


def test_configuration_is_pythias():
    """EleutherAI/pythia-70m's config.json, in what does not differ by size."""
    config = some_model().config
    pythia = {
        "model_type": "gpt_neox", "hidden_act": "gelu", "layer_norm_eps": 1e-5, "use_parallel_residual": True,
        "tie_word_embeddings": False, "attention_bias": True, "attention_dropout": 0.0, "hidden_dropout": 0.0,
    }  # fmt: skip
    assert {key: getattr(config, key) for key in pythia} == pythia
    assert config.rope_parameters["partial_rotary_factor"] == 0.25
    assert config.rope_parameters["rope_theta"] == 10000
    assert config.intermediate_size == 4 * config.hidden_size
    assert config.max_position_embeddings == 16
    assert config.bos_token_id is None
    assert config.eos_token_id is None


@pytest.mark.parametrize(("width", "layers"), [(64, 2), (128, 6)])
def test_initialisation_follows_the_formulas(width, layers):
    model = build_model(TrainedModel(**{**MODEL, "width": width, "layers": layers}), 1000, 16)
    for name, weight in model.state_dict().items():
        if weight.ndim < 2:
            assert (weight == (0 if "bias" in name else 1)).all(), name
            continue
        residual = "attention.dense" in name or "4h_to_h" in name
        std = 2 / (layers * math.sqrt(width)) if residual else math.sqrt(2 / (5 * width))
        error = 5 / math.sqrt(weight.numel())
        assert float(weight.std()) == pytest.approx(std, rel=error), name
        assert abs(float(weight.mean())) < error * std, name
        fourth = float(((weight / std) ** 4).mean())
        assert fourth == pytest.approx(3, abs=5 * math.sqrt(96 / weight.numel())), f"{name} is not Gaussian"


def test_seed_decides_the_initialisation():
    one, same, other = (dict(some_model(seed=seed).named_parameters()) for seed in (3, 3, 4))
    for name, weight in one.items():
        assert torch.equal(weight, same[name])
        assert weight.ndim < 2 or not torch.equal(weight, other[name])


@pytest.mark.parametrize(("width", "heads"), [(16, 3), (16, 4), (24, 2)])
def test_attention_heads_that_rotary_embeddings_cannot_turn(width, heads):
    with pytest.raises(ValidationError, match=f"width {width} and {heads} attention heads; .* multiple of 8"):
        some_model(width=width, attention_heads=heads)


# the recipe


def test_learning_rate_in_closed_form():
    rates = [learning_rate(number, 1000, 6e-4) for number in range(1, 1001)]
    assert rates[:10] == pytest.approx([6e-5 * number for number in range(1, 11)])
    for number in (10, 11, 505, 1000):
        share = (number - 10) / 990
        assert rates[number - 1] == pytest.approx(6e-5 + 5.4e-4 * math.cos(math.pi * share / 2) ** 2)
    assert rates[-1] == pytest.approx(6e-5)
    assert np.all(np.diff(rates[9:]) < 0)
    assert learning_rate(1, 1, 1.0) == pytest.approx(0.1)


@pytest.mark.parametrize("tokens", [1, 5, 700])
def test_head_loss_equals_torchs(tokens, monkeypatch):
    monkeypatch.setitem(head_loss.__globals__, "chunk_tokens", lambda *_: 64)
    torch.manual_seed(0)
    states = torch.randn(tokens, 8, dtype=torch.float64).float().requires_grad_()
    head = (3 * torch.randn(VOCABULARY, 8)).requires_grad_()
    targets = torch.randint(VOCABULARY, (tokens,))
    expected = torch.nn.functional.cross_entropy(states.double() @ head.double().T, targets)
    found = head_loss(states, head, targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, plain in zip(
        torch.autograd.grad(2 * found, (states, head)), torch.autograd.grad(2 * expected, (states, head)), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def test_loss_is_finite_where_a_probability_is_not_a_float():
    states, head = torch.tensor([[200.0]], requires_grad=True), torch.tensor([[1.0], [-1.0]])
    loss = head_loss(states, head, torch.tensor([1]))
    assert loss.item() == pytest.approx(400)
    assert float(torch.autograd.grad(loss, states)[0]) == pytest.approx(2)
    states = torch.tensor([[float("nan")]])
    assert math.isnan(head_loss(states, head, torch.tensor([1])).item())


def plain_steps(model, batches, rates):
    """Pythia's recipe in the usual words: transformers' loss, torch's plain AdamW, one parameter at a time."""
    decayed = [weight for name, weight in model.named_parameters() if name.endswith("weight") and "norm" not in name]
    others = [weight for name, weight in model.named_parameters() if name.endswith("bias") or "norm" in name]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), eps=1e-8, foreach=False, fused=False)
    losses, norms = [], []
    for batch, rate in zip(batches, rates, strict=True):
        labels = batch.clone()
        loss = model(input_ids=batch, labels=labels).loss  # the last token is only predicted
        optimizer.zero_grad()
        loss.backward()
        losses.append(float(loss.detach()))
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return losses, norms


def test_steps_equal_a_plain_implementation():
    torch.manual_seed(0)
    batches = [torch.randint(VOCABULARY, (4, 17)) for _ in range(5)]
    rates = [1e-3, 1e-4, 3e-3, 1e-3, 1e-4]
    ours, plain = some_model(), some_model()
    with torch.no_grad():
        for weight in [*ours.parameters(), *plain.parameters()]:
            weight *= 3  # gradients beyond the clip
    optimizer, found = make_optimizer(ours), ([], [])
    for batch, rate in zip(batches, rates, strict=True):
        loss = batch_loss(ours, batch, Precision())
        found[0].append(float(loss.detach()))
        found[1].append(update(ours, optimizer, loss, rate))
    losses, norms = plain_steps(plain, batches, rates)
    assert max(norms) > 1
    assert found[0] == pytest.approx(losses, rel=1e-5)
    assert found[1] == pytest.approx(norms, rel=1e-4)
    for (name, weight), expected in zip(ours.named_parameters(), plain.parameters(), strict=True):
        if name.endswith("query_key_value.bias"):  # softmax does not see a key's bias: its gradient is rounding
            weight, expected = (bias.view(2, 3, -1)[:, ::2] for bias in (weight, expected))
        torch.testing.assert_close(weight, expected, rtol=1e-3, atol=2e-5)


def test_bfloat16_is_near_float32():
    batch = torch.randint(VOCABULARY, (4, 17), generator=torch.Generator().manual_seed(0))
    model, gradients = some_model(), []
    for precision in ("float32", "bfloat16"):
        model.zero_grad()
        loss = batch_loss(model, batch, Precision(precision=precision))
        loss.backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
        assert float(loss.detach()) == pytest.approx(math.log(VOCABULARY), rel=0.1)
    assert all(weight.dtype == weight.grad.dtype == torch.float32 for weight in model.parameters())
    assert float(torch.linalg.norm(gradients[1] - gradients[0]) / torch.linalg.norm(gradients[0])) < 0.03


# what it reads


def test_every_token_is_predicted_once_per_epoch():
    ids = np.arange(1000, dtype=np.uint16)
    sampler = BatchSampler(ids, 10, 7, seed=0)
    assert sampler.epoch_size == 99
    batches = np.concatenate([sampler.batch(step) for step in range(99)])  # seven epochs
    assert (np.diff(batches, axis=1) == 1).all()
    offsets = set()
    for epoch in np.split(batches, 7):
        predicted = np.sort(epoch[:, 1:].ravel())
        offsets.add(int(predicted[0]))
        assert (predicted == np.arange(990) + predicted[0]).all()
        assert not (np.diff(epoch[:, 0]) == 10).all()
    assert len(offsets) > 3


def test_batches_depend_on_seed_and_step_alone():
    ids = np.random.default_rng(0).integers(1 << 16, size=5000).astype(np.uint16)
    sampler = BatchSampler(ids, 16, 8, seed=1)
    forward = [sampler.batch(step) for step in range(100)]
    assert all((BatchSampler(ids, 16, 8, seed=1).batch(step) == forward[step]).all() for step in (99, 3, 38, 0))
    assert all((sampler.batch(step) == forward[step]).all() for step in (99, 0))
    assert (BatchSampler(ids, 16, 8, seed=2).batch(0) != forward[0]).any()
    assert BatchSampler(ids, 16, 8, seed=1).batch(0).dtype == np.int64


@pytest.mark.parametrize("tokens", [0, 16, 79])
def test_too_little_text_for_a_batch(tokens):
    with pytest.raises(
        InputError, match=f"{tokens} tokens to train on; a batch of 4 sequences of 16 needs at least 80"
    ):
        BatchSampler(np.zeros(tokens, np.uint16), 16, 4, 0)
    assert BatchSampler(np.zeros(80, np.uint16), 16, 4, 0).batch(0).shape == (4, 17)


# the rule


def test_checkpoints_are_those_of_the_config(trained):
    assert sorted(int(path.name[4:]) for path in (trained / "0").iterdir()) == STEPS
    assert sorted(path.name for path in trained.iterdir()) == [
        ".0.sha256",
        ".training.parquet.sha256",
        "0",
        "training.parquet",
    ]
    first = AutoModelForCausalLM.from_pretrained(trained / "0" / "step0", dtype=torch.float32)
    assert isinstance(first, GPTNeoXForCausalLM)
    for name, weight in some_model().named_parameters():
        assert torch.equal(first.get_parameter(name), weight)
    one = AutoModelForCausalLM.from_pretrained(trained / "0" / "step1", dtype=torch.float32)
    assert not torch.equal(one.lm_head.weight, first.lm_head.weight)  # the first update already learns


def test_it_trains_on_what_is_not_held_out(trained, corpus):
    """The whole run again, in the usual words."""
    train = split_documents([open_tokens(corpus / f"{n}.json") for n in range(2)], HELD_OUT).train
    sampler = BatchSampler(train.ids, 16, 4, 0)
    model = some_model()
    batches = [torch.from_numpy(sampler.batch(step)) for step in range(30)]
    losses, norms = plain_steps(model, batches, [learning_rate(step + 1, 30, 1e-2) for step in range(30)])
    rows = read_table("training_log", trained / "training.parquet").to_pylist()
    assert [row["step"] for row in rows] == list(range(30))
    assert [row["loss_nats"] for row in rows] == pytest.approx(losses, rel=1e-3)
    assert [row["gradient_norm"] for row in rows] == pytest.approx(norms, rel=1e-2)
    last = AutoModelForCausalLM.from_pretrained(trained / "0" / "step30", dtype=torch.float32)
    torch.testing.assert_close(last.lm_head.weight, model.lm_head.weight, rtol=1e-2, atol=1e-3)


def test_later_batches_are_of_the_later_text(tmp_path, trained, corpus, later):
    """The whole run in the usual words; up to the change, here at step 15, it is the one without a later text."""
    run_training(tmp_path / "run", corpus, options=LATER, later=later)
    here, there = contents(tmp_path / "run" / "0"), contents(trained / "0")
    same = {name for name in here if here[name] == there[name] and name.endswith("safetensors")}
    assert same == {f"step{step}/model.safetensors" for step in STEPS if step <= 15}
    samplers = []
    for folder in (corpus, later):
        shards = [open_tokens(folder / f"{n}.json") for n in range(2)]
        samplers.append(BatchSampler(split_documents(shards, HELD_OUT).train.ids, 16, 4, 0))
    batches = [samplers[0].batch(step) for step in range(15)] + [samplers[1].batch(step) for step in range(15)]
    rates = [learning_rate(step + 1, 30, 1e-2) for step in range(30)]
    losses, _ = plain_steps(some_model(), list(map(torch.from_numpy, batches)), rates)
    rows = read_table("training_log", tmp_path / "run" / "training.parquet").to_pylist()
    assert [row["loss_nats"] for row in rows] == pytest.approx(losses, rel=1e-3)
    assert [row["tokens"] for row in rows] == [64 * step for step in range(30)]


def test_log(trained):
    rows = read_table("training_log", trained / "training.parquet").to_pylist()
    assert [row["tokens"] for row in rows] == [64 * step for step in range(30)]
    assert rows[0]["loss_nats"] == pytest.approx(math.log(VOCABULARY), rel=0.1)
    assert [row["learning_rate"] for row in rows] == [learning_rate(step + 1, 30, 1e-2) for step in range(30)]
    assert {(row["suite"], row["model"]) for row in rows} == {("mini", "d16")}


def test_log_of_a_long_run_is_thinned(tmp_path, corpus):
    run_training(tmp_path / "run", corpus, steps=[0, 210])
    rows = read_table("training_log", tmp_path / "run" / "training.parquet").to_pylist()
    assert [row["step"] for row in rows] == list(range(0, 210, 2))


def test_same_seed_same_files_other_seed_other_weights(tmp_path, trained, corpus):
    run_training(tmp_path / "same", corpus)
    assert contents(tmp_path / "same") == contents(trained)
    run_training(tmp_path / "other", corpus, {**MODEL, "seed": 1})
    here, there = contents(tmp_path / "other" / "0"), contents(trained / "0")
    assert all(here[name] != there[name] for name in here if name.endswith("safetensors"))


def test_its_log_counts_parameters(tmp_path, corpus):
    assert "7872 parameters" in run_training(tmp_path / "run", corpus)


# errors


def test_loss_that_is_not_finite(tmp_path, corpus):
    with pytest.raises(SystemExit, match="error: model d16: the loss or its gradient is not finite at step 1;"):
        run_training(tmp_path / "run", corpus, {**MODEL, "learning_rate": 1e30})
    assert not (tmp_path / "run" / "0").exists()
    assert not (tmp_path / "run" / "training.parquet").exists()


def test_corpus_of_less_than_a_batch(tmp_path, corpus):
    with pytest.raises(SystemExit, match=r"model d16: .* tokens to train on; a batch of 1000 sequences"):
        run_training(tmp_path / "run", corpus, options={**OPTIONS, "batch_size": 1000})


def test_later_corpus_of_less_than_a_batch(tmp_path, corpus):
    write_corpus(tmp_path / "later", documents=2)
    with pytest.raises(SystemExit, match=r"model d16: \d+ tokens to train on; a batch of 4 sequences"):
        run_training(tmp_path / "run", corpus, options=LATER, later=tmp_path / "later")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_gpu_that_is_not_there(tmp_path, corpus):
    with pytest.raises(SystemExit, match=r"^error: suites\.mini\.device is cuda, but there is no GPU here"):
        run_training(tmp_path / "run", corpus, options={**OPTIONS, "device": "cuda"})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu(tmp_path, trained, corpus, precision):
    for name in ("one", "two"):
        run_training(tmp_path / name, corpus, options={**OPTIONS, "device": "cuda", "precision": precision})
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    here, there = (read_table("training_log", folder / "training.parquet") for folder in (tmp_path / "one", trained))
    tolerance = 1e-3 if precision == "float32" else 3e-2
    assert here["loss_nats"].to_pylist() == pytest.approx(there["loss_nats"].to_pylist(), rel=tolerance)


def test_files_are_plain(trained):
    config = json.loads((trained / "0" / "step30" / "config.json").read_text())
    assert config["architectures"] == ["GPTNeoXForCausalLM"]
    assert config["dtype"] == "float32"
    assert (trained / "0" / "step30" / "model.safetensors").is_file()
