"""Small models of Pythia's architecture, in transformers' own class, with Pythia's initialisation.

Pythia (Biderman et al. 2023, arXiv 2304.01373) is GPT-NeoX-20B's architecture (Black et al. 2022, arXiv 2204.06745,
section 2.1): attention and MLP in parallel, rotary embeddings on a quarter of each attention head, untied LM head.
"""

import math

import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from lm_saturation.config.suites import TrainedModel

ROTARY_SHARE = 0.25  # of the dimensions of an attention head
ROTARY_BASE = 10000.0  # wavelengths of the pairs run from 2π to 2π times it
RESIDUAL_OUTPUTS = (".attention.dense.weight", ".mlp.dense_4h_to_h.weight")  # the two that write into the residual


def build_model(model: TrainedModel, vocabulary_size: int, sequence_length: int) -> GPTNeoXForCausalLM:
    """The model that a suite's configuration defines, at its initialisation, float32."""
    config = neox_config(model, vocabulary_size, sequence_length)
    built = GPTNeoXForCausalLM._from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    initialise(built, model.seed)
    return built


def rotary_dimensions(head_width: int) -> int:
    """How many dimensions of an attention head are turned: a quarter, one pair at least."""
    return max(2, 2 * int(head_width * ROTARY_SHARE / 2))


def neox_config(model: TrainedModel, vocabulary_size: int, sequence_length: int) -> GPTNeoXConfig:
    """Pythia's configuration at this size: embedding and LM head without padding rows, no begin- or end-of-text."""
    head_width = model.width // model.attention_heads
    share = rotary_dimensions(head_width) / head_width
    return GPTNeoXConfig(
        vocab_size=vocabulary_size,
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.attention_heads,
        intermediate_size=4 * model.width,
        hidden_act="gelu",
        max_position_embeddings=sequence_length,
        layer_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": ROTARY_BASE, "partial_rotary_factor": share},
        use_parallel_residual=True,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )


def initial_deviations(width: int, layers: int) -> tuple[float, float]:
    """Of matrices and embeddings, and of the matrices that write into the residual."""
    return math.sqrt(2 / (5 * width)), 2 / (layers * math.sqrt(width))


@torch.no_grad()
def initialise(model: GPTNeoXForCausalLM, seed: int) -> None:
    """Give the model Pythia's initialisation, drawn on the CPU from `seed`, so that it is the same on every device.

    Matrices and embeddings N(0, 2/(5d)) ("small_init", Nguyen & Salazar 2019, arXiv 1910.05895); the matrices that
    write into the residual N(0, 4/(L²d)) ("wang_init", Wang & Komatsuzaki 2021, GPT-J); biases 0; LayerNorms 1.
    """
    generator = torch.Generator().manual_seed(seed)
    width, layers = model.config.hidden_size, model.config.num_hidden_layers
    small, wang = initial_deviations(width, layers)
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            parameter.normal_(0.0, wang if name.endswith(RESIDUAL_OUTPUTS) else small, generator=generator)
