"""Tiny models of the Llama architecture as GGUF files, as llama.cpp lays them out."""

import json

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def tiny_llama(vocabulary=96, *, tied=True, seed=0):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = LlamaConfig(
        vocab_size=vocabulary, max_position_embeddings=128, tie_word_embeddings=tied, **sizes, **heads, **ends
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # norms of 1 and weights of 0.02 would hide what is swapped
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def write_gguf(path, model, types=None, architecture="llama", tokenizer=None, pattern="gpt-2"):
    """The model as a GGUF file; `types` are those of its matrices by name in the file, F32 where there is none."""
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    if tokenizer:
        add_tokenizer(writer, tokenizer, pattern)
    for name, tensor in named_tensors(model):
        kind = (types or {}).get(name.removesuffix(".weight").split(".")[-1])
        data = tensor if kind is None else gguf.quantize(tensor, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def named_tensors(model):
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        stem, data = name.removesuffix(".weight"), tensor.numpy()
        if stem.startswith("model.layers."):
            _, _, layer, part = stem.split(".", 3)
            heads = {"self_attn.q_proj": model.config.num_attention_heads}
            heads["self_attn.k_proj"] = model.config.num_key_value_heads
            yield f"blk.{layer}.{NAMES[part]}.weight", permuted(data, heads[part]) if part in heads else data
        else:
            yield f"{NAMES[stem]}.weight", data


def permuted(weight, heads):
    """Rows as llama.cpp's rotary embedding wants them: the two halves of each head interleaved."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def add_tokenizer(writer, tokenizer, pattern):
    """A byte-level BPE."""
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pattern)
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
