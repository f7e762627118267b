"""Checkpoints on disk: which there are, which files hold their weights, and that only whole and harmless ones load."""

import io
import json
import os

import pytest
import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from lm_saturation.checkpoints.audit import audit_rows, list_on_disk
from lm_saturation.checkpoints.loading import list_checkpoints, load_model
from lm_saturation.checkpoints.weight_files import choose_weights, weights_in_folder
from lm_saturation.config.suites import LocalLocation
from lm_saturation.errors import InputError
from tests.checkpoints.tiny import (
    CONFIGS,
    files_of,
    pickled,
    saved_by_transformers,
    tiny_model,
    weights_of,
    write_files,
)


def two(stem, suffix):
    return [f"{stem}-0000{number}-of-00002.{suffix}" for number in (1, 2)]


SAFE, BIN = two("model", "safetensors"), two("pytorch_model", "bin")
SAFE_INDEX, BIN_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"


def index_of(files):
    return json.dumps({"weight_map": {f"parameter{number}": file for number, file in enumerate(files)}}).encode()


@pytest.mark.parametrize(
    ("names", "kind", "weights", "status"),
    [
        (["model.safetensors", "pytorch_model.bin"], "safetensors", ["model.safetensors"], "ok"),
        (["pytorch_model.bin", "optimizer.bin", "training_args.bin"], "bin", ["pytorch_model.bin"], "ok"),
        ([*SAFE, SAFE_INDEX, "pytorch_model.bin"], "safetensors", SAFE, "ok"),
        (["model.safetensors", *SAFE, SAFE_INDEX], "safetensors", ["model.safetensors"], "ok"),
        ([*BIN, BIN_INDEX, "tf_model.h5"], "bin", BIN, "ok"),
        ([SAFE[0], SAFE_INDEX], "safetensors", SAFE[:1], "incomplete"),
        ([SAFE[1], SAFE_INDEX, *BIN, BIN_INDEX], "bin", BIN, "ok"),
        (BIN, "bin", BIN, "incomplete"),  # nothing says which shard holds what
        (["adapter_model.safetensors", "optimizer.pt", "model.ckpt", "onnx/model.onnx"], "none", [], "missing"),
        (["model.safetensors", "model.Q8_0.gguf"], "safetensors", ["model.safetensors"], "ok"),
        (["model.Q8_0.gguf", "optimizer.pt"], "gguf", ["model.Q8_0.gguf"], "ok"),
        (["model.Q8_0.gguf", "model.Q4_0.gguf"], "none", [], "missing"),
        ([], "none", [], "missing"),
    ],
)
def test_the_weight_files_are_chosen(names, kind, weights, status):
    indices = {SAFE_INDEX: index_of(SAFE), BIN_INDEX: index_of(BIN)}
    chosen = choose_weights(["config.json", "README.md", *names], indices.get)
    assert (chosen.format, chosen.weights, chosen.status) == (kind, weights, status)


