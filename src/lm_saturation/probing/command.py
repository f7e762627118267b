"""The command `lm-saturation`.

lm-saturation probe runs/small --text held_out.txt --fail-if 'logit_offset_size>100'

Exit status: 0, 1 if a reading fails a threshold, 2 if something could not be read.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lm_saturation.errors import InputError

if TYPE_CHECKING:
    from lm_saturation.probing.checkpoints import Checkpoint
    from lm_saturation.probing.run import Probed

FAILED, UNREADABLE = 1, 2
MOST_TEXT = 4_000_000  # characters: the sample is drawn from so much of the text
BUILT_IN = "topics of the running Python's documentation"
IDS = {".bin", ".npy"}  # files of token ids; .bin as nanoGPT writes it, uint16


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise InputError(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    top = Parser(prog="lm-saturation", description="Why small language models saturate: metrics of checkpoints.")
    command = top.add_subparsers(dest="command", required=True, metavar="probe").add_parser(
        "probe",
        help="the health of one checkpoint, or of a folder of them",
        description="The health of one checkpoint, or of a folder of them. docs/probe.md says what the numbers mean.",
        epilog="Exit status: 0; 1 if a reading fails a threshold; 2 if something could not be read.",
    )
    add = command.add_argument
    add("path", metavar="PATH_OR_REPO", help="folder, GGUF file, ckpt.pt, or owner/name on the Hugging Face hub")
    add(
        "--text",
        nargs="+",
        metavar="FILE",
        help=f"text, or token ids (.bin of uint16, .npy); else {BUILT_IN}",
    )
    add("--tokenizer", metavar="PATH", help="tokenizer.json, or a folder with one, where the checkpoint has none")
    add("--steps", help="which checkpoints: 1000,2000 or 1000:5000 or last; else all")
    add(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="as 'logit_offset_size>100'; repeatable",
    )
    add("--beside", metavar="RESULTS", help="results of a run of the workflow: also place readings among its models")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--html", metavar="FILE", help="write a page with the readings and curves over the steps")
    add(
        "--tokens",
        type=int,
        default=4096,
        help="tokens of text that are predicted (%(default)s); half as many of random text",
    )
    add("--unargmaxable", action="store_true", help="search for tokens never likeliest, also in large vocabularies")
    add("--device", choices=("cpu", "cuda"), help="where models run; else a GPU if there is one")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    try:
        return _probe(parser().parse_args(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        return 130


def _probe(options: argparse.Namespace) -> int:
    checkpoints = checkpoints_at(options.path, options.steps)

    # Imported here and below: what takes seconds comes after what may fail.
    from lm_saturation.probing.thresholds import Threshold

    thresholds = [Threshold.of(text) for text in options.fail_if]
    if options.html:
        from lm_saturation.probing.page import check_packages

        check_packages()
    texts, source = read_texts(options.text)

    from lm_saturation.probing.run import probe_all

    probed = probe_all(checkpoints, options, texts, source)
    failures = [] if not probed.steps else list(_failures(probed, thresholds))
    if options.html:  # first: what is printed may go to a pipe that is closed
        from lm_saturation.probing.page import write_page

        write_page(Path(options.html), probed, failures)
    if options.json:
        print(json.dumps(probed.plain() | {"failures": failures}, indent=2, allow_nan=False))
    else:
        probed.show()
    for line in [*probed.unread, *failures]:
        print(f"error: {line}" if line in probed.unread else f"failed: {line}", file=sys.stderr)
    return UNREADABLE if probed.unread else FAILED if failures else 0


def checkpoints_at(path: str, steps: str | None) -> list["Checkpoint"]:
    """The checkpoints at a path, or in a repository of the hub. Raises InputError if there are none."""
    from lm_saturation.probing.checkpoints import choose_steps, find_checkpoints
    from lm_saturation.probing.hub import REPOSITORY, hub_checkpoints

    place = Path(path).expanduser()
    if not place.exists() and REPOSITORY.fullmatch(path) and not place.parent.is_dir():
        return hub_checkpoints(path, steps)
    return choose_steps(find_checkpoints(place), steps)


def _failures(probed: "Probed", thresholds: list[Any]) -> Iterator[str]:
    """A line for each checkpoint and threshold that it fails; those of a course are tried once."""
    for threshold in thresholds:
        if threshold.name in ("loss_increase", "unigram_increase"):
            found = [threshold.failure(probed.course.values, "over the steps")]
        else:
            found = [threshold.failure(health.values, label) for label, health in probed.steps]
        yield from filter(None, found)


def read_texts(files: Sequence[str] | None) -> tuple[Any, str]:
    """Texts, or token ids, and where they are from.

    Raises InputError if a file cannot be read or is of another kind.
    """
    if not files:
        topics = import_module("pydoc_data.topics").topics
        return [topics[name] for name in sorted(topics)], f"{BUILT_IN} ({sys.version_info[0]}.{sys.version_info[1]})"
    suffixes = {Path(file).suffix for file in files}
    if suffixes & IDS:
        if len(files) > 1:
            raise InputError("--text: token ids come in one file")
        return _ids(Path(files[0])), files[0]
    return _documents(files), ", ".join(files)


def _documents(files: Sequence[str]) -> list[str]:
    """The documents of text files, the first MOST_TEXT characters of them all."""
    from lm_saturation.text.local_files import find_files, read_documents

    documents: list[str] = []
    left = MOST_TEXT
    for pieces in read_documents(find_files(files)):
        document = "".join(islice(pieces, 1 + left // 1000))[:left]
        documents.append(document)
        left -= len(document)
        if left <= 0:
            break
    return documents


def _ids(path: Path) -> Any:
    """(tokens,) ids of a file, the first MOST_TEXT of them."""
    import numpy as np

    try:
        ids: Any = np.memmap(path, "<u2", "r") if path.suffix == ".bin" else np.load(path, "r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as token ids ({error})") from error
    return np.array(ids[:MOST_TEXT])


if __name__ == "__main__":
    sys.exit(main())
