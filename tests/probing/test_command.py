"""The command: what it prints, and its exit status."""

import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from lm_saturation import probe
from lm_saturation.probing.command import main
from lm_saturation.probing.readings import ALL
from tests.hub_server import HubServer
from tests.imports import SRC
from tests.probing.nanogpt import checkpoint, gpt
from tests.probing.small import TEXTS, save, small_model, tokenizer


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three checkpoints, whose heads are scaled the more the later they are."""
    folder = tmp_path_factory.mktemp("runs")
    for step in (100, 200, 300):
        model = small_model()
        model.lm_head.weight.data *= step / 20
        save(model, folder / f"checkpoint-{step}")
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "held_out.txt"
    file.write_text("\n".join(TEXTS))
    return str(file)


def run(capsys, *arguments):
    status = main(["probe", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_table_of_a_folder(capsys, runs, text):
    status, out, error = run(capsys, runs, "--text", text)
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines if line.strip()[:3] in ("100", "200", "300")] == ["100", "200", "300"]
    for name in ("cross_entropy_nats", "logit_offset", "unigram_increase", "loss_increase"):
        assert any(line.split()[:1] == [name] for line in lines)
    assert "of 42 trainings of Pythia" in out


def test_json_is_what_probe_finds(capsys, runs, text):
    status, out, _ = run(capsys, runs, "--text", text, "--steps", "300", "--json")
    found = json.loads(out)
    assert status == 0
    (last,) = found["checkpoints"]
    model = small_model()
    model.lm_head.weight.data *= 15
    health = probe(model, tokenizer(), "\n".join(TEXTS))
    assert last["sample"] == health.sample
    values = {name: reading["value"] for name, reading in last["readings"].items()}
    assert values == pytest.approx(health.values)
    assert found["course"] == {}


def test_the_course_of_a_training(capsys, runs, text):
    found = json.loads(run(capsys, runs, "--text", text, "--json")[1])
    losses = [step["readings"]["cross_entropy_nats"]["value"] for step in found["checkpoints"]]
    course = found["course"]
    assert course["loss_increase"]["value"] == pytest.approx(losses[-1] - min(losses))
    assert found["checkpoints"][0]["checkpoint"] == "100"
    assert course["unigram_increase"]["value"] > 0


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("cross_entropy_nats>1e9", 0), ("cross_entropy_nats>1", 1), ("cross_entropy_nats<1", 0),
        ("unigram_increase>=-1", 1), ("logit_ofset>1", 2), ("logit_offset=1", 2), ("logit_offset>x", 2),
    ],
)  # fmt: skip
def test_thresholds(capsys, runs, text, condition, status):
    found, _, error = run(capsys, runs, "--text", text, "--fail-if", condition, "--tokens", 100)
    assert found == status
    if status == 1:
        name = condition.split(">")[0]
        assert error.splitlines()[0].startswith("failed: ")
        assert f"{name} is " in error
    if status == 2:
        assert error.startswith("error: --fail-if: ")
        assert len(error.splitlines()) == 1


def test_one_that_cannot_be_read_is_named_and_the_others_go_on(capsys, runs, text, tmp_path):
    for name in ("checkpoint-100", "checkpoint-200"):
        (tmp_path / name).symlink_to(runs / name)
    (tmp_path / "checkpoint-150").mkdir()
    status, out, error = run(capsys, tmp_path, "--text", text)
    assert status == 2
    assert error.splitlines() == [
        line for line in error.splitlines() if "checkpoint-150: incomplete checkpoint" in line
    ]
    assert "cross_entropy_nats" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        ([], "the following arguments are required: PATH_OR_REPO"),
        (["RUNS", "--text", "none.txt"], "none.txt: no such file"),
        (["RUNS", "--steps", "7"], "there is no step '7'; there are 100, 200, 300"),
        (["RUNS", "--tokens", "0"], "tokens is 0; allowed: at least 1"),
        (["RUNS", "--tokenizer", "none"], "--tokenizer: none: no such file or folder"),
        (["RUNS", "--tokns", "3"], "unrecognized arguments: --tokns"),
    ],
    ids=str,
)
def test_bad_input_is_one_line_and_status_2(capsys, runs, arguments, message):
    status, out, error = run(capsys, *(runs if part == "RUNS" else part for part in arguments))
    assert (status, out) == (2, "")
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1


def test_nanogpt_on_its_own_token_ids(capsys, tmp_path):
    model = gpt()
    torch.save(checkpoint(model, 2000), tmp_path / "ckpt.pt")
    ids = np.random.default_rng(0).integers(0, 300, 5000).astype("<u2")
    ids.tofile(tmp_path / "val.bin")
    status, out, _ = run(capsys, tmp_path / "ckpt.pt", "--text", tmp_path / "val.bin", "--json")
    assert status == 0
    readings = json.loads(out)["checkpoints"][0]["readings"]
    health = probe(model, None, ids)
    assert {name: reading["value"] for name, reading in readings.items()} == pytest.approx(
        health.values, rel=1e-5, abs=1e-6
    )
    assert "bits_per_byte" not in readings
    status, _, error = run(capsys, tmp_path / "ckpt.pt")
    assert status == 2
    assert "no tokenizer.json; name one with --tokenizer, or give ids" in error


def test_the_text_of_every_machine_by_default(capsys, runs):
    status, out, _ = run(capsys, runs, "--steps", "last", "--tokens", 200)
    assert status == 0
    assert "topics of the running Python's documentation" in out


def test_every_name_in_the_table_is_a_threshold():
    assert "logit_offset_size" in ALL
    assert all(name.isidentifier() for name in ALL)


class Page(HTMLParser):
    """The text of a page, and the tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.links = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for name, value in attrs if name == "src"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_page(capsys, runs, text, tmp_path):
    arguments = (runs, "--text", text, "--html", tmp_path / "page.html", "--fail-if", "cross_entropy_nats>1")
    assert run(capsys, *arguments)[0] == 1
    written = (tmp_path / "page.html").read_text()
    page = Page(written)
    assert page.open == []
    assert page.links == []  # nothing is fetched
    assert "Over the steps" in page.text
    assert "Beyond a threshold that was set: 100: cross_entropy_nats is" in page.text
    assert "of 42 trainings of Pythia" in page.text
    assert written.count("<svg") == 1
    run(capsys, *arguments)
    assert (tmp_path / "page.html").read_text() == written


