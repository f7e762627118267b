"""The hidden states of all layers of a model, in one forward pass that keeps only those of two layers at a time.

Anisotropy with the mean removed needs the mean of a layer's states before their norms, that is: all states of a layer
at once. Keeping every layer's would take (layers + 1) × n × d numbers; a second pass would take twice the time. So the
pass is layer by layer: the model gets the whole sample as one batch, and each decoder layer is made to run on a few
sequences at a time. It holds the input and the output of one layer, n × d each, and reads each weight's memory once.
This asks of a model only that its layers stand in one ModuleList and treat sequences apart, as all in transformers do;
`logits.check` compares the outcome with the model's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from scripts.common.jobs import InputError
from scripts.metrics.blocks import in_batches

Observer = Callable[[int, torch.Tensor], None]


def text_config(model: Any) -> Any:
    """The configuration of the language model."""
    return model.config.get_text_config()


def decoder_layers(model: Any) -> nn.ModuleList:
    """The transformer layers. Raises InputError if they cannot be found."""
    number = text_config(model).num_hidden_layers
    for module in model.get_decoder().modules():
        if isinstance(module, nn.ModuleList) and len(module) == number:
            return module
    raise InputError(f"{type(model).__name__}: no list of its {number} layers was found; it cannot be measured")


def trunk_states(model: Any, ids: torch.Tensor, batch_size: int, observe: Observer | None = None) -> torch.Tensor:
    """The hidden states (sequences, tokens, d) that the LM head reads, of token ids (sequences, tokens).

    `observe` is called with 0 and the embedding output, then with the number and the output of each layer.
    Each layer runs on `batch_size` sequences at a time, fewer if CUDA is out of memory.
    """
    run = _LayerByLayer(len(ids), batch_size, getattr(text_config(model), "num_attention_heads", 1), observe)
    layers = decoder_layers(model)
    with (
        torch.inference_mode(),
        replaced_forwards([(layer, run.forward(layer.forward, at)) for at, layer in enumerate(layers)]),
    ):
        return model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state


class _LayerByLayer:
    """Forwards of decoder layers that run a batch in parts."""

    def __init__(self, sequences: int, batch_size: int, heads: int, observe: Observer | None) -> None:
        self.sequences, self.batch_size, self.heads = sequences, batch_size, heads
        self.observe = observe or (lambda _layer, _states: None)

    def forward(self, original: Callable[..., Any], at: int) -> Callable[..., Any]:
        """The forward of the layer number `at` (from 0) in parts; its results are those of the `original`."""

        def in_parts(*args: Any, **kwargs: Any) -> Any:
            if at == 0:
                self.observe(0, args[0] if args else kwargs["hidden_states"])
            whole: list[torch.Tensor] = []
            others: list[tuple[Any, ...]] = [()]

            def work(rows: slice) -> None:
                found = original(*self._part(args, rows), **self._part(kwargs, rows))
                states = found[0] if isinstance(found, tuple) else found
                if not whole:
                    whole.append(states.new_empty((self.sequences, *states.shape[1:])))
                whole[0][rows] = states
                others[0] = found[1:] if isinstance(found, tuple) else ()

            self.batch_size = in_batches(self.sequences, self.batch_size, work)
            self.observe(at + 1, whole[0])
            return (whole[0], *others[0]) if others[0] else whole[0]

        return in_parts

    def _part(self, value: Any, rows: slice) -> Any:
        """What belongs to some sequences of an argument: tensors with one entry a sequence, or one a head of each."""
        if isinstance(value, tuple | list):
            return type(value)(self._part(one, rows) for one in value)
        if isinstance(value, dict):
            return {key: self._part(one, rows) for key, one in value.items()}
        if not isinstance(value, torch.Tensor) or value.ndim < 2:
            return value
        if value.shape[0] == self.sequences:
            return value[rows]
        if value.shape[0] == self.sequences * self.heads:  # ALiBi of BLOOM and Falcon
            return value[rows.start * self.heads : rows.stop * self.heads]
        return value


@contextmanager
def replaced_forwards(forwards: list[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Give modules another forward for a while."""
    before = [vars(module).get("forward") for module, _ in forwards]
    try:
        for module, forward in forwards:
            module.forward = forward
        yield
    finally:
        for (module, _), kept in zip(forwards, before, strict=True):
            vars(module).pop("forward", None)
            if kept is not None:
                module.forward = kept
