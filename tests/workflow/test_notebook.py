"""docs/notebook.ipynb runs, without a network, and shows what it showed when it was written.

python -m tests.workflow.test_notebook    run it anew and write what it shows
"""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"
NUMBER = re.compile(r"-?\d+\.\d+")


def executed(page):
    """The notebook as it is after a run, without what differs from run to run."""
    notebook = nbformat.read(page, 4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": page.parent}}).execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def shown(notebook):
    """The text of every output, and how many figures there are."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    images = sum("image/png" in output.get("data", {}) for output in outputs)
    return [output.get("text") or output["data"]["text/plain"] for output in outputs], images


@pytest.fixture(scope="module")
def anew():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return executed(PAGE)


def test_the_same_text_and_figures(anew):
    (stored, stored_images), (texts, images) = shown(nbformat.read(PAGE, 4)), shown(anew)
    assert images == stored_images == 2
    assert len(texts) == len(stored)
    for text, before in zip(texts, stored, strict=True):
        assert NUMBER.split(text) == NUMBER.split(before)  # all but the numbers
        assert [*map(float, NUMBER.findall(text))] == pytest.approx([*map(float, NUMBER.findall(before))], abs=0.02)


def test_it_shows_what_its_text_says(anew):
    (table,) = (text for text in shown(anew)[0] if "states + common direction" in text)
    values = {
        name: [*map(float, NUMBER.findall(line))] for name, line in re.findall(r"^(\w+)(.*)$", table, re.MULTILINE)
    }
    plain, head, _ = range(3)
    assert values["cross_entropy_nats"][head] == values["cross_entropy_nats"][plain]
    assert values["loss_bfloat16"][head] > values["loss_bfloat16_centred"][head] + 0.02
    assert values["singular_ratio"][head] < 0.1 < 0.5 < values["singular_ratio"][plain]
    assert values["anisotropy"][2] > 0.8 > values["anisotropy"][plain]
    for name in ("anisotropy_centred", "singular_entropy_centred", "singular_ratio_centred"):
        assert max(values[name]) - min(values[name]) <= 0.02


def test_small():
    assert PAGE.stat().st_size < 200_000


if __name__ == "__main__":
    nbformat.write(executed(PAGE), PAGE)
