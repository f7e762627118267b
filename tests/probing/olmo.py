"""Small models of OLMo 1 and 2, written from their description, and their checkpoints."""

import base64
import pickle

import torch
import yaml
from safetensors.torch import save_file
from torch.nn.functional import layer_norm, linear, rms_norm, scaled_dot_product_attention, silu

WIDTH, HEADS, INNER, ROWS, THETA = 32, 4, 48, 300, 500.0
FIRST = {"layer_norm_type": "default", "layer_norm_with_affine": False, "clip_qkv": 0.1}
SECOND = {"layer_norm_type": "rms", "layer_norm_eps": 1e-6, "norm_after": True, "attention_layer_norm": True}


def settings(**changes):
    sizes = {"d_model": WIDTH, "n_heads": HEADS, "n_layers": 2, "mlp_hidden_size": 2 * INNER, "vocab_size": ROWS - 9}
    return {**sizes, "max_sequence_length": 64, "rope": True, "rope_theta": THETA, "include_bias": False, **changes}


def weights(second=False, tied=False, keys=WIDTH):
    """As OLMo names them; `keys` is the joint width of all keys, less than WIDTH if heads share them."""
    torch.manual_seed(0)
    held = {"wte": torch.randn(ROWS, WIDTH) / 3}
    for layer in range(2):
        shapes = {
            "att_proj": (WIDTH + 2 * keys, WIDTH), "attn_out": (WIDTH, WIDTH),
            "ff_proj": (2 * INNER, WIDTH), "ff_out": (WIDTH, INNER),
        }  # fmt: skip
        held |= {f"blocks.{layer}.{name}": torch.randn(shape) / 5 for name, shape in shapes.items()}
        norms = {"q_norm": WIDTH, "k_norm": keys, "attn_norm": WIDTH, "ff_norm": WIDTH} if second else {}
        held |= {f"blocks.{layer}.{name}": 1 + torch.randn(size) / 5 for name, size in norms.items()}
    if second:
        held["ln_f"] = 1 + torch.randn(WIDTH) / 5
    if not tied:
        held["ff_out"] = torch.randn(ROWS, WIDTH) / 5
    return {f"transformer.{name}.weight": tensor for name, tensor in held.items()}


def rotated(states):
    """(..., tokens, width of a head): the halves of a head are turned as pairs."""
    half = states.shape[-1] // 2
    angles = torch.arange(states.shape[-2])[:, None] * THETA ** (-torch.arange(half) / half)
    one, other = states[..., :half], states[..., half:]
    return torch.cat([one * angles.cos() - other * angles.sin(), other * angles.cos() + one * angles.sin()], -1)


def logits(held, ids, second=False):
    """(sequences, tokens, ROWS) of token ids."""
    held = {name.removeprefix("transformer.").removesuffix(".weight"): tensor for name, tensor in held.items()}
    sequences, tokens = ids.shape

    def norm(states, name):
        if second:
            return rms_norm(states, states.shape[-1:], held[name], 1e-6)
        return layer_norm(states, states.shape[-1:], eps=1e-5)

    def apart(states):
        return states.view(sequences, tokens, -1, WIDTH // HEADS).transpose(1, 2)

    def attention(states, block):
        joined = linear(states, held[f"{block}.att_proj"])
        width = (joined.shape[-1] - WIDTH) // 2
        query, key, value = joined.split([WIDTH, width, width], -1)
        if second:
            query, key = norm(query, f"{block}.q_norm"), norm(key, f"{block}.k_norm")
        else:
            query, key, value = (part.clamp(-0.1, 0.1) for part in (query, key, value))
        query, key, value = rotated(apart(query)), rotated(apart(key)), apart(value)
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return linear(mixed.transpose(1, 2).flatten(2), held[f"{block}.attn_out"])

    def feed_forward(states, block):
        linear_part, gate = linear(states, held[f"{block}.ff_proj"]).chunk(2, -1)
        return linear(silu(gate) * linear_part, held[f"{block}.ff_out"])

    states = held["wte"][ids]
    for block in ("blocks.0", "blocks.1"):
        for part, name in ((attention, "attn_norm"), (feed_forward, "ff_norm")):
            if second:  # the norm follows
                states = states + norm(part(states, block), f"{block}.{name}")
            else:
                states = states + part(norm(states, f"{block}.{name}"), block)
    return linear(norm(states, "ln_f"), held.get("ff_out", held["wte"]))


def write(folder, held, model, encoded=False):
    """A checkpoint; `encoded` is model.safetensors with pickles as names, as OLMo writes it."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"run_name": "small", "model": model}))
    if encoded:
        names = {name: base64.urlsafe_b64encode(pickle.dumps(((name,), False))).decode() for name in held}
        save_file({names[name]: tensor for name, tensor in held.items()}, folder / "model.safetensors")
    else:
        torch.save(held, folder / "model.pt")
    for name in ("optim.pt", "train.pt"):
        (folder / name).touch()
    return folder
