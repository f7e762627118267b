"""GGUF files as checkpoints: the same model as it was, dequantised as it says, and one line where it cannot be read."""

import sys

import gguf
import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers

from lm_saturation.checkpoints.loading import list_checkpoints, load_model, quantisation_of
from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import stored_types
from lm_saturation.io.tables import write_rows
from lm_saturation.text.make_tokenizers import read_tokenizer, train_tokenizer
from tests.checkpoints.gguf_files import named_tensors, tiny_llama, write_gguf
from tests.checkpoints.hub_client import Client, add
from tests.checkpoints.tiny import files_of, tiny_model, write_files

Q8, F16 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F16
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
TEXTS = ["for i in range(10):\n    print(i)  # 1234", "a  7 b", "x= 12\t 3", "naïve ☂ text\n\n 42"]


@pytest.mark.parametrize("tied", [True, False])
def test_the_model_is_the_one_that_was_written(tmp_path, capfd, tied):
    model = tiny_llama(tied=tied)
    write_gguf(tmp_path / "tiny.gguf", model)
    loaded = load_model(tmp_path, torch.float32)
    assert (loaded.lm_head.weight is loaded.model.embed_tokens.weight) == tied
    ids = torch.randint(96, (3, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=1e-5, rtol=0)
    expected = dict(model.named_parameters())
    assert all(torch.equal(value, expected[name]) for name, value in loaded.named_parameters())
    assert quantisation_of(tmp_path) is None
    assert capfd.readouterr() == ("", "")


def test_quantised_weights_are_dequantised_as_their_blocks_say(tmp_path):
    """Q8_0 by hand: blocks of 32, each with a scale in float16 and whole numbers of a byte."""
    model = tiny_llama()
    types = dict.fromkeys(MATRICES, Q8) | {"token_embd": F16}
    write_gguf(tmp_path / "tiny.gguf", model, types)
    loaded = load_model(tmp_path, torch.float32)
    found = dict(named_tensors(loaded))
    for name, weight in named_tensors(model):
        kind = types.get(name.removesuffix(".weight").split(".")[-1])
        expected = weight
        if kind is Q8:
            blocks = weight.reshape(-1, 32)
            scale = np.abs(blocks).max(1, keepdims=True) / 127
            numbers = np.round(blocks / scale)
            expected = (numbers * scale.astype(np.float16).astype(np.float32)).reshape(weight.shape)
        elif kind is F16:
            expected = weight.astype(np.float16).astype(np.float32)
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-7)
    assert stored_types(tmp_path / "tiny.gguf").keys() == {"Q8_0", "F16", "F32"}
    quantised = sum(weight.size for name, weight in named_tensors(model) if name.split(".")[-2] in MATRICES)
    total = sum(weight.size for _, weight in named_tensors(model))
    assert quantisation_of(tmp_path) == f"Q8_0 {100 * quantised / total:.0f} %"


def test_files_are_audited_linked_and_measured_as_folders_are(tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    for step, seed in ((10, 0), (20, 0), (300, 1)):
        write_gguf(runs / f"tiny-{step}.gguf", tiny_llama(seed=seed))
    client = Client(tmp_path, path=f"{runs}/{{model}}-{{step}}.gguf", bad_checkpoints="flag")
    rows = client.audit()
    assert [(row["step"], row["format"], row["status"], row["duplicate_of"]) for row in rows] == [
        (10, "gguf", "duplicate", 20),
        (20, "gguf", "duplicate", 10),
        (300, "gguf", "ok", None),
    ]
    assert rows[0]["revision"] == str(runs / "tiny-10.gguf")
    assert rows[0]["weight_bytes"] == (runs / "tiny-10.gguf").stat().st_size
    client.download()
    for step, folder in list_checkpoints(client.results / "0"):
        (file,) = folder.iterdir()
        assert file.resolve() == (runs / f"tiny-{step}.gguf").resolve()
        model = load_model(folder, torch.float32)
        assert torch.equal(model.lm_head.weight, tiny_llama(seed=int(step == 300)).lm_head.weight)


def test_one_in_a_repository_of_the_hub(hub, tmp_path):
    file = write_gguf(tmp_path / "any.gguf", tiny_llama())
    add(hub, {"step1": {"README.md": b"-", "any.gguf": file.read_bytes()}})
    client = Client(tmp_path, hub)
    (row,) = client.audit()
    assert (row["format"], row["weight_files"], row["status"]) == ("gguf", 1, "ok")
    assert set(client.download()) == {"step1/any.gguf"}
    load_model(client.results / "0" / "step1", torch.float32)


def test_safetensors_are_preferred(tmp_path):
    write_files(tmp_path, files_of(tiny_model("llama")))
    write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    assert load_model(tmp_path, torch.float32).config.vocab_size == 16


def error_of(folder):
    with pytest.raises(InputError) as error:
        load_model(folder, torch.float32)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path, kept):
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    assert error_of(tmp_path).startswith(f"{file}: not a GGUF file, or truncated (")


