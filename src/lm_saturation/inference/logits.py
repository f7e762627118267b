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

from lm_saturation.errors import InputError
from lm_saturation.inference.blocks import in_batches
from lm_saturation.inference.trunk import crashes_refused, replaced_forwards, trunk_of, unmeasurable

Logits = Callable[[torch.Tensor], torch.Tensor]
AT_ONCE = {"cpu": 1 << 22, "cuda": 1 << 28}  # logits in memory at a time: 16 MB, 1 GB
FEWEST = 128  # states at a time on a CPU, however many logits that makes: for fewer, reading the head takes the time
TOKENS = 64  # compared with the model's own logits, of two sequences
TOLERANCE = {  # of the largest logit: rounding; the head is in float32 whatever the rest is in
    torch.float64: 1e-3,
    torch.float32: 1e-3,
    torch.bfloat16: 5e-2,
    torch.float16: 1e-2,
}
LEAK = 1e-4  # of the change of late logits; early ones of causal models change by 1e-6 at most, BERT's by 1e-2 and more


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

    def logits(rows: torch.Tensor) -> torch.Tensor:
        nonlocal states
        states = rows[None].to(model.dtype)  # what lies between trunk and head runs in it
        ids = torch.zeros(states.shape[:2], dtype=torch.int64, device=rows.device)
        return _own_logits(model, ids)[0]

    with torch.inference_mode(), replaced_forwards([(trunk_of(model), trunk), (head, in_float32)]):
        yield logits


def _own_logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """The logits (sequences, tokens, V) of the model's own forward. Raises InputError if it fails or gives others."""
    with crashes_refused(model):
        logits = model(input_ids=ids, use_cache=False).logits.float()
    if logits.shape[:-1] != ids.shape:
        raise unmeasurable(model, f"it gives logits of shape {tuple(logits.shape)} for tokens of {tuple(ids.shape)}")
    return logits


def for_each_logits(model: Any, states: torch.Tensor, work: Callable[[slice, torch.Tensor], None]) -> None:
    """Call `work` with some places of hidden states (n, d) and their logits (places, V), until all had their turn.

    A place may have more than one, if CUDA runs out of memory.
    """
    size = states_at_once(len(head_of(model).weight), states.device)
    with logits_of(model) as logits:
        in_batches(len(states), size, lambda places: work(places, logits(states[places])))


def states_at_once(vocabulary_size: int, device: torch.device) -> int:
    """How many states to take to logits at a time.

    On a CPU few: what is larger than 32 MB, glibc takes from the system anew each time, and clearing its pages took a
    fifth of the time of metrics. At most max(16 MB, 512·V bytes) of logits.
    """
    size = AT_ONCE[device.type] // vocabulary_size
    return max(FEWEST if device.type == "cpu" else 1, size)


def check_causal(model: Any, ids: torch.Tensor) -> None:
    """Change late tokens of `ids` (sequences, tokens): early logits must stay what they were.

    Two tokens are tried as well as many, because what one token adds to an average is the more the fewer there are.
    Raises InputError if they do not stay: each token would be predicted with the knowledge of it.
    """
    some = ids[[0, len(ids) - 1], :TOKENS]
    if some.shape[1] == 1:
        some = some.repeat(1, 2)
    limit = max(LEAK, torch.finfo(model.dtype).eps / 2)
    for tokens in {2, some.shape[1]}:
        change = _early_change(model, some[:, :tokens])
        if change > limit:
            raise unmeasurable(
                model,
                f"it is not causal: logits change with the tokens that follow, {change:.1e} times as much as with "
                "their own",
            )


def _early_change(model: Any, ids: torch.Tensor) -> float:
    """How much the logits of the first half of `ids` change with the other half, as a share of how much its own do."""
    early, changed = ids.shape[1] // 2, ids.clone()
    changed[:, early:] = (changed[:, early:] + 1) % max(2, int(ids.max()) + 1)
    with torch.inference_mode():
        before, after = _own_logits(model, ids), _own_logits(model, changed)
    if not (torch.isfinite(before).all() and torch.isfinite(after).all()):
        raise InputError("logits that are not finite")
    squares = (after - before).double().square()
    return float((squares[:, :early].mean() / squares[:, early:].mean().clamp(min=1e-60)).sqrt())


def check(model: Any, ids: torch.Tensor, states: torch.Tensor) -> None:
    """Compare the logits of hidden `states` (sequences, tokens, d) of `ids` with the model's own, first and last.

    Raises InputError if they differ: then the model is of a kind that cannot be measured in parts. Or if it is not
    causal, which this comparison alone does not show where the sequences are no longer than what is compared.
    """
    check_causal(model, ids)
    some = [0, len(ids) - 1]
    with torch.inference_mode():
        own = _own_logits(model, ids[some, :TOKENS])
    with logits_of(model) as logits:
        ours = logits(states[some, :TOKENS].flatten(0, 1)).view_as(own)
    difference = float((ours - own).abs().max() / own.abs().max().clamp(min=1e-30))
    if difference > TOLERANCE[model.dtype]:
        raise unmeasurable(
            model, f"logits computed layer by layer differ from the model's own by {difference:.1e} of the largest"
        )
