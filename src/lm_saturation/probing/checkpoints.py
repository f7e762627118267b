"""What a path can be: a checkpoint or a folder of them, as Trainer, nanoGPT, Lightning, Composer and llama.cpp write.

for checkpoint in find_checkpoints(Path("runs/small")):
    model = load_checkpoint(checkpoint.path)

A pickle is only ever read with weights_only; no code of a checkpoint is run.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer

from lm_saturation.checkpoints.weight_files import CONFIG, FORMS, weights_in_folder
from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import SUFFIX as GGUF
from lm_saturation.text.gguf_tokenizer import gguf_tokenizer
from lm_saturation.text.tokenizers import load_tokenizer

OLMO, OLMO_WEIGHTS = "config.yaml", ("model.pt", "model.safetensors", "model")  # the last: a folder of shards
PICKLES = (".pt", ".pth", ".ckpt")
STEP = re.compile(r"(?:checkpoint|ckpt|global_step|step|iter|ba)[-_=]?(\d+)", re.IGNORECASE)
FOLDERS = f"a folder with {FORMS}, one of checkpoint-* folders or of OLMo's trainer"
READ = f"{FOLDERS}, a GGUF file, or {', '.join(PICKLES)} of PyTorch"
LAST = "last"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, and the step that its name says; None if it says none. What is not on disk yet can be fetched."""

    path: Path
    step: int | None
    fetch: Callable[[], Path] | None = None

    @property
    def label(self) -> str:
        """The step, else the name."""
        return self.path.name if self.step is None else str(self.step)

    def locate(self) -> Path:
        """Where it lies on disk, once it is there."""
        return self.fetch() if self.fetch else self.path


def find_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints at a path, in order of their steps.

    A folder that holds both weights and folders of checkpoints, as Trainer leaves it, is read as the checkpoints.
    Raises InputError if there is none, or two are of one step.
    """
    if path.is_file():
        if path.suffix not in (GGUF, *PICKLES):
            raise InputError(f"{path}: not a checkpoint; allowed: {READ}")
        return [Checkpoint(path, step_of(path.name))]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder; allowed: {READ}")
    inside = [Checkpoint(child, step_of(child.name)) for child in sorted(path.iterdir()) if _may_be(child)]
    steps = sorted((child for child in inside if child.step is not None), key=lambda child: child.step or 0)
    for one, other in pairwise(steps):
        if one.step == other.step:
            raise InputError(f"{path}: {one.path.name} and {other.path.name} are both of step {one.step}; name one")
    if steps:
        return steps
    if is_olmo(path) or weights_in_folder(path).status != "missing":
        return [Checkpoint(path, step_of(path.name))]
    files = [child for child in inside if child.path.is_file()]
    if len(files) == 1:
        return files
    if files:
        raise InputError(f"{path}: it holds {files[0].path.name}, {files[1].path.name} and no steps; name one of them")
    raise _none_in(path)


def _none_in(folder: Path) -> InputError:
    """What to raise of a folder without a checkpoint: where some are below it, or what it holds."""
    children = sorted(folder.iterdir())
    if below := [child.name for child in children if _holds_checkpoints(child)]:
        return InputError(f"{folder}: no checkpoint in it, but below: {', '.join(below[:3])}; name one of them")
    held = ", ".join(child.name for child in children[:3]) or "nothing"
    return InputError(f"{folder}: no checkpoint in it, it holds {held}; allowed: {READ}")


def _holds_checkpoints(folder: Path) -> bool:
    try:
        return folder.is_dir() and any(map(_may_be, folder.iterdir()))
    except OSError:  # it may not be read
        return False


def step_of(name: str) -> int | None:
    """The step that a name of a checkpoint says; None if it says none."""
    match = STEP.search(name)
    return int(match[1]) if match else None


def is_olmo(folder: Path) -> bool:
    """Whether a folder is a checkpoint of OLMo's trainer."""
    return (folder / OLMO).is_file() and any((folder / name).exists() for name in OLMO_WEIGHTS)


def _may_be(path: Path) -> bool:
    if path.is_dir():
        return step_of(path.name) is not None
    not_weights = ("optimizer", "scheduler", "rng_state", "scaler", "training_args")
    return path.suffix in (GGUF, *PICKLES) and not path.name.startswith(not_weights)


def choose_steps(checkpoints: list[Checkpoint], steps: str | None) -> list[Checkpoint]:
    """Those that `steps` names: numbers, ranges first:last and `last`, with commas between; all without it.

    Raises InputError if it is written otherwise, or a step is not there.
    """
    if steps is None:
        return checkpoints
    there = [checkpoint.step for checkpoint in checkpoints if checkpoint.step is not None]
    wanted: set[int] = set()
    for part in steps.split(","):
        found = _steps_of(part.strip(), there)
        if not found:
            known = ", ".join(map(str, there[:12])) or "none that a name says"
            raise InputError(f"--steps: there is no step {part.strip()!r}; there are {known}")
        wanted |= found
    return [checkpoint for checkpoint in checkpoints if checkpoint.step in wanted]


def _steps_of(part: str, there: list[int]) -> set[int]:
    """The steps of one number, range or `last`."""
    if part == LAST:
        return set(there[-1:])
    match = re.fullmatch(r"(\d*)(:?)(\d*)", part)
    if not match or part in ("", ":"):
        raise InputError(f"--steps: {part!r}; allowed: numbers, ranges such as 1000:5000, {LAST}, with commas between")
    first, colon, last = match.groups()
    if not colon:
        return {int(first)} & set(there)
    return {step for step in there if int(first or 0) <= step <= int(last or max(there, default=0))}


def load_checkpoint(path: Path) -> object:
    """The causal model of transformers of a checkpoint, its parameters in float32, for evaluation.

    Raises InputError, in one line, if it cannot be read.
    """
    import torch  # here, because it takes seconds, and what cannot be found is said at once

    from lm_saturation.checkpoints.loading import load_model
    from lm_saturation.probing.olmo import load_olmo
    from lm_saturation.probing.pickles import load_pickle

    if path.suffix in PICKLES:
        return load_pickle(path)
    if not (path / CONFIG).is_file() and is_olmo(path):
        return load_olmo(path)
    return load_model(path, torch.float32)


def find_tokenizer(places: Iterable[Path]) -> Tokenizer | None:
    """The first tokenizer at these places: a tokenizer.json, a GGUF file, or folders with one; None if there is none.

    Raises InputError if a file is damaged.
    """
    for place in places:
        if place.suffix == GGUF and place.is_file():
            return gguf_tokenizer(place)
        if place.suffix == ".json" and place.is_file():
            return load_tokenizer(place)
        folder = place if place.is_dir() else place.parent
        if (folder / "tokenizer.json").is_file():
            return load_tokenizer(folder / "tokenizer.json")
        if (folder / "tokenizer_config.json").is_file() and (found := _of_transformers(folder)):
            return found
    return None


def _of_transformers(folder: Path) -> Tokenizer | None:
    """What transformers makes of older files (vocab.json and merges.txt, say); None if that is no fast tokenizer."""
    from transformers import AutoTokenizer

    try:
        made = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception:  # of many classes: then there is no tokenizer here
        return None
    backend = getattr(made, "backend_tokenizer", None)
    return backend if isinstance(backend, Tokenizer) else None
