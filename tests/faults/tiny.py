"""The smoke configuration on the stages that write data, and little of it: some 17 jobs, half a minute on two cores."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from tests.conftest import heed_interrupts

RESULTS = "results/tiny"
TABLES = ["table_7", "table_7_controls", "language_models", "saturation"]
ARGUMENTS = [*(f"{RESULTS}/tables/{name}.csv" for name in TABLES), "--configfile", "config/tiny.yaml"]


def configure(project, **sections):
    """Write config/tiny.yaml into a copy of the project: `sections` replace those of the same names."""
    config = yaml.safe_load((project / "config" / "smoke.yaml").read_text())
    config["pathvars"] = {"results": RESULTS, "logs": "logs/tiny"}
    config["ngrams"] = {"corpora": ["synthetic"], "tokenizers": ["words"], "sample_size": 2000, "seeds": [0]}
    config["ngrams"] |= {"min_counts": [], "controls": {"tokenizers": ["words"], "sample_sizes": ["all"], "orders": []}}
    config["checkpoints"]["suites"] = ["tiny"]  # without controls
    suite = config["suites"]["tiny"]
    suite |= {"corpus": "synthetic", "tokenizer": "words", "steps": [0, 1, 10, 20]}
    del suite["models"]["d32"]
    config["metrics"] |= {"unargmaxable": False, "word_perplexity": None}
    config["heads"]["models"] = config["causes"]["training"]["models"] = []
    config["causes"]["head_or_trunk"]["models"] = []
    (project / "config" / "tiny.yaml").write_text(yaml.safe_dump(config | sections))
    return project


def start(project, *arguments, **options):
    """Snakemake in the background, the leader of its process group; what it prints is added to snakemake.out."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *(arguments or ARGUMENTS)]
    with (project / "snakemake.out").open("a") as file:
        options |= {"cwd": project, "stdout": file, "stderr": file, "preexec_fn": heed_interrupts}
        return subprocess.Popen(command, start_new_session=True, **options)


def unlock(project):
    """What `snakemake --unlock` does after a kill, in less time."""
    for lock in (project / ".snakemake" / "locks").glob("*"):
        lock.unlink()


def script_processes(project):
    """The processes that run scripts of rules of this copy of the project: the name of the script by id."""
    scripts = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = re.search(rb"\.snakemake/scripts/tmp\w+\.(\w+)\.py", (folder / "cmdline").read_bytes())
            if name and (folder / "cwd").readlink() == project:
                scripts[int(folder.name)] = name[1].decode()
        except OSError:  # it has ended
            continue
    return dict(sorted(scripts.items()))


def kill(process_ids, number=signal.SIGKILL):
    for process_id in process_ids:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            continue
