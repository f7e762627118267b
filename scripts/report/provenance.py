"""Rule `provenance`: what every result of this run can be traced to."""

import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.jobs import job, whole_file
from scripts.workflow.code_hash import ROOT

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def packages() -> dict[str, str]:
    """The installed version of each package that requirements.in names."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    names = [line.split("==")[0].split("[")[0].strip() for line in lines if "==" in line]
    return {name: version(name) for name in names}


def code_revision() -> str | None:
    """The git commit of the code, marked if it was changed since; None outside a git checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> dict[str, Any]:
    """The machine that this runs on; on a cluster, the one where Snakemake does."""
    return {
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "gpus": gpus(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """Its name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def gpus() -> list[str]:
    """The names of NVIDIA's GPUs, without importing torch."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []


if __name__ == "__main__":
    with job(snakemake):
        record = {
            "code_revision": code_revision(),
            "packages": packages(),
            "machine": machine(),
            "config": snakemake.params.config,
            "inputs": {path: json.loads(Path(path).read_text(encoding="utf-8")) for path in snakemake.input.records},
            "audits": {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in snakemake.input.audits},
        }
        with whole_file(snakemake.output[0]) as partial:
            partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
