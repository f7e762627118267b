"""What results can be traced to, in a clone and without one."""

import json
import subprocess

import numpy as np
import pytest

from lm_saturation.report import provenance
from lm_saturation.report.provenance import code_revision, machine, packages


def git(folder, *arguments):
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)


def test_every_installed_package_has_its_version():
    found = packages()
    assert found["numpy"] == np.__version__
    assert found["snakemake"].startswith("9.")
    assert list(found) == sorted(found, key=str.lower)


def test_the_revision_of_a_clone_says_whether_it_was_changed(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD").stdout.strip()
    assert code_revision(tmp_path) == commit
    (tmp_path / "file").write_text("b")
    assert code_revision(tmp_path) == f"{commit}-dirty"


class Package:
    version = "1.2"

    def __init__(self, origin):
        self.origin = origin

    def read_text(self, _):
        return self.origin


@pytest.mark.parametrize(
    ("origin", "revision"),
    [
        (None, "lm-saturation 1.2"),
        (json.dumps({"url": "file:///somewhere", "dir_info": {}}), "lm-saturation 1.2"),
        (json.dumps({"url": "https://example.org/r", "vcs_info": {"vcs": "git", "commit_id": "abc"}}), "abc"),
    ],
)
def test_without_a_clone_the_installed_package_counts(monkeypatch, tmp_path, origin, revision):
    monkeypatch.setattr(provenance, "distribution", lambda _: Package(origin))
    assert code_revision(tmp_path) == revision


def test_an_archive_that_is_not_installed_has_no_revision(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "DISTRIBUTION", "no-such-distribution-anywhere")
    assert code_revision(tmp_path) is None


def test_the_machine_is_described():
    found = machine()
    assert found["cores"] >= 1
    assert found["processor"]
    assert isinstance(found["gpus"], list)