def test_an_architecture_that_transformers_cannot_read(tmp_path):
    write_gguf(tmp_path / "tiny.gguf", tiny_llama(), architecture="own")
    error = error_of(tmp_path)
    assert error.startswith(f"{tmp_path}: cannot be loaded from tiny.gguf: ")
    assert "architecture own" in error
    assert error.endswith("; allowed: those that transformers reads from GGUF, such as llama, qwen2, gpt2 and gemma2")


def test_without_the_package_it_says_which(tmp_path, monkeypatch):
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert error_of(tmp_path) == f"{file}: the package gguf, which reads it, is missing: pip install gguf"


def test_of_several_files_none_is_taken(tmp_path):
    for name in ("a.gguf", "b.gguf"):
        write_gguf(tmp_path / name, tiny_llama())
    assert error_of(tmp_path).endswith("or a single .gguf file; it holds a.gguf, b.gguf, which is not read")


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    table = tmp_path_factory.mktemp("text") / "text.parquet"
    text = " ".join(TEXTS) * 20
    write_rows("corpus_text", table, [{"corpus": "c", "document": 0, "piece": 0, "text": text}])
    return train_tokenizer("byte-bpe", 300, [str(table)])


def test_the_tokenizer_of_the_file(tmp_path, bpe):
    model = tiny_llama(bpe.get_vocab_size())
    file = write_gguf(tmp_path / "tiny.gguf", model, tokenizer=bpe)
    found = read_tokenizer(file)
    assert found.get_vocab() == bpe.get_vocab()
    assert [found.encode(text).ids for text in TEXTS] == [bpe.encode(text).ids for text in TEXTS]
    assert all(found.decode(found.encode(text).ids) == text for text in TEXTS)


def test_the_pattern_that_the_file_names_cuts_its_text(tmp_path, bpe):
    """Merges go across digits here, since GPT-2's pattern let them; SmolLM's does not."""
    model = tiny_llama(bpe.get_vocab_size())
    file = write_gguf(tmp_path / "tiny.gguf", model, tokenizer=bpe, pattern="smollm")
    found = read_tokenizer(file)
    digits, level = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, level])
    for text in TEXTS:
        tokens = found.encode(text).tokens
        assert tokens == bpe.encode(text).tokens
        assert all(len(token) == 1 for token in tokens if any(mark.isdigit() for mark in token))
    bpe.pre_tokenizer = level


def test_a_tokenizer_that_is_not_known_is_refused(tmp_path, bpe):
    model = tiny_llama(bpe.get_vocab_size())
    file = write_gguf(tmp_path / "tiny.gguf", model, tokenizer=bpe, pattern="own")
    with pytest.raises(InputError, match=rf"^{file}: tokenizer.ggml.pre is 'own', which is not known; known: .*gpt-2"):
        read_tokenizer(file)
    without = write_gguf(tmp_path / "without.gguf", model)
    with pytest.raises(InputError, match=rf"^{without}: transformers builds no tokenizer from it \(.*; give a tok"):
        read_tokenizer(without)
