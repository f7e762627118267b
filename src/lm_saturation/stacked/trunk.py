"""The forward pass of stacked models up to the LM head: GPT-NeoX with attention and MLP in parallel, batched products.

The same arithmetic as transformers' class, in another order of sums. Both LayerNorms of a layer read the same states,
which are normalised once.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, scaled_dot_product_attention

from lm_saturation.stacked.weights import EMBEDDING, Layout
from lm_saturation.training.gpt_neox import ROTARY_BASE, rotary_dimensions

Turn = tuple[Tensor, Tensor]  # (T, pairs) cosines and sines of rotary embeddings


def rotary(layout: Layout, length: int) -> Turn:
    """Cosines and sines (length, pairs) of rotary embeddings at each position."""
    config = layout.config
    rotated = rotary_dimensions(config.hidden_size // config.num_attention_heads)
    frequencies = 1.0 / ROTARY_BASE ** (torch.arange(0, rotated, 2, dtype=torch.float32) / rotated)
    angles = torch.arange(length, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


def trunk_states(layout: Layout, weights: dict[str, Tensor], ids: Tensor, turn: Turn) -> Tensor:
    """The hidden states (M, B·T, d) that LM heads read, of token ids (M, B, T), by the `weights` of Layout.views."""
    table = weights[EMBEDDING]
    models, vocabulary, width = table.shape
    offsets = vocabulary * torch.arange(models, device=ids.device)[:, None, None]
    states = embedding(ids + offsets, table.reshape(-1, width)).flatten(1, 2)
    for layer in range(layout.config.num_hidden_layers):
        states = _layer(layout, weights, f"gpt_neox.layers.{layer}", states, ids.shape, turn)
    return _affine(weights, "gpt_neox.final_layer_norm", _normalised(layout, states))


def _layer(
    layout: Layout, weights: dict[str, Tensor], name: str, states: Tensor, shape: torch.Size, turn: Turn
) -> Tensor:
    normalised = _normalised(layout, states)
    read = _affine(weights, f"{name}.input_layernorm", normalised)
    heads = layout.config.num_attention_heads
    mixed = _linear(weights, f"{name}.attention.query_key_value", read)
    mixed = mixed.view(-1, shape[-1], heads, 3, states.shape[-1] // heads).permute(3, 0, 2, 1, 4)  # (3, M·B, H, T, ·)
    query, key = _turned(mixed[:2], turn)
    attended = scaled_dot_product_attention(query, key, mixed[2], is_causal=True)
    attended = _linear(weights, f"{name}.attention.dense", attended.transpose(1, 2).reshape_as(states))
    read = _affine(weights, f"{name}.post_attention_layernorm", normalised)
    inner = gelu(_linear(weights, f"{name}.mlp.dense_h_to_4h", read))
    return states + attended + _linear(weights, f"{name}.mlp.dense_4h_to_h", inner)


def _normalised(layout: Layout, states: Tensor) -> Tensor:
    return layer_norm(states, states.shape[-1:], eps=layout.config.layer_norm_eps)


def _affine(weights: dict[str, Tensor], name: str, states: Tensor) -> Tensor:
    return torch.addcmul(weights[f"{name}.bias"][:, None], states, weights[f"{name}.weight"][:, None])


def _linear(weights: dict[str, Tensor], name: str, states: Tensor) -> Tensor:
    return torch.baddbmm(weights[f"{name}.bias"][:, None], states, weights[f"{name}.weight"].mT)


def _turned(vectors: Tensor, turn: Turn) -> Tensor:
    """Queries and keys (2, ..., T, dimensions), their first pairs of dimensions turned by the angles of the places."""
    cosine, sine = turn
    pairs = cosine.shape[-1]
    first, second, rest = vectors.split([pairs, pairs, vectors.shape[-1] - 2 * pairs], dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine, rest], dim=-1)