def test_a_page_of_one_checkpoint(capsys, runs, text, tmp_path):
    assert run(capsys, runs, "--text", text, "--steps", "last", "--html", tmp_path / "page.html")[0] == 0
    assert "<svg" not in (tmp_path / "page.html").read_text()


def test_revisions_on_the_hub(tmp_path):
    files = {}
    for step in (0, 512):
        folder = save(small_model(seed=step), tmp_path / str(step))
        files[f"step{step}-tokens1B"] = {path.name: path.read_bytes() for path in folder.iterdir()}
    with HubServer() as hub:
        repository = hub.add("models", "owner/tiny", files["step512-tokens1B"])
        for revision, held in files.items():
            repository.commit(held, revision)
        command = [
            sys.executable,
            "-m",
            "lm_saturation.probing.command",
            "probe",
            "owner/tiny",
            "--json",
            "--tokens",
            "200",
        ]
        environment = {**hub.environment(tmp_path / "cache"), "PYTHONPATH": str(SRC)}
        outputs = []
        for more in ([], ["--steps", "0,512"], ["--steps", "7"]):
            done = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=False)
            outputs.append((done.returncode, done.stdout, done.stderr))
    main_, steps, none = outputs
    assert (main_[0], steps[0], none[0]) == (0, 0, 2)
    assert none[2].startswith("error: --steps: there is no step '7'; there are 0, 512")
    first, last = json.loads(steps[1])["checkpoints"]
    assert (first["checkpoint"], last["checkpoint"]) == ("0", "512")
    assert first["readings"] != last["readings"] == json.loads(main_[1])["checkpoints"][0]["readings"]


def test_what_a_page_needs_is_said_before_anything_is_measured(capsys, runs, monkeypatch, tmp_path):
    monkeypatch.setattr("lm_saturation.probing.page.find_spec", lambda name: None if name == "jinja2" else True)
    monkeypatch.setattr("lm_saturation.probing.run.probe_all", lambda *_: pytest.fail("measured"))
    status, _, error = run(capsys, runs, "--html", tmp_path / "page.html")
    assert (status, error) == (2, "error: --html needs jinja2: pip install jinja2\n")
