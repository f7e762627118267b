"""The callback in a real Trainer: what it logs where, and that the training is the same to the byte without it."""

import csv
import os

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from lm_saturation import ProbeCallback, Watch, probe
from lm_saturation.errors import InputError
from tests.probing.nanogpt import gpt
from tests.probing.small import TEXTS, small_gpt2, small_model, tokenizer

OPTIONS = {"tokens": 200, "sequence_length": 32, "unigram_tokens": 60}
FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")
SEED = 3


def data():
    rows = np.random.default_rng(0).integers(0, 280, (64, 16))
    return [{"input_ids": row, "labels": row} for row in rows]


def trainer(folder, steps=6, save_steps=3, **arguments):
    torch.manual_seed(SEED)
    settings = {
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "save_steps": save_steps,
        "logging_steps": 2,
        "learning_rate": 0.01,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": SEED,
        **arguments,
    }
    return Trainer(
        small_gpt2(),  # whose dropout is 0.1
        TrainingArguments(str(folder), **settings),
        train_dataset=data(),
    )


def watched(folder, every=2, **arguments):
    made = trainer(folder, **arguments)
    made.add_callback(ProbeCallback(made, TEXTS, tokenizer(), every=every, **OPTIONS))
    return made


def files(folder, step):
    return {name: (folder / f"checkpoint-{step}" / name).read_bytes() for name in FILES}


def losses(run):
    return [(row["step"], row["loss"]) for row in run.state.log_history if "loss" in row]


def rows(folder):
    with (folder / "probe.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    run = trainer(folder)
    run.train()
    return folder, run


@pytest.fixture(scope="module")
def with_probe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    run = watched(folder)
    run.train()
    return folder, run


def test_the_training_is_the_same_to_the_byte(alone, with_probe):
    for step in (3, 6):
        assert files(with_probe[0], step) == files(alone[0], step)
    assert losses(with_probe[1]) == losses(alone[1])
    assert len(losses(alone[1])) == 3  # the trainer's own loss is logged at the steps of a probe, too


def test_bfloat16_is_the_same_to_the_byte_too(tmp_path):
    for make in (trainer, watched):
        make(tmp_path / make.__name__, steps=3, bf16=True).train()
    assert files(tmp_path / "watched", 3) == files(tmp_path / "trainer", 3)
    assert len(rows(tmp_path / "watched")) == 3


def test_it_logs_what_probe_measures(with_probe):
    folder, run = with_probe
    logged = {row["step"]: row for row in run.state.log_history if "probe/logit_offset" in row}
    assert [*logged] == [0, 2, 4, 6]
    health = probe(run.model, tokenizer(), TEXTS, **OPTIONS, unargmaxable=False)
    for name, value in health.values.items():
        assert logged[6][f"probe/{name}"] == value
    table = rows(folder)
    assert [int(row["step"]) for row in table] == [0, 2, 4, 6]
    assert float(table[-1]["cross_entropy_nats"]) == health["cross_entropy_nats"]


def test_a_resumed_training_logs_the_same(with_probe, tmp_path):
    first = watched(tmp_path, steps=6)
    first.train()
    whole = rows(tmp_path)
    again = watched(tmp_path, steps=6)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert rows(tmp_path) == whole == rows(with_probe[0])
    assert files(tmp_path, 6) == files(with_probe[0], 6)
    steps = [row["step"] for row in again.state.log_history if "probe/logit_offset" in row]
    assert steps == [0, 2, 4, 6]  # the first two of the run before


def test_only_the_first_process_measures(tmp_path):
    run = watched(tmp_path, steps=2, save_strategy="no")
    run.state.is_world_process_zero = False
    callback = next(found for found in run.callback_handler.callbacks if isinstance(found, ProbeCallback))
    callback.on_train_begin(run.args, run.state, run.control, model=run.model)
    assert not (tmp_path / "probe.csv").exists()


def test_tensorboard_gets_the_numbers(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = watched(tmp_path, steps=2, save_strategy="no", report_to=["tensorboard"])
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(tmp_path / "board")
    try:
        run.train()
    finally:
        del os.environ["TENSORBOARD_LOGGING_DIR"]
    events = next(path for path in tmp_path.rglob("events.out.tfevents*"))
    read = accumulator.EventAccumulator(str(events.parent)).Reload()
    assert [event.step for event in read.Scalars("train/probe/logit_offset")] == [0, 2]


def test_later_probes_are_not_checked_again_and_find_the_same():
    model = small_model()
    watch = Watch(model, tokenizer(), TEXTS, **OPTIONS)
    first = watch(model, 0)
    assert watch.checked
    assert watch(model, 500) == first
    assert watch(model, 1001) == {}


@pytest.mark.parametrize("make", [gpt, small_model])
def test_another_loop_is_the_same_to_the_byte(make, tmp_path):
    ids = np.random.default_rng(0).integers(0, 290, (8, 40))
    weights = []
    for probed in (False, True):
        model = make().train()
        watch = Watch(model, None, ids, every=2, csv=tmp_path / "probe.csv", **OPTIONS)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        for step in range(1, 5):
            batch = torch.randint(290, (2, 16))
            found = model(batch)
            logits = getattr(found, "logits", found)
            torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten()).backward()
            optimizer.step()
            optimizer.zero_grad()
            if probed:
                assert bool(watch(model, step)) == (step % 2 == 0)
        weights.append({name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()})
    assert weights[0] == weights[1]
    assert [row["step"] for row in rows(tmp_path)] == ["2", "4"]


def test_what_cannot_be_measured_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match="no processing_class"):
        ProbeCallback(trainer(tmp_path), TEXTS)
    with pytest.raises(InputError, match="texts: 1 tokens"):
        ProbeCallback(trainer(tmp_path), "a", tokenizer())
    with pytest.raises(InputError, match="every is 0; allowed: at least 1"):
        ProbeCallback(trainer(tmp_path), TEXTS, tokenizer(), every=0)


def test_a_loss_that_is_not_finite_does_not_end_a_training(caplog):
    model = small_model()
    watch = Watch(model, tokenizer(), TEXTS, every=5, **OPTIONS)
    assert watch(model, 3) == {}
    assert watch(model, 5)["probe/cross_entropy_nats"] > 0
    with torch.no_grad():
        model.lm_head.weight[0, 0] = float("nan")
    assert watch(model, 10) == {}
    assert "probe at step 10: " in caplog.text
