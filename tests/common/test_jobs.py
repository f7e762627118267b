from types import SimpleNamespace

import pytest

from scripts.common.jobs import InputError, job, log, progress, whole_file


def mock(tmp_path):
    return SimpleNamespace(log=tmp_path / "a" / "b.log", threads=1)


def test_input_error_is_one_line_and_no_traceback(tmp_path):
    with pytest.raises(SystemExit) as caught, job(mock(tmp_path)):
        raise InputError("corpus x: no text")
    assert str(caught.value) == "error: corpus x: no text"
    assert "Traceback" not in (tmp_path / "a" / "b.log").read_text()


def test_other_errors_leave_a_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), job(mock(tmp_path)):
        raise ZeroDivisionError
    assert "Traceback" in (tmp_path / "a" / "b.log").read_text()


def test_progress_goes_to_the_log(tmp_path):
    with job(mock(tmp_path)):
        assert list(progress(range(3), "counting")) == [0, 1, 2]
        log.info("done")
    text = (tmp_path / "a" / "b.log").read_text()
    assert "INFO counting: 100%" in text
    assert "INFO done" in text


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new" / "file"
    with pytest.raises(ValueError, match="no"), whole_file(path) as partial:
        int(partial.write_text("no number") and "no number")
    assert list(path.parent.iterdir()) == []
    with whole_file(path) as partial:
        partial.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"
