"""What a source holds of a model, seen before anything is downloaded: missing, damaged and duplicate checkpoints."""

import hashlib
import os
import time

import pytest

from lm_saturation.checkpoints.audit import REQUESTS
from lm_saturation.checkpoints.patterns import match_places, match_steps
from lm_saturation.errors import InputError
from tests.checkpoints.hub_client import CONFIG, Client, add, shards, whole
from tests.checkpoints.tiny import write_files
from tests.hub_server import Do, Status


def test_every_fault_is_found_before_anything_is_downloaded(hub, tmp_path):
    steps = {f"step{step}": whole(step) for step in (2, 4, 8, *range(10, 20))}
    faults = {
        "step0": whole(1),
        "step1": whole(1),
        "step20": shards(b"final 1", b"20"),
        "step21": shards(b"21", b"21 again"),
        "step22": shards(b"22", None),
        "step23": CONFIG,
        "step24": shards(b"final 1", b"24"),
        "stepping": whole(99),
    }
    repository = add(hub, steps | faults)
    repository.tags["step9"] = repository.commit(whole(9), "release")
    hub.fail("GET", "/revision/step11", Do(lambda: repository.branches.pop("step11")))  # vanishes after the listing
    hub.fail("GET", "/refs", Status(503))
    hub.fail("GET", "/revision/step12", Status(429, {"Retry-After": "0"}), Status(500))
    client = Client(tmp_path, hub)
    rows = {row["step"]: row for row in client.audit()}
    assert list(rows) == [0, 1, 2, 4, 8, *range(9, 25)]
    assert {step: row["status"] for step, row in rows.items() if row["status"] != "ok"} == {
        0: "duplicate",
        1: "duplicate",
        11: "missing",
        20: "duplicate",
        22: "incomplete",
        23: "missing",
        24: "duplicate",
    }
    duplicates = {step: row["duplicate_of"] for step, row in rows.items() if row["duplicate_of"] is not None}
    assert duplicates == {0: 1, 1: 0, 20: 24, 24: 20}
    assert [rows[step]["shared_files"] for step in (0, 20, 21)] == [1, 1, 0]
    assert [rows[step]["format"] for step in (2, 21, 23)] == ["safetensors", "bin", "none"]
    assert [rows[step]["weight_files"] for step in (2, 21, 22, 23)] == [1, 2, 1, 0]
    assert rows[21]["weight_bytes"] == len(b"2121 again")
    line = f"{hashlib.sha256(b'weights 2').hexdigest()} model.safetensors\n"
    assert rows[2]["sha256"] == hashlib.sha256(line.encode()).hexdigest()
    assert rows[9]["commit"] == repository.tags["step9"]
    assert (rows[23]["sha256"], rows[11]["commit"]) == ("", "")
    assert {(row["suite"], row["model"]) for row in rows.values()} == {("suite", "tiny")}
    log = client.log("checkpoint_audit").read_text()
    assert "suite/tiny: 21 checkpoints, 0.00 GB, 14 of them ok" in log
    assert "suite/tiny: missing: steps 11, 23" in log
    assert "suite/tiny: incomplete: step 22" in log
    assert "suite/tiny: sharing weight files with step 20: step 24" in log
    fetched = {request.path.split("/")[-1] for request in hub.log if not request.path.startswith("/api/")}
    assert fetched == {"pytorch_model.bin.index.json"}  # which names the shards
    assert len(hub.requests("GET", "/resolve/")) <= REQUESTS  # it is the same in all: once for those asked at a time
    assert all(request.authorised for request in hub.log)
    assert hub.faults == []


def test_a_history_as_long_as_pythias_is_one_request_a_revision(hub, tmp_path):
    steps = [0, *(2**power for power in range(10)), *range(1000, 144000, 1000)]
    add(hub, {f"step{step}": whole(step) for step in steps})
    assert [row["step"] for row in Client(tmp_path, hub).audit()] == steps
    assert len(hub.log) == 1 + len(steps) == 155


def test_the_hub_is_given_the_time_it_asks_for(hub, tmp_path):
    add(hub, {"step0": whole(0)})
    hub.fail("GET", "/refs", Status(429, {"RateLimit": '"api";r=0; t=1'}))
    begin = time.monotonic()
    assert len(Client(tmp_path, hub).audit()) == 1
    assert time.monotonic() - begin >= 1


