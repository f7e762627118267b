"""The whole default run in a fresh folder, and a second time with nothing changed.

python -m benchmarks.default_run
"""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common import scratch, write_results

ROOT = Path(__file__).resolve().parents[1]


def seconds(folder):
    """The wall time of `snakemake --cores all` there."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "snakemake", "--cores", "all", "--quiet", "all"], cwd=folder, check=True)
    return time.perf_counter() - start


def main():
    with scratch() as folder:
        clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        first, second = seconds(clone), seconds(clone)
    lines = [
        "| run | seconds | limit |",
        "|---|---:|---:|",
        f"| default configuration, fresh clone, packages installed | {first:.0f} | 600 |",
        f"| again, nothing changed | {second:.1f} | 5 |",
    ]
    write_results("The default run", "python -m benchmarks.default_run", ["snakemake"], lines)


if __name__ == "__main__":
    main()
