"""What each number of a probe means, in one line, and where a model's lies among published ones.

A reading is no verdict: it says a number, what it is, and what others have.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lm_saturation.probing.references import References, places, short


@dataclass(frozen=True)
class Meaning:
    """What a number is: its name for people, its unit, and one line on what it means."""

    label: str
    unit: str
    line: str
    unplaced: str = "no published number to compare with"  # why, where there is no reference


NATS, COSINE = "nats/token", "mean cosine"
TEXT = "depends on text and tokenizer: compare with your own checkpoints"

MEANINGS = {  # by column, in the order of tables
    "cross_entropy_nats": Meaning("loss", NATS, "mean cross-entropy of the next token", TEXT),
    "bits_per_byte": Meaning("loss per byte", "bits/byte", "the same by byte of text: comparable across tokenizers"),
    "loss_bfloat16": Meaning("loss, logits in bfloat16", NATS, "the loss once logits are rounded to bfloat16", TEXT),
    "bfloat16_cost": Meaning("cost of bfloat16", NATS, "loss that rounding the logits to bfloat16 adds"),
    "bfloat16_cost_centred": Meaning(
        "cost of bfloat16, offset removed", NATS, "the same after the offset is removed: what centring cannot save"
    ),
    "loss_float16": Meaning("loss, logits in float16", NATS, "the loss once logits are rounded to float16", TEXT),
    "float16_cost": Meaning(
        "cost of float16", NATS, "loss that rounding the logits to float16 adds; inf: they overflow"
    ),
    "float16_cost_centred": Meaning("cost of float16, offset removed", NATS, "the same after the offset is removed"),
    "logit_offset": Meaning("logit offset", "nats", "mean of all logits; softmax does not see it, half precision does"),
    "logit_offset_size": Meaning(
        "size of the offset", "nats", "root mean square of that offset over tokens", "see logit_offset"
    ),
    "logit_spread": Meaning("logit spread", "nats", "root mean square deviation of logits from their offset"),
    "anisotropy": Meaning("anisotropy", COSINE, "how parallel the hidden states are that the LM head reads"),
    "anisotropy_centred": Meaning("anisotropy, centred", COSINE, "the same with the mean state removed"),
    "singular_entropy": Meaning(
        "singular entropy", "nats", "how uneven the LM head's singular values are; 0: all alike, ln d: one alone"
    ),
    "singular_entropy_centred": Meaning(
        "singular entropy, centred", "nats", "the same with the mean row removed, which softmax does not see"
    ),
    "singular_ratio": Meaning(
        "σ₂/σ₁", "", "the LM head's second singular value over its first; near 0: one direction rules"
    ),
    "singular_ratio_centred": Meaning("σ₂/σ₁, centred", "", "the same with the mean row removed"),
    "head_mean_share": Meaning("mean row's share", "of squared norm", "share of the LM head in its mean row"),
    "loss_on_unigram_text": Meaning(
        "loss on unigram text", NATS, "loss on tokens drawn alone by their frequency; its rise goes with saturation"
    ),
    "unigram_entropy": Meaning(
        "entropy of that text", NATS, "the least that any model can lose there", "depends on the text"
    ),
    "unargmaxable_tokens": Meaning(
        "tokens never likeliest", "tokens", "tokens that no hidden state can make the most likely (arXiv 2203.06462)"
    ),
}
COURSE = {  # of several steps
    "loss_increase": Meaning("loss above its minimum", NATS, "last loss less the lowest", TEXT),
    "unigram_increase": Meaning(
        "unigram text: above its minimum",
        NATS,
        "last less the lowest; rises with saturation, and early in training",
    ),
}
ALL = MEANINGS | COURSE


@dataclass(frozen=True)
class Reading:
    """A number of a model, what it means, and its place among published models (a line each)."""

    name: str
    value: float
    label: str
    unit: str
    meaning: str
    places: tuple[str, ...]

    @property
    def text(self) -> str:
        """The number and its unit."""
        return f"{short(self.value)} {self.unit}".strip()

    @property
    def place(self) -> str:
        """The places in one line."""
        return "; ".join(self.places)

    def plain(self) -> dict[str, Any]:
        """For JSON, which has no infinity: None stands for a logit that overflows float16."""
        value = self.value if math.isfinite(self.value) else None
        return {"value": value, "unit": self.unit, "meaning": self.meaning, "places": list(self.places)}


def read(values: Mapping[str, float], width: int | None = None, beside: References | None = None) -> list[Reading]:
    """The readings of numbers by column, in the order of tables.

    `width` is the model's d; `beside` are references besides the published ones.
    """
    readings = []
    for name, meaning in ALL.items():
        if name in values:
            value = float(values[name])
            found = places(name, value, width, beside) or [meaning.unplaced]
            readings.append(Reading(name, value, meaning.label, meaning.unit, meaning.line, tuple(found)))
    return readings