@pytest.mark.parametrize(
    "shards",
    [
        ["model-00001-of-000002.safetensors", "model-00002-of-000002.safetensors"],
        ["model_00001-of-00002.safetensors", "model_00002-of-00002.safetensors"],
        ["model.part1.safetensors", "shards/model.part2.safetensors"],
    ],
)
def test_the_index_names_the_shards(tmp_path, shards):
    """Whatever their names are, and whatever other shards lie there from an earlier upload."""
    model = tiny_model("gpt-neox")
    files = files_of(model, "safetensors-shards")
    renamed = dict(zip(SAFE, shards, strict=True))
    map_of = json.loads(files[SAFE_INDEX])["weight_map"]
    files[SAFE_INDEX] = json.dumps(
        {"metadata": {}, "weight_map": {name: renamed[file] for name, file in map_of.items()}}
    ).encode()
    files |= {renamed[name]: files.pop(name) for name in SAFE}
    stale = files_of(tiny_model("gpt-neox", seed=1), "safetensors-shards")
    folder = write_files(tmp_path, {**{name: stale[name] for name in SAFE}, **files})
    assert weights_in_folder(folder).weights == shards
    found = dict(load_model(folder, torch.float32).named_parameters())
    assert all(torch.equal(found[name], parameter) for name, parameter in model.named_parameters())


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        "{}",
        '{"weight_map": []}',
        '{"weight_map": {"a": 1}}',
        '{"weight_map": {"a": ["b"]}}',
        '{"a":' * 99_999,
    ],
)
def test_an_index_that_is_none_names_nothing(tmp_path, index):
    files = files_of(tiny_model("opt"), "safetensors-shards") | {SAFE_INDEX: index.encode()}
    assert choose_weights(["config.json", SAFE_INDEX], files.get).status == "missing"
    lacking = f"incomplete checkpoint, it lacks a {SAFE_INDEX} that names its shards"
    assert error_of(write_files(tmp_path, files)) == f"{tmp_path}: {lacking}"
    assert choose_weights([*files, "pytorch_model.bin"], files.get).format == "bin"  # which is whole


def test_a_shard_that_the_index_names_is_missing(tmp_path):
    files = files_of(tiny_model("opt"), "bin-shards")
    files[BIN_INDEX] = files[BIN_INDEX].replace(BIN[1].encode(), b"other.bin")
    assert error_of(write_files(tmp_path, files)) == f"{tmp_path}: incomplete checkpoint, it lacks other.bin"


def test_without_its_configuration_a_checkpoint_is_incomplete():
    assert choose_weights(["model.safetensors"], {}.get).absent == ["config.json"]


def test_checkpoints_are_listed_by_step(tmp_path):
    for name in ("step10", "step9", "step100", "other", ".snakemake_timestamp"):
        (tmp_path / name).mkdir()
    assert [(step, path.name) for step, path in list_checkpoints(tmp_path)] == [
        (step, f"step{step}") for step in (9, 10, 100)
    ]


