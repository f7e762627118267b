"""docs/probe.md: its examples run and show what the page says, its commands are ones that there are.

python -m tests.probing.test_page    run the examples anew and write what they show
"""

import contextlib
import io
import re
import shlex

import pytest
import torch
from transformers import Trainer, TrainingArguments

from lm_saturation import mu_loss
from lm_saturation.probing.command import main, parser
from lm_saturation.probing.readings import ALL
from lm_saturation.probing.remedies import effects
from lm_saturation.probing.thresholds import Threshold
from tests.conftest import ROOT
from tests.evidence import smollm2
from tests.probing.small import small_model

PAGE = ROOT / "docs" / "probe.md"
TEXT = PAGE.read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+\.\d+")
SMOLLM2 = (
    "bfloat16_cost", "logit_offset", "anisotropy", "anisotropy_centred", "singular_ratio", "singular_ratio_centred",
    "head_mean_share",
)  # fmt: skip


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def block(text, language):
    return re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]


def printed(code, names):
    file = io.StringIO()
    with contextlib.redirect_stdout(file):
        exec(compile(code, str(PAGE), "exec"), names)
    return file.getvalue()


def smollm2_printed():
    """The lines of the table that the page shows, of the command as it stands there."""
    command = shlex.split(block(section("SmolLM2"), "sh").replace(".venv/", f"{ROOT}/.venv/"))
    file = io.StringIO()
    with contextlib.redirect_stdout(file):
        assert main(command[1:]) == 0
    lines = [re.match(r" (\w+) +(.*?)   ", line) for line in file.getvalue().splitlines()]
    return "".join(f"{line[1]} {line[2]}\n" for line in lines if line and line[1] in SMOLLM2)


def miniatures():
    names = {}
    return [printed(block(section(title), "python"), names) for title in ("A healthy miniature", "A planted offset")]


@pytest.fixture(scope="module")
def shown():
    return miniatures()


def close(text, page, rel):
    """The same text, and numbers that are alike: texts, and so numbers, differ a little from Python to Python."""
    assert NUMBER.split(text) == NUMBER.split(page)
    assert [*map(float, NUMBER.findall(text))] == pytest.approx([*map(float, NUMBER.findall(page))], rel=rel, abs=0.3)


def test_the_healthy_miniature(shown):
    close(shown[0], block(section("A healthy miniature"), "text"), rel=0.2)
    first, *_, last = [[*map(float, NUMBER.findall(line))] for line in shown[0].splitlines()]
    assert last[0] < first[0] - 2  # the loss falls
    assert last[1] > first[1]  # on unigram text it rises
    assert abs(last[2]) < 10  # the offset
    assert abs(last[3]) < 0.005  # what float16 costs


def test_the_planted_offset(shown):
    close(shown[1], block(section("A planted offset"), "text"), rel=0.5)
    before, planted, centred = [[*map(float, NUMBER.findall(line))] for line in shown[1].splitlines()]
    assert planted[0] == pytest.approx(before[0], abs=0.01) == centred[0]
    assert planted[1] > 0.01 > abs(before[1]) + abs(centred[1])
    assert planted[3] > 100 > before[3] > centred[3]


@smollm2.needed
def test_smollm2():
    close(smollm2_printed(), block(section("SmolLM2"), "text"), rel=0.3)


def test_every_reading_is_explained():
    explained = section("What each number means")
    assert [name for name in ALL if f"`{name}`" not in explained] == []
    names = set(re.findall(r"`(\w+)`", explained.split("### ")[0]))
    assert names - {"float32_logits", "centre_head", "mu_loss", "z_loss"} <= ALL.keys()


def test_every_command_is_understood():
    commands = re.findall(r"^(?:probe/bin/)?lm-saturation (.*)$", TEXT, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        options = parser().parse_args(shlex.split(command))
        for condition in options.fail_if:
            Threshold.of(condition)


def test_the_trainer_with_mu_loss(tmp_path):
    names = {}
    printed(block(section("Remedies"), "python"), names)
    rows = [{"input_ids": list(range(8)), "labels": list(range(8))}]
    model = small_model()
    model.lm_head.weight.data += 1
    arguments = TrainingArguments(str(tmp_path), report_to=[], use_cpu=True)
    batch = {name: torch.tensor([values]) for name, values in rows[0].items()}
    with torch.no_grad():
        plain, remedied = (
            kind(model, arguments, train_dataset=rows).compute_loss(model, batch).item()
            for kind in (Trainer, names["MuTrainer"])
        )
        expected = mu_loss(model).item()
    assert remedied - plain == pytest.approx(expected, rel=1e-2)
    assert expected > 1e-3


def test_what_remedies_saved():
    for least, name in ((0.1, "table"), (0.0, "text")):
        for row in effects(least).itertuples():
            text = f"{row.saved:.2f} ({row.saved_low:.2f} to {row.saved_high:.2f})"
            assert text in section("Remedies"), (name, row.remedy)


def rewrite():
    outputs = [*miniatures(), smollm2_printed()]
    text = re.sub(r"^```text\n.*?^```", lambda _: f"```text\n{outputs.pop(0)}```", TEXT, flags=re.MULTILINE | re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
