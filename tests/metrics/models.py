"""Tiny models with random weights, of the families that the project names, and a task to measure them on."""

from dataclasses import replace

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lm_saturation.inference.evaluation_sample import EvaluationSample
from lm_saturation.metrics.evaluation_spec import EvaluationSpec

ROWS = 97  # of the LM head
COMMON = {
    "vocab_size": ROWS,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
FAMILIES = {
    "gpt_neox": {},
    "gpt2": GPT2,
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 16, "do_layer_norm_before": False},  # as OPT-350m: projections
    "llama": {"num_key_value_heads": 2},
    "gemma": {"head_dim": 8, "num_key_value_heads": 1},
    "gemma2": {"head_dim": 8, "num_key_value_heads": 2, "sliding_window": 8, "final_logit_softcapping": 0.5},
    "gptj": {**GPT2, "rotary_dim": 4},  # a bias in the head
    "bloom": {"n_layer": 3, "n_head": 4},  # ALiBi: one entry for each head of each sequence
    "granite": {"logits_scaling": 8.0},
    "olmo": {},
}


def tiny_model(family="gpt_neox", seed=0, scale=1.0, **changes):
    """A model of a family; `scale` multiplies its LM head. `max_position_embeddings=None` leaves that out."""
    settings = {**COMMON, **FAMILIES.get(family, {}), **changes}
    if settings.get("max_position_embeddings", 0) is None:  # some families name it otherwise, or have no limit
        del settings["max_position_embeddings"]
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings)).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.get_output_embeddings().weight.data *= scale
    return model


def tiny_sample(sequences=5, length=13, seed=0, first=None, largest=ROWS):
    ids = np.random.default_rng(seed).integers(0, largest, (sequences, length))
    prefix = np.full((sequences, 0 if first is None else 1), first or 0)
    targets = ids[:, 1:]
    return EvaluationSample(
        np.hstack([prefix, ids[:, :-1]]),
        targets,
        np.broadcast_to(np.arange(sequences)[:, None], targets.shape),
        "0" * 64,
        3 * targets.size,
    )


def tiny_task(vocabulary_size=ROWS, **changes):
    task = EvaluationSpec(
        tiny_sample(), np.arange(vocabulary_size), batch_size=2, unargmaxable=False, text=None, first=None
    )
    return replace(task, **changes)


class FullMemory:
    """A forward that runs out of memory for more than a few rows."""

    def __init__(self, module, most):
        self.original, self.most, self.refused = module.forward, most, 0

    def __call__(self, states, *args, **kwargs):
        if states.shape[-2 if states.ndim == 2 else 0] > self.most:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.original(states, *args, **kwargs)
