"""The logits of hidden states, as the model itself would compute them, a few tokens at a time.

What a model does between its trunk and its logits differs: biases, soft caps (Gemma 2), scales (Granite, Cohere). So
the model's own forward runs, with its trunk replaced by the hidden states that are already known, and its head in
float32.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import linear
from transformers.modeling_outputs import BaseModelOutputWithPast

from scripts.common.jobs import InputError
from scripts.metrics.blocks import in_batches
from scripts.metrics.cross_entropy import token_losses
from scripts.metrics.trunk import replaced_forwards

Logits = Callable[[torch.Tensor], torch.Tensor]
AT_ONCE = {"cpu": 1 << 24, "cuda": 1 << 28}  # logits in memory at a time: 64 MB, 1 GB
TOKENS = 64  # compared with the model's own logits, of two sequences
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}  # of the largest logit: rounding


def head_of(model: Any) -> Any:
    """The module of the LM head. Raises InputError if the model has none."""
    head = model.get_output_embeddings()
    if head is None or getattr(head, "weight", None) is None:
        raise InputError(f"{type(model).__name__}: not a causal language model; it has no LM head")
    return head


class _Output(BaseModelOutputWithPast):
    """What a trunk returns; what else some trunks return (cross-attention, routing, caches) is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


@contextmanager
def logits_of(model: Any) -> Iterator[Logits]:
    """A function from hidden states (n, d) to logits (n, V) in float32; the model is of no other use meanwhile."""
    head, states = head_of(model), torch.empty(0)
    weight, bias = head.weight.float(), None if head.bias is None else head.bias.float()

    def trunk(*_args: Any, **_kwargs: Any) -> Any:
        return _Output(last_hidden_state=states)

    def in_float32(inputs: torch.Tensor) -> torch.Tensor:
        return linear(inputs.float(), weight, bias)

    def logits(given: torch.Tensor) -> torch.Tensor:
        nonlocal states
        states = given[None]
        ids = torch.zeros(states.shape[:2], dtype=torch.int64, device=given.device)
        return model(input_ids=ids, use_cache=False).logits[0].float()

    with torch.inference_mode(), replaced_forwards([(model.get_decoder(), trunk), (head, in_float32)]):
        yield logits


def for_each_logits(model: Any, states: torch.Tensor, work: Callable[[slice, torch.Tensor], None]) -> None:
    """Call `work` with some places of hidden states (n, d) and their logits (places, V), until all had their turn.

    A place may have more than one, if CUDA runs out of memory.
    """
    size = max(1, AT_ONCE[states.device.type] // len(head_of(model).weight))
    with logits_of(model) as logits:
        in_batches(len(states), size, lambda places: work(places, logits(states[places])))


def target_losses(model: Any, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(n,) nats of the `targets` (n,) that hidden states (n, d) foretell."""
    losses = torch.empty(len(targets), device=states.device)

    def work(places: slice, logits: torch.Tensor) -> None:
        losses[places] = token_losses(logits, targets[places], logits.amax(1))

    for_each_logits(model, states, work)
    return losses


def check(model: Any, ids: torch.Tensor, states: torch.Tensor) -> None:
    """Compare the logits of hidden `states` (sequences, tokens, d) of `ids` with the model's own, first and last.

    Raises InputError if they differ: then the model is of a kind that cannot be measured in parts.
    """
    some = [0, len(ids) - 1]
    with torch.inference_mode():
        own = model(input_ids=ids[some, :TOKENS], use_cache=False).logits.float()
    with logits_of(model) as logits:
        ours = logits(states[some, :TOKENS].flatten(0, 1)).view_as(own)
    if not torch.isfinite(own).all():
        raise InputError("logits that are not finite")
    difference = float((ours - own).abs().max() / own.abs().max().clamp(min=1e-30))
    if difference > TOLERANCE[model.dtype]:
        raise InputError(
            f"{type(model).__name__}: logits computed layer by layer differ from the model's own "
            f"by {difference:.1e} of the largest; models of this kind cannot be measured"
        )
