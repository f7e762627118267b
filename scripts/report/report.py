"""Rule `report`: one self-contained HTML page, and the summary that a run ends with."""

import base64
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from scripts.common.jobs import job, whole_file
from scripts.common.tables import read_csv
from scripts.report.numbers import number
from scripts.report.suites import short_number

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SECTIONS = {
    "saturation": {
        "figure_1a": "Figure 1a: loss over training",
        "figure_1b": "Figure 1b: losses beside the scaling law",
        "figure_2": "Figure 2: anisotropy of the layers",
        "figure_3": "Figure 3: loss, coloured by anisotropy",
        "figure_4": "Figure 4: singular values of the LM head",
        "figure_5": "Figure 5: singular entropy of the LM head",
        "figure_centred": "Raw against centred: what softmax cannot see",
        "figure_precision": "Rounding: what logits in half precision cost",
    },
    "abilities": {
        "figure_natural_experiments": "The same width, other optimisation",
        "figure_emergence": "Ability against loss",
        "figure_equal_loss": "Ability at equal loss, before and after saturation",
    },
    "bottleneck": {
        "figure_6": "Figure 6: heads of constrained rank",
        "figure_6_controls": "Figure 6, controls: what the start of a head costs",
        "figure_8": "Figure 8: is there a threshold?",
        "figure_9": "Figure 9: learning rates",
        "figure_bottleneck": "What heads of rank r lose, and at most",
    },
    "tied": {
        "figure_tied_initial_loss": "Shared embeddings: the loss at the start",
        "figure_tied_convergence": "Shared embeddings: learning with each remedy",
        "figure_tied_saturation": "Shared embeddings: do tied heads degenerate?",
    },
    "rank": {
        "figure_7": "Figure 7: the rank of language",
        "figure_7_controls": "Figure 7, controls: language, or the size of the sample?",
    },
}
TITLES = {name: title for section in SECTIONS.values() for name, title in section.items()}
TABLES = {  # by the name that the template knows: the table's schema
    "table_7": "table_7",
    "controls": "table_7_controls",
    "models": "language_model",
    "saturation": "table_saturation",
    "correlation": "onset_correlation",
    "checkpoints": "table_checkpoints",
    "scaling": "scaling_fit",
    "gaps": "scaling_gaps",
    "table_1": "table_1",
    "lost": "ability_saturation",
    "emergence": "emergence_fits",
    "sizes": "emergence_sizes",
    "equal_loss": "equal_loss",
    "heads": "table_heads",
    "bottleneck": "bottleneck_bound",
    "thresholds": "head_thresholds",
    "orders": "loss_expansion_orders",
    "tied_moments": "tied_moments",
    "tied_models": "tied_models",
    "tied_training": "table_tied_training",
    "tied_comparison": "tied_comparison",
}
CURVE = ["loss_measure", "suite", "model", "task", "num_fewshot", "metric"]
PACKED = 500_000  # bytes; larger tables of numbers are embedded compressed


def embed(path: str | Path, kind: str) -> str:
    """The file as a data URI, so that the page needs nothing beside it."""
    return _data_uri(Path(path).read_bytes(), kind)


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def numbers_drawn(path: str | Path) -> tuple[str, str]:
    """The CSV of a figure as a data URI, compressed if it is large, and the name to save it under."""
    data, name = Path(path).read_bytes(), Path(path).name
    if len(data) <= PACKED:
        return _data_uri(data, "text/csv"), name
    return _data_uri(gzip.compress(data, mtime=0), "application/gzip"), f"{name}.gz"


def figures(images: list[str], data: list[str], captions: list[str]) -> dict[str, list[dict[str, str]]]:
    """What the page shows of each figure, by section."""
    shown = {}
    for image, table, caption in zip(images, data, captions, strict=True):
        name = Path(image).stem
        numbers, file_name = numbers_drawn(table)
        shown[name] = {
            "name": name,
            "title": TITLES[name],
            "image": embed(image, "image/png"),
            "data": numbers,
            "file_name": file_name,
            "caption": Path(caption).read_text(encoding="utf-8").strip(),
        }
    return {section: [shown[name] for name in names if name in shown] for section, names in SECTIONS.items()}


def size(value: float) -> str:
    """A number of parameters in three digits: 14.1M."""
    return short_number(float(f"{value:.3g}"))


def summary_text(claims: pd.DataFrame, claims_path: str, page: str) -> str:
    """The few lines that a run ends with."""
    lines = [
        f"{row.verdict}: {row.text}\n    published {row.published}; here {_ours(row)}" for row in claims.itertuples()
    ]
    return "\n".join(["", *lines, "", f"report     {page}", f"claims     {claims_path}", ""])


def _ours(row: Any) -> str:
    if not row.curves:
        return "-"
    interval = f"{number(row.ours_low)} to {number(row.ours_high)}"
    return f"{interval} {row.unit}, {row.agreeing} of {row.curves} agree"


def render(
    template: str,
    tables: dict[str, pd.DataFrame],
    shown: dict[str, list[dict[str, str]]],
    provenance: dict[str, Any],
) -> str:
    """The page; `tables` holds `claims` and every table of TABLES."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number, "size": size}
    return environment.from_string(template).render(
        figures=shown,
        provenance=provenance,
        provenance_text=json.dumps(provenance, indent=2),
        **{name: table.to_dict("records") for name, table in tables.items()},
    )


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        verdicts = read_csv("claims", files.claims)
        tables = {name: read_csv(table, getattr(files, name)) for name, table in TABLES.items()}
        tables["equal_loss"] = tables["equal_loss"].drop_duplicates(CURVE)  # one mean a model, task and metric
        page = render(
            Path(files.template).read_text(encoding="utf-8"),
            {"claims": verdicts, **tables},
            figures(files.images, files.data, files.captions),
            json.loads(Path(files.provenance).read_text(encoding="utf-8")),
        )
        summary = summary_text(verdicts, files.claims, snakemake.output.page)
        for path, text in ((snakemake.output.page, page), (snakemake.output.summary, summary)):
            with whole_file(path) as partial:
                partial.write_text(text, encoding="utf-8")
