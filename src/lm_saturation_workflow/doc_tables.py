"""The tables of figures and claims in docs/figures.md, docs/claims.md and README.md, from their declarations.

make docs      writes them
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from lm_saturation.claims import CLAIMS, Claim
from lm_saturation.config import Experiment, read_experiment
from lm_saturation.report.tiers import TIERS
from lm_saturation_workflow.catalogue import FIGURES, TABLE_RULES
from lm_saturation_workflow.catalogue.base import Figure, TableRule
from lm_saturation_workflow.project import ROOT

START, END = "<!-- written by make docs -->", "<!-- end -->"
IN_README = ("figure_1a", "figure_5", "figure_natural_experiments", "figure_6", "figure_7")
TARGETS = ("| figure or table | command | minutes | claims it bears on |", "|---|---|---:|---|")
DECLARED: tuple[Figure | TableRule, ...] = (*FIGURES.values(), *TABLE_RULES.values())


def _target(shown: Figure | TableRule) -> str:
    return f"| {_title(shown)} | `.venv/bin/snakemake --cores all {shown.name}` | {shown.minutes} | {_claims(shown)} |"


def input_rows(experiment: Experiment) -> list[str]:
    """The same: rule, what it writes below results/, and the tables that it reads in this experiment."""
    return [f"| `{shown.name}` | {_written(shown)} | {', '.join(_read(shown, experiment))} |" for shown in DECLARED]


def _title(shown: Figure | TableRule) -> str:
    if isinstance(shown, Figure):
        return shown.title
    words = shown.message.removeprefix("Write ")
    return words[0].upper() + words[1:]


def _claims(shown: Figure | TableRule) -> str:
    names = shown.claims if isinstance(shown, Figure) else [name for table in shown.tables for name in table.claims]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _written(shown: Figure | TableRule) -> str:
    if isinstance(shown, Figure):
        return f"`figures/{shown.name}`"
    return ", ".join(f"`tables/{table.name}.csv`" for table in shown.tables)


def _read(shown: Figure | TableRule, experiment: Experiment) -> Iterator[str]:
    files = [
        file for given in shown.inputs(experiment).values() for file in ([given] if isinstance(given, str) else given)
    ]
    yield from (f"`{name}`" for name in dict.fromkeys(map(input_name, files)))


def input_name(file: str) -> str:
    """What docs/tables.md or the folder of published numbers calls a file that a rule reads."""
    return Path(file).stem if file.endswith(".parquet") else Path(file).name


def figures_page(experiment: Experiment) -> list[str]:
    """The targets, a row per figure and per rule of tables, and what each reads and writes."""
    return [
        *TARGETS,
        *(_target(shown) for shown in DECLARED),
        *("", "## Inputs", ""),
        "What each rule writes below `results/`, and the tables that it reads in the default configuration; their "
        "columns are in [tables.md](tables.md). The script of a rule has its name, in `scripts/report/`.",
        *("", "| rule | writes | reads |", "|---|---|---|"),
        *input_rows(experiment),
    ]


def readme() -> list[str]:
    """Five of the targets."""
    return [*TARGETS, *(_target(FIGURES[name]) for name in IN_README)]


def tiers() -> list[str]:
    """A row per tier of reproduction."""
    rows = (f"| {tier.name}: {tier.shows} | `{tier.command}` | {tier.takes} |" for tier in TIERS)
    return ["| tier | command | takes |", "|---|---|---|", *rows]


def claims_page() -> list[str]:
    """A row per claim, then per question: the text with its test, the number, the cut, sources and their needs."""
    asked = [claim for claim in CLAIMS.values() if claim.is_question]
    made = [claim for claim in CLAIMS.values() if not claim.is_question]
    head = "text, and the test in brackets | published | paper | threshold, and its reason | sources | needs |"
    line = "|---|---|---|---|---|---|---|"
    return [
        *("### Claims of the papers", "", f"| claim | {head}", line, *map(_claim, made), ""),
        *("### Questions of this project", "", f"| question | {head}", line, *map(_claim, asked)),
    ]


def _claim(claim: Claim) -> str:
    cut = f"{claim.cut.value:g}: {claim.cut.reason}" if claim.cut else "–"
    needs = "; ".join(dict.fromkeys(claim.evidence[source].needs.what for source in claim.sources()))
    cells = [claim.text, claim.published, claim.paper, cut, ", ".join(claim.sources()), needs]
    return f"| `{claim.name}` | {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[Path, str]:
    """The pages as they should be."""
    written = {
        ROOT / "docs" / "figures.md": [figures_page(default_experiment())],
        ROOT / "docs" / "claims.md": [claims_page()],
        ROOT / "README.md": [tiers(), readme()],
    }
    return {page: _with_blocks(page.read_text(encoding="utf-8"), blocks) for page, blocks in written.items()}


def _with_blocks(text: str, blocks: list[list[str]]) -> str:
    """The text with these lines between each START and its END."""
    before, *parts = text.split(START)
    written = ("\n".join([START, *lines, END]) for lines in blocks)
    rest = (part.split(END)[1] for part in parts)
    return before + "".join(block + after for block, after in zip(written, rest, strict=True))


def default_experiment() -> Experiment:
    """That of config.yaml."""
    return read_experiment(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
