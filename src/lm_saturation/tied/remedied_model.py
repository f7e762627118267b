"""GPT-NeoX with a remedy for the high initial loss of tied embeddings.

model = build_with_remedy(REMEDIES["swap"], options, residual_scale=0.0, seed=0, vocabulary_size=50257)
"""

import math
from typing import Any

import torch
from torch import nn
from transformers import GPTNeoXForCausalLM

from lm_saturation.config.suites import TrainedModel
from lm_saturation.config.tied import TiedTrainingOptions
from lm_saturation.tied.bigram import MAP, generator_of
from lm_saturation.tied.remedies import Remedy
from lm_saturation.training.gpt_neox import RESIDUAL_OUTPUTS, build_model


def build_with_remedy(
    remedy: Remedy, options: TiedTrainingOptions, residual_scale: float, seed: int, vocabulary_size: int
) -> GPTNeoXForCausalLM:
    """GPT-NeoX as `build_model` makes it, but with embeddings N(0, σ²), branches scaled, and the remedy applied.

    `residual_scale` multiplies the matrices that write into the residual: 0 is the premise of Su (2023), 1
    is Pythia's initialisation. Models of one seed start from the same random numbers, whatever the remedy. The map is
    one module with the final norm: hidden states are what the head reads, in training, metrics and transformers.
    """
    shape = options.model.part(TrainedModel, seed=seed)
    model = build_model(shape, vocabulary_size, options.sequence_length)
    _scale(model, initial_sigma(remedy, options, vocabulary_size), residual_scale)
    if remedy.tied:
        model.config.tie_word_embeddings = True
        model.lm_head.weight = model.gpt_neox.embed_in.weight
    if remedy.make:
        trunk: Any = model.gpt_neox  # typed with a LayerNorm there
        trunk.final_layer_norm = nn.Sequential(
            trunk.final_layer_norm, remedy.make(shape.width, generator_of(seed, MAP))
        )
    return model


def initial_sigma(remedy: Remedy, options: TiedTrainingOptions, vocabulary_size: int) -> float:
    """The σ that the model's embedding starts with: dσ is `self_logit` times log n, unless the remedy has its own."""
    width = options.model.width
    return remedy.sigma(options.self_logit * math.log(vocabulary_size) / width, vocabulary_size, width)


@torch.no_grad()
def _scale(model: GPTNeoXForCausalLM, sigma: float, residual_scale: float) -> None:
    """Give embedding and head the standard deviation `sigma`, and scale the matrices that write into the residual."""
    for weight in (model.gpt_neox.embed_in.weight, model.lm_head.weight):
        weight.mul_(sigma / math.sqrt(2 / (5 * model.config.hidden_size)))  # which `initialise` drew them with
    for name, parameter in model.named_parameters():
        if name.endswith(RESIDUAL_OUTPUTS):
            parameter.mul_(residual_scale)
