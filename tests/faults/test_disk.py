"""A disk that is full or read-only, and results that were deleted, cut or altered between runs.

Elsewhere: text files that change (tests/workflow/test_workflow.py), damaged caches (tests/corpus/test_hub.py),
a download that would not fit (tests/checkpoints/test_download.py), a damaged state of a training
(tests/training/test_resumable_run.py).
"""

import random
import re
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from lm_saturation.errors import InputError
from lm_saturation.io.checksums import verify_checksums
from tests.conftest import results_of, snakemake
from tests.faults.tiny import ARGUMENTS, RESULTS


def can_mount():
    """Whether file systems can be mounted here: one must be root, and not in a container that forbids it."""
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="file systems cannot be mounted here")


@contextmanager
def small_disk(folder, kilobytes):
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=755", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def errors(output):
    """The error lines that the scripts printed."""
    return re.findall(r"^error: .*", output, re.MULTILINE)


@needs_mounts
def test_a_full_disk_stops_jobs_with_one_line_and_loses_nothing(tiny, finished):
    sizes = {name: len(data) // 1024 + 4 for name, data in results_of(finished, RESULTS).items()}
    needed = sum(sizes.values())
    with small_disk(tiny / RESULTS, needed // 10) as remount:
        stopped = []
        for share in (0.1, 0.4, 0.8):
            remount(f"size={int(share * needed)}k")
            output = snakemake(tiny, "--cores", "2", "--no-hooks", *ARGUMENTS, check=False)  # or it would not start
            assert "Exiting because a job execution failed" in output
            assert errors(output), output
            assert [line for line in errors(output) if "cannot write" not in line] == []
            assert not list((tiny / RESULTS).rglob("*.partial"))
            stopped += re.findall(r"^Error in rule (\w+)", output, re.MULTILINE)
        assert len(set(stopped)) >= 3, stopped  # stages differ
        remount(f"size={4 * needed}k")
        snakemake(tiny, "--cores", "2", "--no-hooks", *ARGUMENTS)
        assert results_of(tiny, RESULTS) == results_of(finished, RESULTS)


@needs_mounts
def test_a_read_only_disk_is_one_line(tiny, finished):
    with small_disk(tiny / RESULTS, 500_000) as remount:
        snakemake(tiny, "--cores", "2", f"{RESULTS}/corpus/tokens/synthetic/words/0.json", *ARGUMENTS[-2:])
        remount("ro")
        output = snakemake(tiny, "--cores", "2", *ARGUMENTS, check=False)
        assert "Read-only file system" in output
        remount("rw")
        snakemake(tiny, "--cores", "2", *ARGUMENTS)
        assert results_of(tiny, RESULTS) == results_of(finished, RESULTS)


def test_any_flipped_bit_and_any_cut_is_noticed(finished, tmp_path):
    """In every file of the results that a rule reads."""
    rng = random.Random(0)
    folder = tmp_path / "results"
    shutil.copytree(finished / RESULTS, folder)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    checksummed = [path for path in files if path.with_name(f".{path.name}.sha256").exists()]
    trained = folder / "checkpoints" / "tiny" / "d16" / "0"
    assert {path.suffix for path in checksummed} >= {".json", ".parquet", ".csv", ".bin"}
    assert [path for path in files if path not in checksummed and trained not in path.parents] == []
    verify_checksums(checksummed)
    verify_checksums(trained)
    for path in [*checksummed, *trained.rglob("*.safetensors"), *trained.rglob("*.json")]:
        judged = trained if trained in path.parents else path
        data = path.read_bytes()
        place = rng.randrange(len(data)) if data else 0
        flipped = data[:place] + bytes([(data[place] if data else 0) ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        for damaged in (flipped, data[:place] if data else b"more"):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match="its sha256 is not the one it was written with; delete it and run ag"):
                verify_checksums([judged])
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("corpus/tokenizers/words.json", []),  # it is newer, so its reader runs again
        # of a folder Snakemake knows only when it was made: nothing runs before a reader has another reason
        ("checkpoints/tiny/d16/0/step10/model.safetensors", ["-R", "checkpoint_metrics"]),
    ],
)
def test_what_was_altered_is_named_by_its_reader_and_made_again(finished, tmp_path, name, again):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    path = project / RESULTS / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    changed = path.parents[1] if path.suffix == ".safetensors" else path
    output = snakemake(project, "--cores", "2", *ARGUMENTS, *again, check=False)
    damaged = f"{changed.relative_to(project)}: its sha256 is not the one it was written with; delete it and run again"
    assert set(errors(output)) == {f"error: {damaged}"}
    shutil.rmtree(changed) if changed.is_dir() else changed.unlink()
    snakemake(project, "--cores", "2", str(changed.relative_to(project)), *ARGUMENTS)
    assert results_of(project, RESULTS) == results_of(finished, RESULTS)
