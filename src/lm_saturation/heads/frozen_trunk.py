"""The frozen trunk of a model, which gives hidden states, and the linear head that the model was trained with."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from lm_saturation.checkpoints.loading import list_checkpoints, load_model
from lm_saturation.config.heads import TrunkOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.errors import InputError
from lm_saturation.inference.logits import TOLERANCE, check_causal, head_of, logits_of
from lm_saturation.inference.start_token import first_token
from lm_saturation.inference.trunk import trunk_states

COMPARED_TOKENS = 64  # whose logits are compared with the model's own


def final_checkpoint(folder: str | Path, step: int | None) -> tuple[int, Path]:
    """The checkpoint of that step; without one, the last there is. Raises InputError if there is none."""
    checkpoints = dict(list_checkpoints(folder))
    if not checkpoints:
        raise InputError(f"{folder}: there is no checkpoint")
    if step is not None and step not in checkpoints:
        raise InputError(
            f"{folder}: there is no step{step}, which the config names; the last is step{max(checkpoints)}"
        )
    step = max(checkpoints) if step is None else step
    return step, checkpoints[step]


class Trunk:
    """All of a model but its head, on `device`; `first` is a token id put before every sequence, if any."""

    def __init__(self, path: Path, dtype: torch.dtype, device: str, first: int | None, batch_size: int) -> None:
        self.model = load_model(path, dtype, "cpu").to(device)
        self.path, self.device, self.first, self.batch_size = path, device, first, batch_size

    def states(self, ids: NDArray[np.int64] | Tensor) -> Tensor:
        """The hidden states (sequences, tokens, d) that the head reads after each token of `ids`."""
        read = torch.as_tensor(ids).to(self.device)
        if self.first is not None:
            read = torch.cat([read.new_full((len(read), 1), self.first), read], 1)
        states = trunk_states(self.model, read, self.batch_size)
        return states if self.first is None else states[:, 1:]

    def linear_head(self, vocabulary_size: int) -> tuple[Tensor, Tensor | None]:
        """W (V, d) and b (V,) of the tokens, in float32; rows of no token are left out.

        Raises InputError if the model's logits are something else than W x + b (soft caps, scales), or see the future.
        """
        head = head_of(self.model)
        rows = head.weight.detach()[:vocabulary_size].float()
        bias = None if head.bias is None else head.bias.detach()[:vocabulary_size].float()
        difference = self._logit_difference(rows, bias)
        if not difference <= TOLERANCE[torch.float32]:
            raise InputError(
                f"{type(self.model).__name__}: its logits are not W x + b (they differ by {difference:.1e} of the "
                "largest; it may cap or scale them); LM heads can only be trained where they are"
            )
        return rows.clone(), None if bias is None else bias.clone()

    def _logit_difference(self, rows: Tensor, bias: Tensor | None) -> float:
        """The largest difference between W x + b and the model's own logits, as a share of the largest of those."""
        ids = np.arange(min(COMPARED_TOKENS, len(rows)))[None]
        check_causal(self.model, torch.from_numpy(ids).to(self.device))
        states = self.states(ids)[0]
        with logits_of(self.model) as logits:
            of_model = logits(states)[:, : len(rows)]
        linear = states.float() @ rows.T if bias is None else torch.addmm(bias, states.float(), rows.T)
        return float((linear - of_model).abs().max() / of_model.abs().max().clamp(min=1e-30))


def load_trunk(path: Path, weights: WeightsOptions, options: TrunkOptions, tokenizer: Tokenizer) -> Trunk:
    """The trunk of a checkpoint, read as its suite says."""
    first = first_token(tokenizer, weights.first_token)
    return Trunk(path, trunk_dtype(weights, options), options.device, first, options.trunk_batch_size)


def trunk_dtype(weights: WeightsOptions, options: TrunkOptions) -> torch.dtype:
    """The type that a trunk runs in: that of its suite, but bfloat16 where heads are trained in that."""
    return torch.bfloat16 if options.precision == "bfloat16" else getattr(torch, weights.dtype)
