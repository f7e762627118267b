"""Which files of a checkpoint hold its weights: safetensors first, else PyTorch's pickles, never both."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from scripts.common.hub_files import Content

CONFIG = "config.json"
STEMS = {"safetensors": ("model", "safetensors"), "bin": ("pytorch_model", "bin")}  # by format: name and suffix
SHOWN = 12  # steps named in a line


@dataclass(frozen=True)
class Weights:
    """The files to read, by name: `weights` hold the parameters, `others` describe them, `absent` ought to be there."""

    format: str  # safetensors, bin or none
    weights: list[str]
    others: list[str]
    absent: list[str]

    @property
    def status(self) -> str:
        """As in the table `checkpoint_audit`; duplicates are not known here."""
        return "missing" if not self.weights else "incomplete" if self.absent else "ok"


def choose_weights(names: Collection[str]) -> Weights:
    """The weight files among a checkpoint's files: the first form that is whole, else the first of which there is some.

    The forms are model.safetensors, its shards model-00001-of-00002.safetensors, ... with their index, and the same for
    pytorch_model.bin. All else (states of optimizers, other frameworks' weights, adapters) is passed over.
    """
    forms = [form for kind in STEMS for form in _forms(kind, names)]
    return next((form for form in forms if not form.absent), forms[0] if forms else Weights("none", [], [], []))


def _forms(kind: str, names: Collection[str]) -> list[Weights]:
    """The forms of one format of which there is some file, a single file first."""
    stem, suffix = STEMS[kind]
    forms = [_form(kind, [f"{stem}.{suffix}"], [CONFIG], names)] if f"{stem}.{suffix}" in names else []
    shards = [re.fullmatch(rf"{stem}-(\d+)-of-(\d+)\.{suffix}", name) for name in names]
    for total in sorted({shard[2] for shard in shards if shard}):
        width = len(total)
        wanted = [f"{stem}-{number:0{width}}-of-{total}.{suffix}" for number in range(1, int(total) + 1)]
        forms.append(_form(kind, wanted, [CONFIG, f"{stem}.{suffix}.index.json"], names))
    return forms


def _form(kind: str, weights: list[str], others: list[str], names: Collection[str]) -> Weights:
    here, there = ([name for name in group if name in names] for group in (weights, others))
    return Weights(kind, here, there, [name for name in [*weights, *others] if name not in names])


def combined_sha256(names: list[str], contents: list[Content]) -> str:
    """The sha256 of the names and sha256 of weight files; empty if there is none."""
    lines = "".join(f"{content.digest} {name}\n" for name, content in zip(names, contents, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def describe_steps(steps: list[int]) -> str:
    """Steps in words, the first of them by number."""
    more = f" and {len(steps) - SHOWN} more" if len(steps) > SHOWN else ""
    return f"step{'s' * (len(steps) > 1)} {', '.join(map(str, steps[:SHOWN]))}{more}"
