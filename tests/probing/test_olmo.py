"""Checkpoints of OLMo's own trainer, against its networks as tests/probing/olmo.py has them."""

import base64
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lm_saturation.errors import InputError
from lm_saturation.probing.checkpoints import find_checkpoints, load_checkpoint
from tests.probing.olmo import FIRST, ROWS, SECOND, WIDTH, logits, settings, weights, write

IDS = torch.from_numpy(np.random.default_rng(0).integers(0, ROWS, (2, 15)))


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("keys", [WIDTH, WIDTH // 2])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_the_same_logits(tmp_path, second, tied, keys, encoded):
    held = weights(second, tied, keys)
    write(tmp_path / "step10-unsharded", held, settings(**(SECOND if second else FIRST)), encoded)
    (found,) = find_checkpoints(tmp_path)
    assert found.step == 10
    assert find_checkpoints(found.path)[0].path == found.path
    model = load_checkpoint(found.path)
    with torch.no_grad():
        ours, own = model(IDS).logits, logits(held, IDS, second)
    torch.testing.assert_close(ours, own, rtol=1e-4, atol=1e-5)
    assert own.std() > 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alibi": True, "rope": False}, "alibi is True; allowed: False"),
        ({"activation_type": "gelu"}, "activation_type is gelu; allowed: swiglu"),
        ({"layer_norm_type": "rms"}, "layer_norm_type is rms and norm_after false, which no model"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps is 1e-06; allowed: 1e-05"),
        ({"n_layers": 3}, r"those of OlmoForCausalLM: Missing key\(s\).*model\.layers\.2"),
        ({"d_model": None}, r"config\.yaml: no configuration of OLMo"),
    ],
)
def test_other_models_are_refused(tmp_path, changes, message):
    write(tmp_path, weights(), settings(**changes))
    with pytest.raises(InputError, match=message) as error:
        load_checkpoint(tmp_path)
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


def test_biases_and_shards_are_refused(tmp_path):
    held = weights() | {"transformer.blocks.0.attn_out.bias": torch.zeros(WIDTH)}
    with pytest.raises(InputError, match=r"Unexpected key\(s\).*self_attn\.o_proj\.bias.*; convert it"):
        load_checkpoint(write(tmp_path, held, settings()))
    with pytest.raises(InputError, match=r"no weights for model\.embed_tokens\.weight; convert it"):
        load_checkpoint(write(tmp_path, {"transformer.other.weight": torch.zeros(2, 2)}, settings()))
    (tmp_path / "model.pt").unlink()
    (tmp_path / "model").mkdir()
    (found,) = find_checkpoints(tmp_path)
    with pytest.raises(InputError, match=r"sharded; allowed: what OLMo's scripts/unshard\.py makes of it"):
        load_checkpoint(found.path)


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_names_that_are_pickles_are_not_run(tmp_path, capsys):
    write(tmp_path, {}, settings(), encoded=True)
    name = base64.urlsafe_b64encode(pickle.dumps(Evil())).decode()
    save_file({name: torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="no weights for"):
        load_checkpoint(tmp_path)
    assert capsys.readouterr().out == ""
