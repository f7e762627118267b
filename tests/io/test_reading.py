"""Files of another user, and files that change while a job reads them."""

import os
from contextlib import contextmanager

import pytest

from lm_saturation.checkpoints.patterns import match_places
from lm_saturation.checkpoints.weight_files import weights_at
from lm_saturation.errors import InputError
from lm_saturation.io.reading import check_unchanged, file_states
from lm_saturation.text.local_files import find_files
from lm_saturation_workflow.paths import _readable_files
from tests.config.defaults import changed, error_of

NOBODY = 65534


@contextmanager
def another_user():
    """The rights of nobody, where the tests run as root, who may read all."""
    if root := os.geteuid() == 0:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)


@pytest.fixture
def closed(tmp_path):
    """A folder that others may not read, in one that they may."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    (folder / "tokenizer.json").write_text("{}")
    (tmp_path / "b.txt").write_text("text")
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize("path", ["", "*.txt", "**/*.txt", "closed", "closed/*.txt", "closed/a.txt", "*/a.txt"])
def test_a_closed_folder_is_named_however_it_is_reached(closed, path):
    """A glob that lists no closed folder is none of them."""
    with another_user():
        if path == "*.txt":
            assert find_files([f"{closed.parent}/{path}"]) == [str(closed.parent / "b.txt")]
            return
        with pytest.raises(InputError, match=r"/closed\S*: cannot be read \(Permission denied\)$"):
            find_files([f"{closed.parent}/{path}"])


def test_a_closed_checkpoint_stops_its_own_job_and_not_the_start(closed):
    with another_user():
        assert _readable_files(closed) == []
        for read in (lambda: weights_at(closed), lambda: match_places(f"{closed}/checkpoint-{{step}}", 0)):
            with pytest.raises(InputError, match=r"/closed\S*: cannot be read \(Permission denied\)$"):
                read()


def test_a_closed_file_of_the_configuration_is_one_line(closed):
    for path, value in (
        ("tokenizers/t", {"source": "local", "path": f"{closed}/tokenizer.json"}),
        ("corpora/c", {"source": "local", "paths": [f"{closed}/a.txt"]}),
        ("abilities/storycloze", f"{closed}/a.csv"),
    ):
        with another_user():
            error = error_of(changed(path, value))
        assert error.endswith(": cannot be read (Permission denied)"), error
        assert path.split("/")[0] in error or str(closed) in error


def test_a_file_that_changes_meanwhile_is_named(tmp_path):
    folder = tmp_path / "step1"
    folder.mkdir()
    (tmp_path / "text").write_text("one")
    (tmp_path / "weights").write_text("one")
    (folder / "model").symlink_to(tmp_path / "weights")
    before = file_states([tmp_path / "text", [folder]])
    check_unchanged(before)
    (folder / "more").write_text("")  # what was not there is no input
    check_unchanged(before)
    (tmp_path / "weights").write_text("another")
    with pytest.raises(InputError, match=r"step1/model: changed while this job read it; run again once nothing wr"):
        check_unchanged(before)
    before = file_states(folder)
    (tmp_path / "weights").unlink()
    with pytest.raises(InputError, match="step1/model: changed while this job read it"):
        check_unchanged(before)
    assert file_states(tmp_path / "none") == {}