@pytest.mark.parametrize("form", ["safetensors", "bin", "safetensors-shards", "bin-shards"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_every_architecture_and_form_loads(tmp_path, capfd, kind, form):
    model = tiny_model(kind)
    loaded = load_model(write_files(tmp_path, files_of(model, form)), torch.float32)
    assert type(loaded) is type(model)
    assert not loaded.training
    expected = dict(model.named_parameters())
    found = dict(loaded.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_transformers_saves_loads(tmp_path, kind):
    model = tiny_model(kind)
    loaded = load_model(write_files(tmp_path, saved_by_transformers(model)), torch.float32)
    ids = torch.arange(8)[None]
    assert torch.equal(loaded(ids).logits, model.eval()(ids).logits)


@pytest.mark.parametrize(
    ("kind", "renamed", "beside"),
    [
        ("gpt2", ("transformer.", ""), "h.0.attn.bias"),
        ("opt", ("model.", ""), "decoder.version"),
        ("gpt-neox", ("lm_head.", "embed_out."), "gpt_neox.layers.0.attention.masked_bias"),
    ],
)
def test_old_names_and_old_pickles_load(tmp_path, kind, renamed, beside):
    model = tiny_model(kind)
    weights = {name.replace(*renamed): tensor for name, tensor in weights_of(model).items()}
    data = io.BytesIO()
    torch.save(weights | {beside: torch.ones(1)}, data, _use_new_zipfile_serialization=False)
    files = files_of(model, "bin") | {"pytorch_model.bin": data.getvalue()}
    found = dict(load_model(write_files(tmp_path, files), torch.float32).named_parameters())
    assert all(torch.equal(found[name], parameter) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_type_is_the_one_asked_for(tmp_path, dtype):
    model = tiny_model("gpt-neox").half()  # as Pythia's lie on the hub
    loaded = load_model(write_files(tmp_path, files_of(model)), dtype)
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    assert loaded.config._attn_implementation == "sdpa"


def error_of(folder):
    with pytest.raises(InputError) as error:
        load_model(folder, torch.float32)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("form", ["safetensors", "safetensors-shards", "bin", "bin-shards"])
@pytest.mark.parametrize("kept", [0.97, 0.5, 10, 0])
def test_a_truncated_file_is_named(tmp_path, form, kept):
    files = files_of(tiny_model("gpt-neox"), form)
    name = sorted(name for name in files if name.endswith((".bin", ".safetensors")))[-1]
    size = int(kept * len(files[name])) if kept < 1 else kept
    error = error_of(write_files(tmp_path, files | {name: files[name][:size]}))
    named = tmp_path / name if "safetensors" in form else tmp_path
    assert error.startswith(f"{named}: ")
    assert "pytorch_model" in error or "safetensors" in error


class Command:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    model = tiny_model("opt")
    bad = pickled({**weights_of(model), "bad": Command(tmp_path / "ran")})
    error = error_of(write_files(tmp_path, files_of(model, "bin") | {"pytorch_model.bin": bad}))
    assert error == (
        f"{tmp_path}: cannot be loaded from pytorch_model.bin: "
        "it is damaged, or holds something else than tensors, which is never run"
    )
    assert not (tmp_path / "ran").exists()


def test_code_of_a_checkpoint_is_not_run(tmp_path):
    config = {"model_type": "own", "auto_map": {"AutoConfig": "run.Config", "AutoModelForCausalLM": "run.Model"}}
    code = {"run.py": f"open({str(tmp_path / 'ran')!r}, 'w')".encode(), "config.json": json.dumps(config).encode()}
    error = error_of(write_files(tmp_path, files_of(tiny_model("llama")) | code))
    assert error.startswith(f"{tmp_path}: cannot be loaded from model.safetensors: ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_parameter_that_is_not_finite_is_named(tmp_path, value):
    model = tiny_model("gpt2")
    model.transformer.h[0].mlp.c_fc.weight.data[3, 5] = value
    error = error_of(write_files(tmp_path, files_of(model)))
    assert error.startswith(
        f"{tmp_path}: the parameter transformer.h.0.mlp.c_fc.weight holds values that are not finite"
    )


def test_parameters_without_weights_are_not_made_up(tmp_path):
    model = tiny_model("gpt-neox")
    weights = weights_of(model)
    lost = {name: weights.pop(name) for name in list(weights) if "mlp" in name}
    files = files_of(model) | {"model.safetensors": safetensors.torch.save(weights, {"format": "pt"})}
    assert error_of(write_files(tmp_path, files)) == (
        f"{tmp_path}: model.safetensors holds no weights for {', '.join(sorted(lost)[:3])} and {len(lost) - 3} more"
    )
    untied = dict(json.loads(files_of(tiny_model("gpt2"))["config.json"]), tie_word_embeddings=False)
    files = files_of(tiny_model("gpt2")) | {"config.json": json.dumps(untied).encode()}
    assert error_of(write_files(tmp_path, files)).endswith("model.safetensors holds no weights for lm_head.weight")


def test_weights_of_another_shape_are_refused(tmp_path):
    model = tiny_model("llama")
    config = json.loads(files_of(model)["config.json"]) | {"intermediate_size": 24}
    error = error_of(write_files(tmp_path, files_of(model) | {"config.json": json.dumps(config).encode()}))
    assert error.startswith(f"{tmp_path}: ")


@pytest.mark.parametrize("config", [b"", b"[]", b"null", b"\xff\xfe{}", b'{"a":' * 99_999])
def test_a_configuration_that_is_none_is_named(tmp_path, config):
    error = error_of(write_files(tmp_path, files_of(tiny_model("opt")) | {"config.json": config}))
    assert error == f"{tmp_path}/config.json: not a JSON object, or truncated; allowed: the config.json of transformers"


@pytest.mark.parametrize("layers", [0, 1])
def test_a_model_of_fewer_layers_than_its_file_is_refused(tmp_path, layers):
    """It would be measured without its last layers."""
    files = files_of(AutoModelForCausalLM.from_config(GPT2Config(vocab_size=16, n_embd=8, n_layer=2, n_head=1)))
    config = json.loads(files["config.json"]) | {"n_layer": layers}
    error = error_of(write_files(tmp_path, files | {"config.json": json.dumps(config).encode()}))
    assert error.startswith(f"{tmp_path}: model.safetensors holds ")
    assert error.endswith(f"; its config.json says {layers} layers")


def test_a_header_that_says_integers_is_refused(tmp_path):
    files = files_of(tiny_model("gpt-neox"))
    files["model.safetensors"] = files["model.safetensors"].replace(b'"F32"', b'"I32"', 1)
    assert "the file's header says that " in error_of(write_files(tmp_path, files))


def test_weights_under_other_names_are_said(tmp_path):
    """As torch.compile and DistributedDataParallel name them."""
    model = tiny_model("gpt-neox")
    weights = {f"_orig_mod.{name}": tensor for name, tensor in weights_of(model).items()}
    files = files_of(model) | {"model.safetensors": safetensors.torch.save(weights, {"format": "pt"})}
    assert "; it holds _orig_mod.gpt_neox.embed_in.weight, " in error_of(write_files(tmp_path, files))


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    folder = write_files(tmp_path / "step1", {"config.json": b"{}"})
    (folder / "model.safetensors").symlink_to(tmp_path / "blobs" / "0")  # as in a cache that was moved
    assert error_of(folder) == f"{folder}/model.safetensors: a link that leads nowhere"
    place = LocalLocation(source="local", path=f"{tmp_path}/step{{step}}", single_step=None)
    assert [row["status"] for row in audit_rows(list_on_disk(place, "m"))] == ["missing"]


def test_empty_tensors_are_named(tmp_path):
    """As DeepSpeed's ZeRO-3 leaves them where weights were not gathered."""
    model = tiny_model("llama")
    weights = weights_of(model) | {"lm_head.weight": torch.empty(0)}
    files = files_of(model) | {"model.safetensors": safetensors.torch.save(weights, {"format": "pt"})}
    assert error_of(write_files(tmp_path, files)) == (
        f"{tmp_path}: model.safetensors holds lm_head.weight of shape (0,), the architecture's is (16, 8): empty, as "
        "ZeRO-3 leaves what was not gathered"
    )


@pytest.mark.parametrize(
    "name",
    [
        "adapter_model.safetensors",
        "consolidated.00.pth",
        "model.ckpt",
        "pytorch_model_fsdp_0/__0_0.distcp",
        "global_step100/mp_rank_00_model_states.pt",
    ],
)
def test_weights_in_another_form_are_named(tmp_path, name):
    write_files(tmp_path, {"config.json": b"{}", "rng_state_0.pth": b"-", name: b"-"})
    assert error_of(tmp_path).endswith(f"or a single .gguf file; it holds {name}, which is not read")


def test_what_is_not_whole_is_refused(tmp_path):
    files = files_of(tiny_model("opt"), "bin-shards")
    del files[BIN[1]]
    assert error_of(write_files(tmp_path / "a", files)) == f"{tmp_path / 'a'}: incomplete checkpoint, it lacks {BIN[1]}"
    write_files(tmp_path / "b", {"config.json": files["config.json"]})
    assert "lacks model.safetensors, pytorch_model.bin, shards" in error_of(tmp_path / "b")
    broken = files_of(tiny_model("opt")) | {"config.json": b"{"}
    assert error_of(write_files(tmp_path / "c", broken)).startswith(f"{tmp_path / 'c'}/config.json: not a JSON object")
