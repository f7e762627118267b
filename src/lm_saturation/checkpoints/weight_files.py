"""The files of a checkpoint that hold its weights: safetensors first, else PyTorch's pickles, else GGUF, never two."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import SUFFIX as GGUF
from lm_saturation.io.hub import Content
from lm_saturation.io.reading import unreadable_named

CONFIG = "config.json"
FORMS = "model.safetensors, pytorch_model.bin, shards of them or a single .gguf file"
STEMS = {"safetensors": ("model", "safetensors"), "bin": ("pytorch_model", "bin")}  # by format: name and suffix
SUFFIXES = {".safetensors", ".bin", ".json", GGUF}
OTHER_FORMS = re.compile(
    r"(?!.*rng_state)(adapter_model\..+|.+\.(pth|gguf|ckpt|distcp|msgpack|h5)|.+_model_states\.pt)"
)
SHOWN = 12  # steps named in a line


@dataclass(frozen=True)
class WeightFiles:
    """The files to read, by name: `weights` hold the parameters, `others` describe them, `absent` are missing."""

    format: str  # safetensors, bin, gguf or none
    weights: list[str]
    others: list[str]
    absent: list[str]

    @property
    def needed(self) -> list[str]:
        """All files to read."""
        return [*self.others, *self.weights]

    @property
    def status(self) -> str:
        """As in the table `checkpoint_audit`; duplicates are not known here."""
        return "missing" if not self.weights else "incomplete" if self.absent else "ok"


def choose_weights(names: Collection[str], read: Callable[[str], bytes]) -> WeightFiles:
    """The weight files among a checkpoint's files: the first layout that is complete, else the first that is begun.

    The layouts are model.safetensors, shards with the index that names them, and the same for pytorch_model.bin, as
    transformers looks for them; last a single GGUF file, which needs no config.json. All else (optimizer states, other
    frameworks' weights, adapters, several GGUF files) is ignored. `read` gives what an index holds; it is not called
    where a layout before is complete.
    """
    begun: WeightFiles | None = None
    layouts = (layout for kind in STEMS for layout in _layouts(kind, names, read))
    for layout in chain(layouts, _gguf_layout(names)):
        if not layout.absent:
            return layout
        begun = begun or layout
    return begun or WeightFiles("none", [], [], [])


def weights_at(place: Path) -> WeightFiles:
    """The weight files of a checkpoint on disk: a GGUF file, or a folder, where an index may name shards below.

    Raises InputError if this user may not read the folder, or one of its files is a link that leads nowhere.
    """
    with unreadable_named(place):
        return WeightFiles("gguf", [place.name], [], []) if place.is_file() else weights_in_folder(place)


def weights_in_folder(folder: Path) -> WeightFiles:
    """The weight files in a folder; an index may name shards in folders below.

    Raises InputError if one of its files is a link that leads nowhere.
    """
    paths = paths_in(folder)
    for path in paths:
        if path.suffix in SUFFIXES and path.is_symlink() and not path.exists():  # as caches that were moved leave them
            raise InputError(f"{path}: a link that leads nowhere")
    names = [path.relative_to(folder).as_posix() for path in paths if path.is_file()]
    return choose_weights(names, lambda name: (folder / name).read_bytes())


def paths_in(folder: Path) -> list[Path]:
    """What is in a folder and in those in it, where an index may name shards and processes put their parts."""
    return [*folder.iterdir(), *folder.glob("*/*")]


def other_weights(names: Iterable[str]) -> list[str]:
    """The files that hold weights in forms that are not read.

    These are adapters, Meta's and PyTorch's own (also split over processes), DeepSpeed's and other frameworks'.
    """
    return sorted(name for name in names if OTHER_FORMS.fullmatch(name))


def _layouts(kind: str, names: Collection[str], read: Callable[[str], bytes]) -> Iterator[WeightFiles]:
    """The layouts of one format of which there is at least one file, a single file first."""
    stem, suffix = STEMS[kind]
    index = f"{stem}.{suffix}.index.json"
    if f"{stem}.{suffix}" in names:
        yield _layout(kind, [f"{stem}.{suffix}"], [CONFIG], names)
    if index in names:
        if shards := shards_of_index(read(index)):
            yield _layout(kind, shards, [CONFIG, index], names)
            return
        names, index = set(names) - {index}, f"a {index} that names its shards"
    numbered = [re.fullmatch(rf"{stem}-(\d+)-of-(\d+)\.{suffix}", name) for name in names]
    for total in sorted({shard[2] for shard in numbered if shard}):  # to say what is absent
        digits = len(total)
        weights = [f"{stem}-{number:0{digits}}-of-{total}.{suffix}" for number in range(1, int(total) + 1)]
        yield _layout(kind, weights, [CONFIG, index], names)


def _gguf_layout(names: Collection[str]) -> Iterator[WeightFiles]:
    """The only GGUF file of a checkpoint; of several none is the right one more than another."""
    files = [name for name in names if name.endswith(GGUF) and "/" not in name]
    if len(files) == 1:
        yield WeightFiles("gguf", files, [], [])


def shards_of_index(index: bytes) -> list[str]:
    """The files that an index says hold the parameters, by name; none if it cannot be read."""
    try:
        files = sorted(set(json.loads(index)["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    return files if all(isinstance(file, str) for file in files) else []


def _layout(kind: str, weights: list[str], others: list[str], names: Collection[str]) -> WeightFiles:
    """A layout of these files, of which some may be absent from `names`."""
    present, described = ([name for name in group if name in names] for group in (weights, others))
    return WeightFiles(kind, present, described, [name for name in [*weights, *others] if name not in names])


def combined_sha256(names: list[str], contents: list[Content]) -> str:
    """The sha256 of the names and sha256 of weight files; empty if there is none."""
    lines = "".join(f"{content.digest} {name}\n" for name, content in zip(names, contents, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def describe_steps(steps: list[int]) -> str:
    """Steps in words: the first SHOWN by number, then how many more."""
    more = f" and {len(steps) - SHOWN} more" if len(steps) > SHOWN else ""
    return f"step{'s' * (len(steps) > 1)} {', '.join(map(str, steps[:SHOWN]))}{more}"
