"""The hidden states of all layers of a model, in one forward pass that keeps only those of two layers at a time.

Anisotropy with the mean removed needs the mean of a layer's states before their norms, that is: all states of a layer
at once. Keeping every layer's would take (layers + 1) × n × d numbers; a second pass would take twice the time. So the
pass is layer by layer: the model gets the whole sample as one batch, and each decoder layer is made to run on a few
sequences at a time. It holds the input and the output of one layer, n × d each, and reads each weight's memory once.
This asks of a model only that its layers stand in one ModuleList, run once each in order, and treat sequences apart, as
almost all in transformers do; `logits.check` compares the outcome with the model's own.

Which axis of a layer's arguments belongs to the sequences cannot be seen from one size, which may agree with another by
coincidence (as many sequences as heads): a pass of one sequence goes before, and where its size differs is that axis.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as trees

from lm_saturation.errors import InputError
from lm_saturation.inference.blocks import in_batches
from lm_saturation.io.logs import ProgressBar

Observer = Callable[[int, torch.Tensor], None]
Shapes = list[torch.Size | None]  # of all that a layer is given; None of what is no tensor


def text_config(model: Any) -> Any:
    """The configuration of the language model."""
    return model.config.get_text_config()


def positions_of(model: Any) -> int | None:
    """How many tokens the model can read at once; None if its configuration names no limit (XLNet's says -1)."""
    positions = getattr(text_config(model), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None


def trunk_of(model: Any) -> Any:
    """All of the model but its head. Raises InputError if it has no such part."""
    for trunk in (model.get_decoder(), model.base_model, *model.children()):  # the first two may be the model itself
        if isinstance(trunk, nn.Module) and model.get_output_embeddings() not in trunk.modules():
            return trunk
    raise unmeasurable(model, "it has no part that is all but its LM head")


def decoder_layers(model: Any) -> nn.ModuleList:
    """The transformer layers. Raises InputError if they cannot be found."""
    number = text_config(model).num_hidden_layers
    for parent in trunk_of(model).modules():
        lists = [child for child in parent.children() if isinstance(child, nn.ModuleList) and len(child) == number]
        if len(lists) > 1:  # XLM's attentions, norms and feed-forward parts
            raise unmeasurable(model, f"it has {len(lists)} lists of {number} modules, and none of whole layers")
        if lists:
            return lists[0]
    raise unmeasurable(model, f"no list of its {number} layers was found")


def unmeasurable(model: Any, reason: str) -> InputError:
    """The error to raise of a kind of model that cannot be measured."""
    return InputError(f"{type(model).__name__}: {reason}; models of this kind cannot be measured")


@contextmanager
def crashes_refused(model: Any) -> Iterator[None]:
    """Say in one line what the code of a model raised; the checkpoints of other models go on."""
    try:
        yield
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of any class: the model's code is not ours
        reason = " ".join(str(error).split())[:200]
        raise unmeasurable(model, f"its forward pass failed ({type(error).__name__}: {reason})") from error


def trunk_states(model: Any, ids: torch.Tensor, batch_size: int, observe: Observer | None = None) -> torch.Tensor:
    """The hidden states (sequences, tokens, d) that the LM head reads, of token ids (sequences, tokens).

    `observe` is called with 0 and the embedding output, then with the number and the output of each layer.
    Each layer runs on `batch_size` sequences at a time, fewer if CUDA is out of memory. Raises InputError if the model
    is of a kind that cannot be measured.
    """
    trunk, layers = trunk_of(model), decoder_layers(model)
    # only a slow pass shows its progress: training has one a step
    bar = ProgressBar(desc="layers of the trunk", total=len(layers), unit="layer", delay=10)
    run = _LayerByLayer(model, ids.shape, batch_size, observe, bar.update)
    with torch.inference_mode(), crashes_refused(model), bar:
        if run.may_cut(ids.device):
            with replaced_forwards([(layer, run.recorded(layer.forward)) for layer in layers]):
                trunk(input_ids=ids[:1], use_cache=False)
        with replaced_forwards([(layer, run.in_parts(layer.forward, at)) for at, layer in enumerate(layers)]):
            states = trunk(input_ids=ids, use_cache=False).last_hidden_state
    run.check_states(states, "the trunk")
    return states


class _LayerByLayer:
    """Forwards of decoder layers that run a batch in parts."""

    def __init__(
        self, model: Any, shape: torch.Size, batch_size: int, observe: Observer | None, tick: Callable[[], Any]
    ) -> None:
        self.model, self.shape, self.sequences, self.batch_size = model, shape, shape[0], batch_size
        self.observe = observe or (lambda _layer, _states: None)
        self.tick = tick  # called when a layer is done
        self.of_one: list[Shapes] | None = None  # of each layer, with one sequence; None if no batch is cut
        self.done = 0  # layers

    def may_cut(self, device: torch.device) -> bool:
        """Whether layers may have to run in parts: if not, how their arguments are cut need not be found out."""
        cuts = self.sequences > self.batch_size or device.type != "cpu"
        self.of_one = [] if cuts else None
        return cuts

    def recorded(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A layer's forward as it is, whose arguments belong to one sequence: their shapes are kept."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            assert self.of_one is not None
            self.of_one.append([getattr(leaf, "shape", None) for leaf in trees.tree_leaves((args, kwargs))])
            return original(*args, **kwargs)

        return forward

    def in_parts(self, original: Callable[..., Any], at: int) -> Callable[..., Any]:
        """The forward of the layer number `at` (from 0) in parts; what it returns is what the `original` does."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            if at != self.done or (self.of_one is not None and at >= len(self.of_one)):
                raise unmeasurable(self.model, "its layers do not run once each, in order")
            if at == 0:
                self._observe(0, args[0] if args else kwargs["hidden_states"])
            whole = _Joined(self.model, self.sequences)
            if self.of_one is None:
                whole.add(slice(0, self.sequences), original(*args, **kwargs))
            else:
                self._add_parts(whole, original, (args, kwargs), self.of_one[at])
            self.done += 1
            self.tick()
            self._observe(self.done, whole.leaves[0])
            return trees.tree_unflatten(whole.leaves, whole.structure)

        return forward

    def _add_parts(self, whole: "_Joined", original: Callable[..., Any], arguments: Any, of_one: Shapes) -> None:
        leaves, structure = trees.tree_flatten(arguments)
        axes = self._axes(leaves, of_one)

        def work(rows: slice) -> None:
            some = [
                leaf if axis is None else _cut(leaf, axis, rows, self.sequences)
                for leaf, axis in zip(leaves, axes, strict=True)
            ]
            args, kwargs = trees.tree_unflatten(some, structure)
            whole.add(rows, original(*args, **kwargs))

        self.batch_size = in_batches(self.sequences, self.batch_size, work)

    def _observe(self, layer: int, states: Any) -> None:
        self.check_states(states, f"layer {layer}")
        self.observe(layer, states)

    def check_states(self, states: Any, where: str) -> None:
        """Raise InputError if these are not the states (sequences, tokens, d) of all tokens."""
        shape = getattr(states, "shape", None)
        if shape is None or len(shape) != len(self.shape) + 1 or shape[:-1] != self.shape:
            found = type(states).__name__ if shape is None else f"states of shape {tuple(shape)}"
            raise unmeasurable(
                self.model, f"{where} gives {found} for {self.shape[0]} sequences of {self.shape[1]} tokens"
            )

    def _axes(self, leaves: list[Any], of_one: Shapes) -> list[int | None]:
        """The axis of the sequences of each argument; None where there is none. ALiBi of BLOOM has one entry a head."""
        shapes = [getattr(leaf, "shape", None) for leaf in leaves]
        if len(shapes) != len(of_one):
            raise unmeasurable(self.model, "its layers are given other arguments for one sequence than for several")
        return [self._axis(*both) for both in zip(shapes, of_one, strict=True)]

    def _axis(self, shape: torch.Size | None, of_one: torch.Size | None) -> int | None:
        if shape == of_one:
            return None
        if shape is not None and of_one is not None and len(shape) == len(of_one):
            axes = [axis for axis in range(len(shape)) if shape[axis] != of_one[axis]]
            if len(axes) == 1 and shape[axes[0]] == self.sequences * of_one[axes[0]]:
                return axes[0]
        raise unmeasurable(
            self.model, f"a layer is given a tensor of {of_one} for one sequence and of {shape} for {self.sequences}"
        )


def _cut(tensor: torch.Tensor, axis: int, rows: slice, sequences: int) -> torch.Tensor:
    """What belongs to some sequences of a tensor whose `axis` holds one or more entries for each, one after another."""
    entries = tensor.shape[axis] // sequences
    return tensor.narrow(axis, rows.start * entries, (rows.stop - rows.start) * entries)


class _Joined:
    """What a layer returned for all sequences: its states, (sequences, tokens, d), and what is the same for all.

    Of the rest (attention weights, which take far more memory and which nothing reads) a mark stays: a model whose
    code does read it fails there, rather than going on with the values of some sequences.
    """

    def __init__(self, model: Any, sequences: int) -> None:
        self.model, self.sequences = model, sequences
        self.leaves: list[Any] = []
        self.structure: Any = None

    def add(self, rows: slice, found: Any) -> None:
        """Add the results of some sequences."""
        leaves, self.structure = trees.tree_flatten(found)
        if not leaves or not isinstance(leaves[0], torch.Tensor):
            raise unmeasurable(self.model, "a layer returns no states")
        states, *others = leaves
        if len(states) == self.sequences:
            self.leaves = leaves
            return
        if not self.leaves:
            self.leaves = [states.new_empty((self.sequences, *states.shape[1:])), *others]
        self.leaves[0][rows] = states
        pairs = zip(self.leaves[1:], others, strict=True)
        self.leaves[1:] = [one if _same(one, other) else _OfSomeSequences() for one, other in pairs]


class _OfSomeSequences:
    """Stands for what was not joined."""


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other)


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
