"""Spans of checkpoints from the hub and from disk: only what is needed, checked, resumed, and gone when deleted."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest
import torch

from lm_saturation.checkpoints.download import NO_WEIGHTS, download_checkpoints
from lm_saturation.checkpoints.loading import list_checkpoints, load_model
from lm_saturation.config.steps import SpanSteps
from lm_saturation.errors import InputError
from tests.checkpoints.hub_client import CONFIG, Client, add, read_folder, shards, whole
from tests.checkpoints.tiny import OTHERS, files_of, tiny_model, write_files
from tests.hub_server import Cut, Drip, Status, Wrong

LONG = bytes(range(256)) * 200


def long(step):
    return CONFIG | {"model.safetensors": b"%d" % step + LONG}


def fetched(hub):
    """The large files asked for, and from which byte on."""
    return [("/".join(request.path.split("/")[5:]), request.start) for request in hub.requests("GET", "/storage/")]


def nothing_is_left(client):
    assert not (client.results / ".partial" / "0").exists()
    assert not [path for path in client.cache.rglob("*") if path.is_file() and path.stat().st_size > 1000]


@pytest.mark.parametrize(
    ("kind", "form", "steps"),
    [
        ("gpt-neox", "safetensors", range(8)),
        ("gpt2", "safetensors-shards", range(4)),
        ("opt", "bin", range(4)),
        ("llama", "bin-shards", range(4)),
    ],
)
def test_what_is_fetched_is_the_model(hub, tmp_path, kind, form, steps):
    models = {step: tiny_model(kind, step) for step in steps}
    files = {step: files_of(model, form) for step, model in models.items()}
    add(hub, {f"step{step}": {**OTHERS, **files[step]} for step in steps})
    client = Client(tmp_path, hub)
    client.audit()
    found = client.download()
    assert found == {f"step{step}/{name}": data for step in steps for name, data in files[step].items()}
    weights = {name: data for name, data in found.items() if not name.endswith("index.json")}  # the audit reads those
    asked = [request for request in hub.requests("GET", "/resolve/") if not request.path.endswith("index.json")]
    assert len(asked) == len(set(weights.values()))  # what is the same comes once
    nothing_is_left(client)
    for step, folder in list_checkpoints(client.results / "0"):
        loaded = load_model(folder, torch.float32)
        expected = models[step].state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())


def test_the_index_names_the_shards_on_the_hub(hub, tmp_path):
    """Not their names, and not shards of an earlier upload."""
    names = {"pytorch_model-00001-of-00002.bin": "part_1.bin", "pytorch_model-00002-of-00002.bin": "more/part_2.bin"}
    stale = files_of(tiny_model("opt", 1), "bin-shards")
    files = {names.get(name, name): data for name, data in files_of(tiny_model("opt"), "bin-shards").items()}
    for name, other in names.items():
        index = files["pytorch_model.bin.index.json"]
        files["pytorch_model.bin.index.json"] = index.replace(name.encode(), other.encode())
    add(hub, {"step1": {**{name: stale[name] for name in names}, **files}})
    client = Client(tmp_path, hub)
    (row,) = client.audit()
    assert (row["status"], row["weight_files"]) == ("ok", 2)
    assert client.download() == {f"step1/{name}": data for name, data in files.items()}
    load_model(client.results / "0" / "step1", torch.float32)


def test_bad_checkpoints_are_refused_skipped_or_flagged(hub, tmp_path):
    steps = {"step0": long(1), "step1": long(1), "step2": long(2), "step3": CONFIG, "step4": shards(b"4", None)}
    add(hub, steps | {"step6": long(6)})
    client = Client(tmp_path, hub)
    client.audit()
    del hub.log[:]
    assert client.download(steps=[0, 1, 2, 3, 4, 5, 6]) == (
        "error: suite/tiny: duplicate: steps 0, 1; there, but without model.safetensors, pytorch_model.bin, shards of "
        "them or a single .gguf file: step 3; incomplete: step 4; missing: step 5 (see its audit); "
        "allowed with bad_checkpoints: skip, or flag\n"
    )
    assert not hub.log
    assert len(client.download("1", steps=[2, 6])) == 4
    client.suite["bad_checkpoints"] = "skip"
    assert set(client.download("2", steps=[0, 1, 2, 3, 5])) == {"step2/config.json", "step2/model.safetensors"}
    assert client.download("3", steps=[3, 5]) == {}
    assert (client.results / "3").is_dir()
    client.suite["bad_checkpoints"] = "flag"
    del hub.log[:]
    found = client.download("4", steps=[0, 1, 2, 3, 5])
    assert {name.split("/")[0] for name in found} == {"step0", "step1", "step2"}
    assert found["step0/model.safetensors"] == found["step1/model.safetensors"] == b"1" + LONG
    assert len(fetched(hub)) == 2  # what is the same comes once
    log = client.log("checkpoint_download").read_text()
    assert f"suite/tiny: duplicate: steps 0, 1; {NO_WEIGHTS}: step 3; missing: step 5; bad_checkpoints is flag" in log


def test_a_span_of_all_steps_there_are():
    known = [5, 0, 999, 1000, 1999, 2000]
    assert SpanSteps(steps=None, first=1000, last=2000).among(known) == [1000, 1999]
    assert SpanSteps(steps=None, first=0, last=None).among(known) == sorted(known)
    assert SpanSteps(steps=[7, 5], first=0, last=10).among(known) == [5, 7]  # what was asked for, be it there or not


def test_a_bad_line_changes_nothing(hub, tmp_path):
    steps = range(6)
    repository = add(hub, {f"step{step}": long(step) for step in steps})
    client = Client(tmp_path, hub)
    client.audit()
    audited = repository.branches["step5"]
    repository.commit(long(99), "step5")  # moves after the audit
    del repository.branches["step4"]  # vanishes after the audit
    hub.fail("GET", "/storage/", Cut(30000), Status(500), Wrong(), Drip(8192, 0.01), Cut(0))
    hub.fail("GET", f"/revision/{audited}", Status(429, {"Retry-After": "0"}), Status(503))
    hub.fail("GET", "config.json", Wrong(), Status(502))
    found = client.download()
    assert found == {f"step{step}/{name}": data for step in steps for name, data in long(step).items()}
    assert hub.faults == []
    assert 20000 < fetched(hub)[1][1] <= 30000
    assert not any(request.authorised for request in hub.requests("GET", "/storage/"))
    nothing_is_left(client)


def test_a_killed_download_goes_on(hub, tmp_path):
    add(hub, {f"step{step}": long(step) for step in range(4)})
    client = Client(tmp_path, hub)
    client.audit()
    hub.fail("GET", "/storage/", Drip(1 << 20, 0), Drip(1 << 20, 0), Drip(4096, 0.05))  # slow is the third
    partial = client.results / ".partial" / "0"
    stale = write_files(partial / "step77", whole(77))  # of an older audit
    with client.start_download() as process:
        while not any(path.stat().st_size > 20000 for path in (partial / "step2").glob("*.incomplete")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (client.results / "0").exists()
    assert not stale.exists()
    (partial / "step0" / "model.safetensors").write_bytes(LONG)  # damaged meanwhile
    count = len(fetched(hub))
    found = client.download()
    assert found == {f"step{step}/{name}": data for step in range(4) for name, data in long(step).items()}
    (first, zero), (third, rest), (fourth, start) = fetched(hub)[count:]
    assert zero == start == 0
    assert rest > 20000
    assert len({first, third, fourth}) == 3
    nothing_is_left(client)


def test_what_cannot_be_had_is_said_in_one_line(hub, tmp_path):
    repository = add(hub, {"step0": long(0), "step1": long(1)})
    client = Client(tmp_path, hub)
    client.audit()
    hub.fail("GET", "/storage/", Wrong(), Wrong())
    assert client.download().startswith("error: owner/tiny: model.safetensors came twice with another sha256 than the")
    assert not (client.results / "0").exists()
    repository.gated = True
    assert "gated: accept its licence on its page" in client.download()
    repository.gated = False
    del repository.commits[repository.branches["step1"]]
    assert re.fullmatch(
        "error: owner/tiny: the commit [0-9a-f]{40} of step1 is gone; audit it again\n", client.download()
    )
    assert not (client.results / "0").exists()


def test_a_disk_too_small_is_said_before_it_is_full(tmp_path, monkeypatch):
    free = namedtuple("Usage", "free")(5e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    rows = [{"step": step, "weight_bytes": 3_000_000_000} for step in (1, 2)]
    with pytest.raises(InputError, match=r": 6\.0 GB are to be downloaded, but the disk has 5\.0 GB; "):
        download_checkpoints("owner/tiny", rows, tmp_path / "0")


def test_checkpoints_on_disk_are_linked_and_stay(tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    for step in (1, 2):
        write_files(runs / f"checkpoint-{step}", long(step) | {"optimizer.pt": b"large"})
    before = read_folder(runs)
    client = Client(tmp_path, path=f"{runs}/checkpoint-{{step}}")
    client.audit()
    assert set(client.download()) == {f"step{step}/{name}" for step in (1, 2) for name in long(0)}
    links = [path for path in (client.results / "0").rglob("*") if not path.is_dir()]
    assert all(path.is_symlink() for path in links)
    client.download()  # over what is there
    assert read_folder(runs) == before
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: 'seen'\n"
        f"rule link:\n    output: temp(directory('span'))\n    shell: 'cp -a {client.results / '0'} {{output}}'\n"
        "rule see:\n    input: 'span'\n    output: 'seen'\n    shell: 'ls {input}/step1 > {output}'\n"
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "seen").read_text() == "config.json\nmodel.safetensors\n"
    assert not (tmp_path / "span").exists()  # Snakemake has deleted it
    assert read_folder(runs) == before
