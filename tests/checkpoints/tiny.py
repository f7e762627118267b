"""Models of a few hundred parameters, as the files of a repository or folder."""

import io
import json
import tempfile
from pathlib import Path

import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, OPTConfig

ENDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
CONFIGS = {
    "gpt-neox": lambda: GPTNeoXConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16, **ENDS
    ),
    "gpt2": lambda: GPT2Config(vocab_size=16, n_embd=8, n_layer=1, n_head=1, n_positions=8, **ENDS),
    "opt": lambda: OPTConfig(
        vocab_size=16,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        ffn_dim=16,
        word_embed_proj_dim=4,
        max_position_embeddings=8,
        **ENDS,
    ),
    "llama": lambda: LlamaConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16, **ENDS
    ),
}
OTHERS = dict.fromkeys(  # what repositories hold beside, which is not to be fetched
    ["optimizer.pt", "flax_model.msgpack", "tf_model.h5", "onnx/model.onnx", "model.gguf", "README.md", "run.py"], b"-"
)


def tiny_model(kind, seed=0):
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(CONFIGS[kind](), dtype=torch.float32)


def config_of(model):
    return json.dumps(model.config.to_dict(), default=str).encode()


def weights_of(model):
    """Its parameters, tied ones once."""
    tied = set(model.all_tied_weights_keys)
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name not in tied}


def pickled(content):
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


def files_of(model, form="safetensors"):
    """Its files by name: `form` is safetensors, bin, or shards of either, safetensors-shards or bin-shards."""
    weights, config = weights_of(model), {"config.json": config_of(model)}
    if form == "safetensors":
        return config | {"model.safetensors": safetensors.torch.save(weights, {"format": "pt"})}
    if form == "bin":
        return config | {"pytorch_model.bin": pickled(weights)}
    stem, suffix = ("model", "safetensors") if form.startswith("safetensors") else ("pytorch_model", "bin")
    write = safetensors.torch.save if suffix == "safetensors" else pickled
    names = sorted(weights)
    parts = names[: len(names) // 2], names[len(names) // 2 :]
    shards = [f"{stem}-{number:05}-of-00002.{suffix}" for number in (1, 2)]
    index = {name: shard for part, shard in zip(parts, shards, strict=True) for name in part}
    index_file = {f"{stem}.{suffix}.index.json": json.dumps({"metadata": {}, "weight_map": index}).encode()}
    held = {shard: write({name: weights[name] for name in part}) for part, shard in zip(parts, shards, strict=True)}
    return config | index_file | held


def write_files(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def saved_by_transformers(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