def test_patterns_of_revisions(hub, tmp_path):
    names = ["stage1-step0-tokens0B", "stage1-step1000-tokens3B", "stage2-ingredient1-step1000-tokens3B"]
    add(hub, {name: whole(number) for number, name in enumerate(names)})
    rows = Client(tmp_path, hub, revision="stage1-step{step}-tokens*B").audit()
    assert [(row["step"], row["revision"]) for row in rows] == [(0, names[0]), (1000, names[1])]
    assert Client(tmp_path, hub, revision="*-step{step}-tokens*B").audit() == (
        f"error: owner/tiny: {names[1]} and {names[2]} both match '*-step{{step}}-tokens*B' as step 1000; "
        "narrow the pattern\n"
    )
    assert Client(tmp_path, hub, revision="step-{step}").audit() == (
        "error: owner/tiny: nothing matches the pattern 'step-{step}'; "
        f"there is main, {names[0]}, {names[1]} (4 in all)\n"
    )


def test_a_single_revision(hub, tmp_path):
    repository = add(hub, {})
    for revision in ("main", repository.head):
        (row,) = Client(tmp_path, hub, revision=revision, steps=[300]).audit()
        assert (row["step"], row["revision"], row["commit"]) == (300, revision, repository.head)
    assert Client(tmp_path, hub, revision="none").audit() == (
        "error: owner/tiny: nothing matches the pattern 'none'; there is main (1 in all)\n"
    )


def test_what_the_hub_refuses_is_said_in_one_line(hub, tmp_path):
    add(hub, {"step0": whole(0), "step1": whole(1)})
    assert Client(tmp_path, hub, "none").audit().startswith("error: owner/none: no such repository at http")
    hub.fail("GET", "/revision/step1", *[Status(429)] * 3)
    assert Client(tmp_path, hub).audit().startswith("error: owner/tiny@step1: the hub asks for fewer requests (429)")
    assert not Client(tmp_path, hub).audit_file.exists()


def test_folders_on_disk(tmp_path):
    runs = tmp_path / "my [runs]"
    folders = {100: whole(100), 200: whole(100), 1000: shards(b"1", None), 3000: CONFIG, 4000: shards(b"4", b"5")}
    for step, files in folders.items():
        write_files(runs / "a" / f"checkpoint-{step}", files)
    write_files(runs / "b" / "checkpoint-100", whole(1))
    (runs / "a" / "checkpoint-5000").write_text("a file")
    rows = Client(tmp_path, model="a", path=f"{runs}/{{model}}/checkpoint-{{step}}").audit()
    assert [(row["step"], row["status"], row["duplicate_of"]) for row in rows] == [
        (100, "duplicate", 200),
        (200, "duplicate", 100),
        (1000, "incomplete", None),
        (3000, "missing", None),
        (4000, "ok", None),
    ]
    assert rows[0]["revision"] == str(runs / "a" / "checkpoint-100")
    (row,) = Client(tmp_path, model="b", path=f"{runs}/{{model}}/checkpoint-100", steps=[7]).audit()
    assert row["step"] == 7
    assert Client(tmp_path, model="a", path=f"{runs}/{{model}}/step-{{step}}").audit() == (
        f"error: {runs}/a: nothing matches the pattern '{runs}/a/step-{{step}}'; "
        "there is checkpoint-100, checkpoint-1000, checkpoint-200 (6 in all)\n"
    )


def test_a_step_named_twice_is_the_same_step():
    names = ["a1/b1", "a1/b2", "a22/b22"]
    assert match_steps("a{step}/b{step}", names, 0, "here") == {1: "a1/b1", 22: "a22/b22"}
    assert match_steps("ckpt_{step}", ["ckpt_010", "ckpt_9"], 0, "here") == {9: "ckpt_9", 10: "ckpt_010"}
    with pytest.raises(InputError, match=r"^here: nothing matches the pattern 'x\.\{step\}'; there is nothing$"):
        match_steps("x.{step}", [], 0, "here")


def test_folders_are_found_where_one_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for step in (5, 10):
        (tmp_path / "run" / f"checkpoint-{step}").mkdir(parents=True)
    assert {step: str(path) for step, path in match_places("run/checkpoint-{step}", 0).items()} == {
        5: "run/checkpoint-5",
        10: "run/checkpoint-10",
    }
    with pytest.raises(InputError, match=r"the pattern 'none/\{step\}'; there is run \(1 in all\)$"):
        match_places("none/{step}", 0)


def test_a_folder_whose_name_is_not_utf8_is_named(tmp_path):
    (tmp_path / "{x}" / "step-1").mkdir(parents=True)
    assert match_places(f"{tmp_path}/{{x}}/step-{{step}}*", 0) == {1: tmp_path / "{x}" / "step-1"}
    (tmp_path / "{x}" / os.fsdecode(b"step-2 caf\xe9")).mkdir()
    with pytest.raises(InputError, match=r"step-2 caf\\xe9: the name of this checkpoint is not UTF-8; rename it$"):
        match_places(f"{tmp_path}/{{x}}/step-{{step}}*", 0)
