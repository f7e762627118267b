"""What half precision does to logits: their common offset against their spread, and the loss once they are rounded.

Softmax does not see what all logits of a token have in common, their offset (here the mean over the vocabulary); but a
float of p bits of mantissa keeps a logit l only to |l|·2^−p, so a large offset costs digits that matter. Centred logits
have the offset removed before they are rounded: they are those of the head with its mean row removed, where no soft cap
follows it. Computing them as l − offset instead of with another head differs by 2^−24 of the offset, far below what
either half precision can show. Losses of rounded logits are computed in float32.
"""

import math
from typing import TYPE_CHECKING

import torch

from lm_saturation.metrics.cross_entropy import token_losses
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

COLUMNS = [
    "loss_float32", "loss_bfloat16", "loss_float16",
    "loss_float32_centred", "loss_bfloat16_centred", "loss_float16_centred",
    "offset", "spread",
]  # fmt: skip
LARGEST = torch.finfo(torch.float16).max
BLOCK = 1 << 18  # logits worked on at once on a CPU: 1 MB, which a core's cache holds


def logit_precision(logits: torch.Tensor, targets: torch.Tensor, vocabulary_size: int) -> torch.Tensor:
    """The COLUMNS (8, n) of n tokens, from their logits (n, V) in float32 and their `targets` (n,).

    Losses in nats, of float16 infinite where a logit overflows. The offset is the mean over the first
    `vocabulary_size` logits, the spread the mean square deviation from it; softmax is over all.
    """
    if logits.device.type != "cpu":
        return _columns(logits, targets, vocabulary_size)
    rows = max(1, BLOCK // logits.shape[1])
    parts = zip(logits.split(rows), targets.split(rows), strict=True)
    return torch.cat([_columns(*part, vocabulary_size) for part in parts], dim=1)


def _columns(logits: torch.Tensor, targets: torch.Tensor, vocabulary_size: int) -> torch.Tensor:
    used = logits[:, :vocabulary_size]
    offset = used.mean(1)
    centred = logits - offset[:, None]
    spread = torch.linalg.vector_norm(centred[:, :vocabulary_size], dim=1).square() / vocabulary_size
    lowest, highest = logits.amin(1), logits.amax(1)  # aminmax takes 20 times as long
    losses = [*_rounded(logits, targets, lowest, highest)]
    losses += _rounded(centred, targets, lowest - offset, highest - offset)
    return torch.stack([*losses, offset, spread])


def _rounded(
    logits: torch.Tensor, targets: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor
) -> list[torch.Tensor]:
    """The losses (n,) of logits as they are, in bfloat16 and in float16; the extremes (n,) are those of the logits."""
    forms = [(logits, highest)]
    forms += [(logits.to(half).float(), highest.to(half).float()) for half in (torch.bfloat16, torch.float16)]
    losses = [token_losses(form, targets, largest) for form, largest in forms]
    overflows = torch.maximum(-lowest, highest) > LARGEST
    losses[2] = torch.where(overflows, math.inf, losses[2])
    return losses


def summarise(values: torch.Tensor) -> dict[str, float | None]:
    """Means over all tokens of their COLUMNS (8, n), named as in checkpoint_metrics; None where a loss overflows."""
    means = dict(zip(COLUMNS, values.double().mean(1).tolist(), strict=True))
    offset, spread = means.pop("offset"), means.pop("spread")
    size = float(values[COLUMNS.index("offset")].double().square().mean())
    losses = {name: value if math.isfinite(value) else None for name, value in means.items()}
    return {**losses, "logit_offset": offset, "logit_offset_size": math.sqrt(size), "logit_spread": math.sqrt(spread)}


@metric
def columns(forward: "ForwardPass") -> dict[str, float | None]:
    """Losses of rounded logits, and the logits' offset and spread."""
    return summarise(forward.token_columns)
