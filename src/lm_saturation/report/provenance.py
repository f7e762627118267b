"""What the results of a run can be traced to: code, packages and machine."""

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any

DISTRIBUTION = "lm-saturation"


def packages() -> dict[str, str]:
    """The version of every installed package, by name."""
    versions = {package.metadata["Name"]: package.version for package in distributions()}
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def code_revision(folder: Path) -> str | None:
    """The git commit of the clone in `folder`, marked if it was changed since.

    Without a clone, as of an installed wheel or an archive, what was installed: its commit if it came from git, else
    its version; None if nothing is installed.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if (folder / ".git").exists():
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass
    return installed_revision()


def installed_revision() -> str | None:
    """The commit (PEP 610) or the version of the installed package."""
    try:
        package = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    commit = origin.get("vcs_info", {}).get("commit_id")
    return str(commit) if commit else f"{DISTRIBUTION} {package.version}"


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
