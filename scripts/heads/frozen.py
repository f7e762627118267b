"""The frozen part of a model: its trunk, which gives hidden states, and the linear head that it was trained with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scripts.common.checkpoint_files import checkpoints, load_model
from scripts.common.jobs import InputError, whole_file
from scripts.metrics.logits import TOLERANCE, head_of, logits_of
from scripts.metrics.trunk import trunk_states

TOKENS = 64  # compared with the model's own logits


def final_checkpoint(folder: str | Path, step: int | None) -> tuple[int, Path]:
    """The checkpoint of that step; without one, the last there is. Raises InputError if there is none."""
    found = dict(checkpoints(folder))
    if not found:
        raise InputError(f"{folder}: there is no checkpoint")
    if step is not None and step not in found:
        raise InputError(f"{folder}: there is no step{step}, whose head is asked for; the last is step{max(found)}")
    step = max(found) if step is None else step
    return step, found[step]


class Trunk:
    """All of a model but its head, on `device`; `first` is a token id put before every sequence, if any."""

    def __init__(self, path: Path, dtype: torch.dtype, device: str, first: int | None, batch_size: int) -> None:
        self.model = load_model(path, dtype, "cpu").to(device)
        self.device, self.first, self.batch_size = device, first, batch_size

    def states(self, ids: NDArray[np.int64] | Tensor) -> Tensor:
        """The hidden states (sequences, tokens, d) that the head reads after each token of `ids`."""
        given = torch.as_tensor(ids).to(self.device)
        if self.first is not None:
            given = torch.cat([given.new_full((len(given), 1), self.first), given], 1)
        states = trunk_states(self.model, given, self.batch_size)
        return states if self.first is None else states[:, 1:]

    def linear_head(self, vocabulary_size: int) -> tuple[Tensor, Tensor | None]:
        """W (V, d) and b (V,) of the tokens, in float32; rows of no token are left out.

        Raises InputError if the model's logits are something else than W x + b (soft caps, scales).
        """
        head = head_of(self.model)
        rows = head.weight.detach()[:vocabulary_size].float()
        bias = None if head.bias is None else head.bias.detach()[:vocabulary_size].float()
        ids = np.arange(min(TOKENS, len(rows)))[None]
        states = self.states(ids)[0]
        with logits_of(self.model) as logits:
            own = logits(states)[:, : len(rows)]
        ours = states.float() @ rows.T if bias is None else torch.addmm(bias, states.float(), rows.T)
        difference = float((ours - own).abs().max() / own.abs().max().clamp(min=1e-30))
        if not difference <= TOLERANCE[torch.float32]:
            raise InputError(
                f"{type(self.model).__name__}: its logits are not W x + b (they differ by {difference:.1e} of the "
                "largest; it may cap or scale them); heads can only be trained where they are"
            )
        return rows.clone(), None if bias is None else bias.clone()


@dataclass(frozen=True)
class HeadStates:
    """A model as the heads stage sees it: held-out hidden states, the tokens that follow, and the pretrained head."""

    hidden_states: Tensor  # (n, d) float32
    next_tokens: Tensor  # (sequences, tokens) int64, n in all
    head: Tensor  # (V, d) float32
    bias: Tensor | None  # (V,) float32
    step: int
    sample_sha256: str

    def to(self, device: str) -> "HeadStates":
        """The same on another device."""
        bias = None if self.bias is None else self.bias.to(device)
        states, next_tokens, head = (one.to(device) for one in (self.hidden_states, self.next_tokens, self.head))
        return HeadStates(states, next_tokens, head, bias, self.step, self.sample_sha256)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, whole or not at all."""
        tensors = {"hidden_states": self.hidden_states, "next_tokens": self.next_tokens, "head": self.head}
        tensors |= {} if self.bias is None else {"bias": self.bias}
        about = json.dumps({"step": self.step, "sample_sha256": self.sample_sha256})
        with whole_file(path) as partial:  # metadata of one key: several are written in any order
            save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, partial, {"about": about})


def read_head_states(path: str | Path) -> HeadStates:
    """What `HeadStates.save` wrote. Raises InputError if the file is damaged or is something else."""
    try:
        with safe_open(path, framework="pt") as file:
            names, about = set(file.keys()), json.loads((file.metadata() or {})["about"])
            found = {name: file.get_tensor(name) for name in ("hidden_states", "next_tokens", "head")}
            bias = file.get_tensor("bias") if "bias" in names else None
            return HeadStates(**found, bias=bias, **about)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); delete it and run again") from error


def in_dtype(definition: dict[str, Any], precision: str) -> torch.dtype:
    """The type that a trunk runs in: that of its suite, but bfloat16 where heads are trained in that."""
    return torch.bfloat16 if precision == "bfloat16" else getattr(torch, definition.get("dtype", "float32"))
