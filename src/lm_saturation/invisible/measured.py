"""The rows of the table `offset_intervention`: one model, changed where softmax does not see it and where it does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lm_saturation.config.causes import InterventionOptions
from lm_saturation.evidence.rounding import rounding_cost
from lm_saturation.inference.logits import states_at_once
from lm_saturation.invisible.forms import (
    AS_TRAINED,
    CANONICAL,
    CANONICAL_AS_TRAINED,
    CENTRED,
    CUT,
    HALVES,
    LOUD,
    MOVED,
    OFFSET,
    PRODUCED,
)
from lm_saturation.invisible.readout import (
    Readout,
    canonical,
    centred,
    constant_direction,
    cut,
    least_read_direction,
    mean_direction,
    moved,
    quietest_direction,
    shifted,
    stretched,
)
from lm_saturation.invisible.shape import Targets, head_shapes, least_head_shift, least_move, least_stretch
from lm_saturation.metrics.anisotropy import anisotropy
from lm_saturation.metrics.logit_precision import COLUMNS, logit_precision, summarise

EXACT_TOKENS = 256  # whose loss is also computed in float64
OFFSETS = 64  # quantiles of the offsets of the sample, over which the predicted cost of rounding is averaged
Row = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """A readout in one of the forms, and how it came to be."""

    state: str
    readout: Readout
    stretch: float = 1.0  # of the states, along the direction in which they are most alike
    head_shift: float = 0.0  # ‖u‖ in W + 1uᵀ
    state_shift: float = 0.0  # ‖v‖ in h + v
    asked_offset: float | None = None  # nats


def forms(readout: Readout, targets: Targets, offsets: list[float]) -> Iterator[Form]:
    """The readout as trained, as degenerate as the targets, and back; moved visibly; with growing offsets.

    It is made degenerate twice, with u along which states are shortest and with u along their mean: the raw metrics are
    alike, the offsets of the logits are not.
    """
    yield Form(AS_TRAINED, readout)
    direction = constant_direction(readout.states)
    factor = least_stretch(readout, direction, targets.anisotropy)
    longer = stretched(readout, direction, factor)
    shifts = {PRODUCED: quietest_direction(longer.states), LOUD: mean_direction(longer.states)}
    made: dict[str, Readout] = {}
    for state, shift in shifts.items():
        scale = least_head_shift(longer.head, shift, targets)
        made[state] = shifted(longer, scale * shift)
        yield Form(state, made[state], factor, scale)
    produced = made[PRODUCED]
    yield Form(CENTRED, centred(produced), factor)
    yield Form(CANONICAL, canonical(produced), factor)
    yield Form(CANONICAL_AS_TRAINED, canonical(readout))
    unread = least_read_direction(readout)
    far = least_move(readout, unread, targets.anisotropy)
    yield Form(MOVED, moved(readout, far * unread), state_shift=far)
    yield Form(CUT, moved(cut(readout, unread), far * unread), state_shift=far)
    common = mean_direction(readout.states)
    size = float((readout.states @ common).square().mean().sqrt())
    for offset in offsets:
        scale = offset / size
        yield Form(OFFSET, shifted(readout, scale * common), head_shift=scale, asked_offset=offset)


def rows_of(readout: Readout, next_tokens: Tensor, options: InterventionOptions, targets: Targets) -> Iterator[Row]:
    """A row per form and precision of the logits; `next_tokens` (n,) follow the states. Keys are left out.

    Changes of the loss are against the readout as trained, on the same tokens: in float64 if they are in float64, else
    in float32.
    """
    tokens = next_tokens[: options.loss_tokens]
    reference: dict[str, float] = {}
    for form in forms(readout, targets, options.offsets):
        shape = shape_row(form.readout)
        losses, logits = losses_of(form.readout, tokens)
        if form.state != OFFSET:
            losses["float64"] = _exact_loss(form.readout, tokens[:EXACT_TOKENS])
        reference = reference or {name: losses[name] for name in ("float64", "float32")}
        for precision, loss in losses.items():
            exact = precision == "float64"
            yield {
                "hidden_size": readout.head.shape[1],
                "vocabulary_size": len(readout.head),
                "sample_tokens": len(readout.states),
                "state": form.state,
                "asked_offset": form.asked_offset,
                "stretch": form.stretch,
                "head_shift": form.head_shift,
                "state_shift": form.state_shift,
                **shape,
                "entropy_target": targets.entropy_share * np.log(min(readout.head.shape)),
                "sigma_ratio_target": targets.sigma_ratio,
                "anisotropy_target": targets.anisotropy,
                "logit_offset": logits["offset_size"],
                "logit_spread": logits["spread"],
                "precision": precision,
                "loss_tokens": len(tokens[:EXACT_TOKENS] if exact else tokens),
                "loss_nats": loss,
                "loss_change_nats": None if loss is None else loss - reference["float64" if exact else "float32"],
                "rounding_nats": None if loss is None or precision not in HALVES else loss - losses["float32"],
                "predicted_nats": None if loss is None else logits.get(precision),
            }


def shape_row(readout: Readout) -> Row:
    """What the figures of the paper show of it, raw and centred."""
    plain, without = head_shapes(readout.head)
    cosines = anisotropy(readout.states)
    return {
        "singular_entropy": plain.entropy,
        "singular_entropy_centred": without.entropy,
        "sigma_ratio": plain.sigma_ratio,
        "sigma_ratio_centred": without.sigma_ratio,
        "anisotropy": cosines.raw,
        "anisotropy_centred": cosines.centred,
        "hidden_mean_share": cosines.mean_share,
    }


def losses_of(readout: Readout, next_tokens: Tensor) -> tuple[dict[str, Any], dict[str, float]]:
    """The mean losses of float32 logits, as they are and rounded; their offset and spread, and what rounding must cost.

    Head and states are rounded to float32 before. A loss is None where a logit overflows.
    """
    head, bias, states = (part.float() for part in (readout.head, readout.bias, readout.states[: len(next_tokens)]))
    columns = torch.empty(len(COLUMNS), len(next_tokens), device=head.device)
    size = states_at_once(len(head), head.device)
    for begin in range(0, len(next_tokens), size):
        places = slice(begin, begin + size)
        logits = torch.addmm(bias, states[places], head.T)
        columns[:, places] = logit_precision(logits, next_tokens[places], len(head))
    means: dict[str, Any] = summarise(columns)
    found = {"offset_size": means["logit_offset_size"], "spread": means["logit_spread"]}
    offsets = columns[COLUMNS.index("offset")].double().cpu().numpy()
    costs = {half: _predicted(offsets, float(found["spread"]), half, len(head)) for half in HALVES}
    return {name: means[f"loss_{name}"] for name in ("float32", *HALVES)}, found | costs


def _predicted(offsets: np.ndarray, spread: float, half: str, vocabulary_size: int) -> float:
    """What rounding logits must cost: Gaussian ones of this spread, with these offsets (n,)."""
    chosen = np.quantile(offsets, (np.arange(OFFSETS) + 0.5) / OFFSETS)
    return float(np.mean([rounding_cost(float(offset), spread, half, vocabulary_size) for offset in chosen]))


def _exact_loss(readout: Readout, next_tokens: Tensor) -> float:
    logits = torch.addmm(readout.bias, readout.states[: len(next_tokens)], readout.head.T)
    return float(cross_entropy(logits, next_tokens))
