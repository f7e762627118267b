"""report.palette: every allowed palette can be drawn with, and changes the figures that are declared to follow it."""

import io
import runpy
from contextlib import nullcontext
from types import SimpleNamespace
from typing import get_args

import matplotlib.pyplot as plt
import pytest
import yaml

from lm_saturation.config import read_experiment
from lm_saturation.config.report import ReportConfig
from lm_saturation.figures import style
from lm_saturation_workflow.catalogue import FIGURES
from lm_saturation_workflow.project import with_defaults
from tests.conftest import ROOT, SMOKE, Items

PALETTES = get_args(ReportConfig.model_fields["palette"].annotation)


@pytest.fixture(scope="module")
def experiment():
    return read_experiment(with_defaults(yaml.safe_load((ROOT / SMOKE[1]).read_text())))


@pytest.fixture
def drawn(undisturbed, experiment, monkeypatch):
    """The picture of a figure of the smoke configuration, small, in a palette."""
    monkeypatch.chdir(undisturbed)
    monkeypatch.setattr(style, "job", lambda _: nullcontext())
    results = experiment.pathvars.results

    def in_results(given):
        return given.replace("<results>", results) if isinstance(given, str) else list(map(in_results, given))

    def draw(figure, palette):
        pictures = []

        def keep(drawing, *_):
            file = io.BytesIO()
            drawing.savefig(file, format="rgba", dpi=50)
            pictures.append(file.getvalue())
            plt.close(drawing)

        monkeypatch.setattr(style, "save_figure", keep)
        inputs = {name: in_results(given) for name, given in figure.inputs(experiment).items()}
        params = SimpleNamespace(**figure.parameters(experiment), palette=palette)
        job = SimpleNamespace(input=Items(**inputs), params=params, output=Items())
        runpy.run_path(str(ROOT / "scripts" / "report" / f"{figure.name}.py"), {"snakemake": job}, "__main__")
        return pictures[0]

    return draw


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_changes_with_the_palette_if_and_only_if_it_says_so(drawn, name):
    figure = FIGURES[name]
    assert (drawn(figure, "colorblind") != drawn(figure, "Dark2")) == figure.palette


def test_every_palette_gives_another_picture(drawn):
    figure = next(figure for figure in FIGURES.values() if figure.palette)
    assert len({drawn(figure, palette) for palette in PALETTES}) == len(PALETTES) > 1
