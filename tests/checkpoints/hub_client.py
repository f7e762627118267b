"""The rules' scripts, each in a process of its own as Snakemake starts them, with the real client of the hub."""

import json
import subprocess
import sys
from pathlib import Path

from lm_saturation.io.tables import read_table

ROOT = Path(__file__).resolve().parents[2]
# Small parts and short pauses, so that small files are cut in their middle and no test waits long.
CODE = """
import json, runpy, sys
from types import SimpleNamespace
from huggingface_hub import constants
from pydantic import TypeAdapter
from lm_saturation.config.steps import SpanSteps
from lm_saturation.config.suites import AnySuite
from lm_saturation.io import retry
constants.DOWNLOAD_CHUNK_SIZE = 1 << 10
retry.PAUSES = (0, 0)
given = json.loads(sys.argv[1])
suite = TypeAdapter(AnySuite).validate_python(given["suite"])
mock = SimpleNamespace(
    input=SimpleNamespace(audit=given["audit"]), output=[given["output"]], log=given["log"], threads=1,
    params=SimpleNamespace(
        location=suite.location, bad_checkpoints=suite.bad_checkpoints, steps=SpanSteps(**given["steps"])
    ),
    wildcards=SimpleNamespace(**given["wildcards"]),
)
runpy.run_path(given["script"], {"snakemake": mock}, "__main__")
"""
CONFIG = {"config.json": b"{}"}
TEXT = {"corpus": "text", "tokenizer": "bytes"}
HUB = {"source": "hub", "repository": "owner/{model}", "revision": "step{step}"}
EVERY_STEP = {"steps": None, "first": 0, "last": None}


class Client:
    """Runs the rules for one model of a suite, with results in `folder`."""

    def __init__(self, folder, hub=None, model="tiny", **suite):
        self.folder, self.hub, self.model = folder, hub, model
        self.suite = {**TEXT, **(HUB if hub else {"source": "local"}), "models": [model], **suite}
        self.results = folder / "results" / "suite" / model
        self.audit_file = self.results / "audit.parquet"
        self.cache = folder / "cache"

    def start(self, script, output, steps=None, span=None):
        given = {
            "script": f"scripts/checkpoints/{script}.py",
            "audit": str(self.audit_file),
            "output": str(output),
            "log": str(self.log(script)),
            "suite": self.suite,
            "steps": steps or EVERY_STEP,
            "wildcards": {"suite": "suite", "model": self.model, "span": span},
        }
        environment = self.hub.environment(self.cache) if self.hub else None
        command = [sys.executable, "-c", CODE, json.dumps(given)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)

    def log(self, script):
        return self.folder / f"{script}.log"

    def finish(self, process):
        """What it printed; a line if it ended with an error that a person can read."""
        output, errors = process.communicate(timeout=60)
        if process.returncode:
            assert errors.startswith("error: "), errors
            assert errors.count("\n") == 1
        return output + errors

    def audit(self):
        """The rows of the audit, or the error."""
        printed = self.finish(self.start("checkpoint_audit", self.audit_file))
        return printed or read_table("checkpoint_audit", self.audit_file).to_pylist()

    def start_download(self, span="0", steps=None, first=0, last=None):
        steps = {"steps": steps, "first": first, "last": last}
        return self.start("checkpoint_download", self.results / span, steps, span)

    def download(self, span="0", **of):
        """The files of the span by name, or the error."""
        printed = self.finish(self.start_download(span, **of))
        return printed or read_folder(self.results / span)


def read_folder(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole(step):
    return CONFIG | {"model.safetensors": b"weights %d" % step, "pytorch_model.bin": b"bin", "optimizer.pt": b"same"}


def shards(first, second):
    names = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    parts = {name: part for name, part in zip(names, (first, second), strict=True) if part}
    index = json.dumps({"weight_map": {f"parameter {name}": name for name in names}}).encode()
    return CONFIG | parts | {"pytorch_model.bin.index.json": index, "flax_model.msgpack": b"flax"}


def add(hub, checkpoints, name="owner/tiny"):
    """A repository with a branch a checkpoint."""
    repository = hub.add("models", name, whole(-1))
    for branch, files in checkpoints.items():
        repository.commit(files, branch)
    return repository
