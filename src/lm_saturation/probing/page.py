"""One page of a probe: readings with their places, and curves over the steps. It needs no network to look at."""

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.errors import InputError
from lm_saturation.io.atomic import write_text
from lm_saturation.probing.measure import Health
from lm_saturation.probing.readings import MEANINGS
from lm_saturation.probing.references import short

if TYPE_CHECKING:
    from lm_saturation.probing.run import Probed

PACKAGES = ("jinja2", "matplotlib")
TEMPLATE = Path(__file__).parent / "page.html.jinja"
CURVES = (  # panels, each with the columns that share its axis
    ("cross_entropy_nats", "loss_bfloat16", "loss_float16"),
    ("loss_on_unigram_text", "unigram_entropy"),
    ("logit_offset_size", "logit_spread"),
    ("bfloat16_cost", "bfloat16_cost_centred", "float16_cost"),
    ("anisotropy", "anisotropy_centred"),
    ("singular_entropy", "singular_entropy_centred"),
    ("singular_ratio", "singular_ratio_centred"),
    ("head_mean_share",),
)


def check_packages() -> None:
    """Raise InputError if a package that a page needs is missing."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise InputError(f"--html needs {', '.join(missing)}: pip install {' '.join(missing)}")


def write_page(path: Path, probed: "Probed", failures: Sequence[str]) -> None:
    """Write the page. Raises InputError if nothing was measured."""
    if not probed.steps:
        raise InputError(f"{path}: nothing was measured, so there is no page")
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    curves = draw_curves(probed.steps) if len(probed.steps) > 1 else ""
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        probed=probed,
        failures=failures,
        curves=curves,
        readings=[*probed.steps[-1][1].readings, *probed.course.readings],
        columns=[(name, meaning) for name, meaning in MEANINGS.items() if _known(probed, name)],
        short=short,
    )
    write_text(path, page)


def _known(probed: "Probed", name: str) -> bool:
    return any(name in health.values for _, health in probed.steps)


def draw_curves(steps: Sequence[tuple[str, Health]]) -> str:
    """The curves over the steps as SVG."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from lm_saturation.figures.style import LINES, MARKERS, WIDTH, set_style

    set_style("colorblind")
    numbered = all(label.isdigit() for label, _ in steps)
    places = [int(label) if numbered else number for number, (label, _) in enumerate(steps)]
    shown = [[name for name in names if any(name in health.values for _, health in steps)] for names in CURVES]
    shown = [names for names in shown if names]
    rows = -(-len(shown) // 2)
    with mpl.rc_context({"svg.hashsalt": "probe", "svg.fonttype": "none"}):  # the same bytes each time
        figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 2.1 * rows), squeeze=False)
        for axis in axes.flat[len(shown) :]:
            axis.remove()
        for axis, names in zip(axes.flat, shown, strict=False):
            for number, name in enumerate(names):
                values = [health.values.get(name, float("nan")) for _, health in steps]
                style = {"linestyle": LINES[number], "marker": MARKERS[number], "markersize": 3}
                axis.plot(places, values, label=MEANINGS[name].label, **style)
            axis.set(xlabel="step" if numbered else "checkpoint", ylabel=MEANINGS[names[0]].unit)
            axis.legend(fontsize="x-small")
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    svg = file.getvalue()
    return svg[svg.index("<svg") :]
