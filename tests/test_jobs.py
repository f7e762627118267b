import errno
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from threadpoolctl import threadpool_limits

from lm_saturation.errors import InputError
from lm_saturation.io.atomic import atomic_write
from lm_saturation.io.logs import log, progress
from lm_saturation.jobs import job, process_pool
from tests.conftest import ROOT


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


def test_a_file_is_complete_or_not_there(tmp_path):
    path = tmp_path / "new" / "file"
    with pytest.raises(ValueError, match="no"), atomic_write(path) as partial:
        int(partial.write_text("no number") and "no number")
    assert list(path.parent.iterdir()) == []
    with atomic_write(path) as partial:
        partial.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"


def test_a_file_that_may_not_be_read_is_not_said_to_be_written(tmp_path):
    (tmp_path / "closed").write_text("")
    with pytest.raises(SystemExit, match=r"^error: cannot open: "), job(mock(tmp_path)):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "closed"))


def test_an_input_that_changes_while_it_is_read_fails_the_job(tmp_path):
    """Its outputs would be newer than the change: nothing would make them again."""
    text, output = tmp_path / "text", tmp_path / "output"
    text.write_text("one")
    files = SimpleNamespace(log=tmp_path / "log", threads=1, input=[str(text)], output=[str(output)])

    def work(*, change):
        with job(files):
            output.write_text(text.read_text())
            if change:
                text.write_text("another")

    with pytest.raises(SystemExit, match=r"^error: .*text: changed while this job read it"):
        work(change=True)
    assert not (tmp_path / ".output.sha256").exists()
    work(change=False)
    assert (tmp_path / ".output.sha256").exists()


def test_a_name_that_is_not_utf8_can_be_said(tmp_path, capsys):
    with pytest.raises(SystemExit), job(mock(tmp_path)):
        raise InputError("caf\udce9.txt: bad")
    assert r"caf\xe9.txt: bad" in (tmp_path / "a" / "b.log").read_text(encoding="utf-8")
    assert not capsys.readouterr().err  # of logging, which could not write the line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "cannot write: [Errno 28] No space left on device"),
        (
            OSError(errno.ENOSPC, "No space left on device"),  # of an open file
            "cannot write: [Errno 28] No space left on device, in the folder of results or in ",
        ),
        (OSError(errno.EROFS, "Read-only file system", "a/b"), "cannot write: [Errno 30] Read-only file system: 'a/b'"),
        (
            RuntimeError("I/O error: No space left on device (os error 28)"),
            "cannot write, the disk is full: I/O error: ",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            "cannot write: [Errno 2] No usable temporary directory found in ['/tmp']; name one with room by TMPDIR",
        ),
        (MemoryError("Unable to allocate 9 TiB"), "out of memory: Unable to allocate 9 TiB"),
    ],
)
def test_what_the_machine_lacks_is_said_in_one_line(tmp_path, error, line):
    with pytest.raises(SystemExit) as caught, job(mock(tmp_path)):
        raise error
    assert str(caught.value).startswith(f"error: {line}")
    assert "Traceback" in (tmp_path / "a" / "b.log").read_text()  # where it was


WORK = """
import sys, time
from types import SimpleNamespace
from lm_saturation.io.atomic import atomic_write
from lm_saturation.io.logs import log
from lm_saturation.jobs import job
with job(SimpleNamespace(log=sys.argv[1], threads=1)), atomic_write(sys.argv[2]) as partial:
    partial.write_text(sys.argv[3])
    log.info("begun")
    time.sleep(float(sys.argv[4]))
"""


def at_work(tmp_path, text, seconds):
    command = [sys.executable, "-c", WORK, str(tmp_path / "log"), str(tmp_path / "out"), text, str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def wait_until(condition, process):
    """Wait until the condition holds. Fails if the process ends before."""
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


def wait_until_begun(tmp_path, process):
    path = tmp_path / "log"
    wait_until(lambda: path.exists() and "begun" in path.read_text(), process)


def test_a_job_waits_for_one_that_a_killed_run_left(tmp_path):
    first = at_work(tmp_path, "first", 3)
    wait_until_begun(tmp_path, first)
    second = at_work(tmp_path, "second", 0)
    time.sleep(1)
    assert second.poll() is None
    assert first.communicate()[1] == second.communicate()[1] == ""
    assert (tmp_path / "out").read_text() == "second"
    assert "waited for another process of this job" in (tmp_path / "log").read_text()


def test_of_those_that_wait_the_last_works(tmp_path):
    first = at_work(tmp_path, "first", 6)
    wait_until_begun(tmp_path, first)
    second = at_work(tmp_path, "second", 0)
    last = tmp_path / ".log.last"
    wait_until(last.exists, second)
    waiting = last.read_text()
    third = at_work(tmp_path, "third", 0)
    wait_until(lambda: last.read_text() != waiting, third)
    assert [process.communicate()[1] for process in (first, second, third)] == [""] * 3
    assert [process.returncode for process in (first, second, third)] == [0] * 3
    assert (tmp_path / "out").read_text() == "third"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "out"]


def test_a_killed_job_is_not_waited_for(tmp_path):
    first = at_work(tmp_path, "first", 60)
    wait_until_begun(tmp_path, first)
    first.kill()
    first.wait()
    first.stderr.close()
    assert at_work(tmp_path, "second", 0).communicate(timeout=20)[1] == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "out"]


def test_a_terminated_job_leaves_nothing_half_written(tmp_path):
    process = at_work(tmp_path, "first", 60)
    wait_until_begun(tmp_path, process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1] == "error: stopped by SIGTERM\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def blas_threads(_):
    """The threads of each BLAS of this process, once numpy and scipy are loaded."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_a_process_of_a_pool_has_one_thread(monkeypatch):
    for library in ("OPENBLAS", "OMP", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "2")  # as Snakemake does for a job of two threads
    before = threadpool_limits(2)
    try:
        with process_pool(2) as pool:
            found = [threads for part in pool.map(blas_threads, range(2)) for threads in part]
    finally:
        before.restore_original_limits()
    assert set(found) == {1}
