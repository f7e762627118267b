"""Checkpoints as others write them: what is found at a path, that it is the same model, and what is refused."""

import json
import random
from datetime import timedelta

import numpy as np
import pytest
import torch

from lm_saturation.errors import InputError
from lm_saturation.probing.checkpoints import choose_steps, find_checkpoints, find_tokenizer, load_checkpoint, step_of
from lm_saturation.probing.nanogpt import nanogpt_model
from tests.probing.nanogpt import checkpoint, gpt
from tests.probing.small import save, small_gpt2, small_model, tokenizer

IDS = torch.from_numpy(np.random.default_rng(0).integers(0, 290, (2, 15)))


def same(model, other):
    with torch.no_grad():
        torch.testing.assert_close(logits(model), logits(other), rtol=1e-5, atol=1e-5)


def logits(model):
    found = model.eval()(IDS)
    return getattr(found, "logits", found)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("checkpoint-500", 500), ("step1000-tokens4B", 1000), ("step143000", 143000),
        ("ckpt_20.pt", 20), ("ep0-ba30-rank0.pt", 30), ("epoch=1-step=40.ckpt", 40),
        ("global_step50", 50), ("ckpt.pt", None), ("runs", None),
    ],
)  # fmt: skip
def test_the_step_in_a_name(name, step):
    assert step_of(name) == step


def test_a_folder_of_a_trainer(tmp_path):
    for step in (200, 1000, 50):
        save(small_model(seed=step), tmp_path / f"checkpoint-{step}")
    save(small_model(), tmp_path)  # the last one, which Trainer writes above
    found = find_checkpoints(tmp_path)
    assert [checkpoint.step for checkpoint in found] == [50, 200, 1000]
    same(load_checkpoint(found[1].path), small_model(seed=200))
    assert find_checkpoints(found[0].path)[0].path == found[0].path
    for steps, expected in (("last", [1000]), ("50,1000", [50, 1000]), (":200", [50, 200]), ("60:", [200, 1000])):
        assert [checkpoint.step for checkpoint in choose_steps(found, steps)] == expected
    with pytest.raises(InputError, match="no step '70'; there are 50, 200, 1000"):
        choose_steps(found, "50,70")
    with pytest.raises(InputError, match="'all'; allowed: numbers, ranges"):
        choose_steps(found, "all")


@pytest.mark.parametrize("bias", [True, False])
def test_nanogpt(tmp_path, bias):
    model = gpt(bias=bias)
    torch.save(checkpoint(model, 2000), tmp_path / "ckpt.pt")
    (found,) = find_checkpoints(tmp_path)
    assert found.label == "ckpt.pt"
    same(load_checkpoint(found.path), model)


def test_nanogpt_untied(tmp_path):
    model = gpt()
    model.lm_head.weight = torch.nn.Parameter(torch.randn(300, 32))
    same(nanogpt_model(vars(model.config), model.state_dict()), model)


@pytest.mark.parametrize("place", ["model", "state_dict", "state.model", ""])
@pytest.mark.parametrize("make", [small_gpt2, small_model])
def test_weights_in_one_file_beside_a_config(tmp_path, place, make):
    model = make()
    held = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if make is small_gpt2:  # whose head is the embedding
        del held["model.lm_head.weight"]
    for key in reversed(place.split(".") if place else []):
        held = {key: held}
    model.config.save_pretrained(tmp_path)
    torch.save(held, tmp_path / "ep0-ba30-rank0.pt")
    (found,) = find_checkpoints(tmp_path)
    assert found.step == 30
    same(load_checkpoint(found.path), model)


def test_a_checkpoint_of_composer(tmp_path):
    """As its State and Timestamp are saved: with times, and the random states of Python, NumPy and PyTorch."""
    model = small_gpt2()
    rng = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}  # noqa: NPY002
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    time = {"batch": 30, "total_wct": timedelta(seconds=9)}
    state = {"model": weights, "optimizers": {"AdamW": {}}, "timestamp": time, "run_name": "small"}
    model.config.save_pretrained(tmp_path)
    torch.save({"state": state, "rng": [rng]}, tmp_path / "ep0-ba30-rank0.pt")
    same(load_checkpoint(tmp_path / "ep0-ba30-rank0.pt"), model)


class Evil:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"model": Evil()}, "other things than tensors and plain values, which are never run"),
        (torch.zeros(3), "holds a Tensor; allowed: a dictionary"),
        ({"model": {"n": 3}}, "no weights in it"),
        ({"model": {"weight": torch.zeros(3, 3)}}, "nothing says which model it is; put its config.json"),
        ({"model": {"weight": torch.zeros(3, 3)}, "model_args": {"n_layer": 1}}, "model_args lacks n_head"),
        (checkpoint(gpt(n_layer=1), 1) | {"model_args": vars(gpt().config)}, r"transformer.h.1\S+: no weights"),
    ],
)
def test_refused_files(tmp_path, capsys, held, message):
    torch.save(held, tmp_path / "ckpt.pt")
    with pytest.raises(InputError, match=message) as error:
        load_checkpoint(tmp_path / "ckpt.pt")
    assert str(error.value).startswith(str(tmp_path / "ckpt.pt"))
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_refused_paths(tmp_path):
    (tmp_path / "notes.md").touch()
    for path, message in (
        (tmp_path / "none", "no such file or folder"),
        (tmp_path, "no checkpoint in it, it holds notes.md"),
        (tmp_path / "notes.md", "not a checkpoint"),
    ):
        with pytest.raises(InputError, match=message):
            find_checkpoints(path)
    (tmp_path / "runs" / "small" / "checkpoint-1").mkdir(parents=True)
    with pytest.raises(InputError, match="runs: no checkpoint in it, but below: small; name one of them"):
        find_checkpoints(tmp_path / "runs")
    (tmp_path / "ckpt.pt").write_bytes(b"no")
    with pytest.raises(InputError, match=r"ckpt\.pt: "):
        load_checkpoint(tmp_path / "ckpt.pt")
    (tmp_path / "other.pt").touch()
    with pytest.raises(InputError, match=r"ckpt\.pt, other\.pt and no steps; name one"):
        find_checkpoints(tmp_path)
    for name in ("checkpoint-3", "step3"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="both of step 3"):
        find_checkpoints(tmp_path)


def test_the_tokenizer_beside_or_above(tmp_path):
    folder = save(small_gpt2(), tmp_path / "checkpoint-1")
    assert find_tokenizer([folder]).get_vocab() == tokenizer().get_vocab()
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    assert find_tokenizer([folder]) is None
    assert find_tokenizer([folder, folder.parent]) is not None
    old = tmp_path / "old"  # as GPT-2 was stored first
    old.mkdir()
    model = json.loads(tokenizer().to_str())["model"]
    (old / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    (old / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges))
    (old / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    assert find_tokenizer([old]).encode("the model").ids == tokenizer().encode("the model").ids
