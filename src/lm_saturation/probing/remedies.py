"""Remedies for logits that share an offset, and for half precision: a few lines each, for any training loop.

loss = cross_entropy(logits, targets) + mu_loss(model)    # in training
centre_head(model)                                        # once, on a trained model

What each did in published trainings: `effects()`, docs/probe.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import linear

from lm_saturation.errors import InputError
from lm_saturation.inference.logits import head_of
from lm_saturation.probing.references import RESOURCES
from lm_saturation.statistics.intervals import interval, resampled_means

WEIGHT = 1e-4  # of both losses in arXiv 2601.02031
SAMPLES = 2000
LARGE_RATE = 0.1  # peak learning rate from which logits of these trainings share an offset of a hundred and more
METHODS = {"muloss": "μ-loss", "mucentering": "μ-centring", "zloss": "z-loss"}


@torch.no_grad()
def centre_head(model: Any) -> None:
    """Remove the mean row of a model's LM head (and the mean of its bias): softmax gives the same, logits no offset.

    Raises InputError if the head is the embedding, which would change what the model reads, or if a soft cap follows
    it, which sees the offset.
    """
    head, embedding = head_of(model), model.get_input_embeddings()
    if head.weight is embedding.weight:
        raise InputError("the LM head is the embedding, which centring would change; untie them first, or use mu_loss")
    if getattr(model.config.get_text_config(), "final_logit_softcapping", None):
        raise InputError("a soft cap follows the LM head: without its mean row the model would predict something else")
    for part in (head.weight, head.bias):
        if part is not None:
            part.sub_(part.double().mean(0).to(part.dtype))


def mu_loss(model: Any, weight: float = WEIGHT) -> torch.Tensor:
    """Weight times the squared norm of the LM head's mean row (arXiv 2601.02031): add it to the training's loss."""
    mean = head_of(model).weight.float().mean(0)
    return weight * mean @ mean


def z_loss(logits: torch.Tensor, weight: float = WEIGHT) -> torch.Tensor:
    """Weight times the mean square of log Σ exp(logits) of logits (..., V) (arXiv 2204.02311): add it to the loss."""
    return weight * logits.float().logsumexp(-1).square().mean()


@contextmanager
def float32_logits(model: Any) -> Iterator[None]:
    """Compute the LM head's product in float32, whatever the model's type or autocast; weights keep their type."""
    head = head_of(model)

    def in_float32(states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return linear(states.float(), head.weight.float(), None if head.bias is None else head.bias.float())

    before = vars(head).get("forward")
    head.forward = in_float32
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before


def effects(least_rate: float = LARGE_RATE) -> pd.DataFrame:
    """What each remedy saved in published trainings (arXiv 2601.02031), against the same without one.

    A row a remedy: remedy, pairs (sizes × peak learning rates from `least_rate` on), saved (mean, nats/token), and the
    ends saved_low and saved_high of a 95 % bootstrap interval over the pairs.
    """
    trainings = pd.read_csv(RESOURCES / "output_embeddings.csv")
    losses = trainings.pivot_table("test_loss_nats", ["size_millions", "peak_learning_rate"], "method")
    losses = losses[losses.index.get_level_values("peak_learning_rate") >= least_rate]
    rows = []
    for method, name in METHODS.items():
        saved = (losses.baseline - losses[method]).to_numpy()
        low, high = interval(np.asarray(resampled_means(saved, SAMPLES)))
        rows.append({"remedy": name, "pairs": len(saved), "saved": saved.mean(), "saved_low": low, "saved_high": high})
    return pd.DataFrame(rows)
