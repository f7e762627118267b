"""The hidden states of a held-out sample and the pretrained LM head: all that the heads stage needs of a model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from lm_saturation.config.heads import HeadSampleOptions
from lm_saturation.config.metrics import HeldOut
from lm_saturation.errors import InputError
from lm_saturation.heads.factored_head import Factors, Losses, token_losses
from lm_saturation.heads.frozen_trunk import Trunk
from lm_saturation.inference.evaluation_sample import EvaluationSample, draw_sample, token_sizes
from lm_saturation.io.atomic import atomic_write
from lm_saturation.io.logs import log
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import Tokens


@dataclass(frozen=True)
class HeadStates:
    """Held-out hidden states of a checkpoint, the tokens that follow, and the pretrained head."""

    hidden_states: Tensor  # (n, d) float32
    next_tokens: Tensor  # (sequences, tokens) int64, n in all
    head: Tensor  # (V, d) float32
    bias: Tensor | None  # (V,) float32
    step: int
    sample_sha256: str

    def to(self, device: str) -> "HeadStates":
        """The same on another device."""
        bias = None if self.bias is None else self.bias.to(device)
        states, next_tokens, head = (part.to(device) for part in (self.hidden_states, self.next_tokens, self.head))
        return HeadStates(states, next_tokens, head, bias, self.step, self.sample_sha256)

    def losses(self, factors: Factors) -> Losses:
        """(sequences, tokens) how well a head predicts the sample."""
        flat = token_losses(self.hidden_states, self.next_tokens.flatten(), factors, self.bias)
        return Losses(flat.nats.reshape(self.next_tokens.shape), flat.hits.reshape(self.next_tokens.shape))

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, completely or not at all."""
        tensors = {"hidden_states": self.hidden_states, "next_tokens": self.next_tokens, "head": self.head}
        tensors |= {} if self.bias is None else {"bias": self.bias}
        record = json.dumps({"step": self.step, "sample_sha256": self.sample_sha256})
        with atomic_write(path) as partial:  # metadata of one key: several are written in any order
            save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, partial, {"about": record})


def read_head_states(path: str | Path) -> HeadStates:
    """What `HeadStates.save` wrote. Raises InputError if the file is damaged or is something else."""
    try:
        with safe_open(path, framework="pt") as file:
            names, record = set(file.keys()), json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in ("hidden_states", "next_tokens", "head")}
            bias = file.get_tensor("bias") if "bias" in names else None
            return HeadStates(**tensors, bias=bias, **record)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); delete it and run again") from error


def draw_head_sample(
    shards: Sequence[Tokens], tokenizer: Tokenizer, options: HeadSampleOptions, held_out: HeldOut
) -> EvaluationSample:
    """The held-out sample that heads are judged on. Raises InputError if there is too little text."""
    texts = [split_documents(shards, held_out).test]
    sizes = token_sizes(tokenizer, shards[0].vocabulary_size)
    key = "heads.held_out_tokens"
    return draw_sample(texts, options.held_out_tokens, options.length + 1, options.seed, sizes, None, key)


def compute_head_states(trunk: Trunk, sample: EvaluationSample, vocabulary_size: int, step: int) -> HeadStates:
    """Run the trunk of a checkpoint of that step over the sample.

    Raises InputError if the head has too few rows for the text, is not linear, or a hidden state is not finite.
    """
    head, bias = trunk.linear_head(vocabulary_size)
    if (largest := int(sample.targets.max())) >= len(head):
        raise InputError(
            f"{trunk.path}: the text holds token {largest}, the LM head has {len(head)} rows: another tokenizer"
        )
    states = trunk.states(sample.inputs).flatten(0, 1).float()
    if not torch.isfinite(states).all():
        raise InputError(f"{trunk.path}: hidden states that are not finite")
    log.info("%s: %d hidden states of width %d, an LM head of %d rows", trunk.path, *states.shape, len(head))
    return HeadStates(states, torch.from_numpy(sample.targets), head, bias, step, sample.sha256)
