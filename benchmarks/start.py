"""The processor time that Snakemake takes to plan a run, beside the configuration of untyped dictionaries of b81fbab.

python -m benchmarks.start
"""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.common import scratch, write_results

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "b81fbab"  # the last commit with the schema in YAML
CONFIGURATIONS = {"the default": [], "config/paper.yaml": ["--configfile", "config/paper.yaml"]}
RUNS = 5


def seconds(folder, arguments):
    """The processor time, user and system, of a dry run there."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--quiet", "all", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    lines = [f"| configuration | {BEFORE}, s | now, s | now / {BEFORE} |", "|---|---:|---:|---:|"]
    with scratch() as folder:
        for name, commit in (("before", BEFORE), ("now", "HEAD")):
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / name)], check=True)
            subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder / name, check=True)
        for name, arguments in CONFIGURATIONS.items():
            pairs = [[seconds(folder / place, arguments) for place in ("before", "now")] for _ in range(RUNS + 1)]
            before, now = (statistics.median(column) for column in zip(*pairs[1:], strict=True))  # the first compiles
            ratio = statistics.median(new / old for old, new in pairs[1:])
            lines.append(f"| {name} | {before:.2f} | {now:.2f} | {ratio:.2f} |")
    note = f"Processor time of `snakemake --dry-run --cores 1`; medians of {RUNS} pairs, after one that is not counted."
    write_results("Planning a run", "python -m benchmarks.start", ["snakemake", "pydantic"], [note, "", *lines])


if __name__ == "__main__":
    main()
