"""Every figure and table of the report, in the order of the page: a module per section.

The rules of the report, the page, docs/figures.md, the README's table and the tests all read this.
"""

from lm_saturation_workflow.catalogue import abilities, bottleneck, causes, evidence, rank, real, saturation, tied
from lm_saturation_workflow.catalogue.base import Figure, Section, Table, TableRule

SECTIONS: tuple[Section, ...] = (
    saturation.SECTION,
    evidence.SECTION,
    real.SECTION,
    abilities.SECTION,
    bottleneck.SECTION,
    tied.SECTION,
    rank.SECTION,
    causes.SECTION,
)
FIGURES: dict[str, Figure] = {figure.name: figure for section in SECTIONS for figure in section.figures}
TABLE_RULES: dict[str, TableRule] = {rule.name: rule for section in SECTIONS for rule in section.tables}
TABLES: dict[str, Table] = {table.name: table for rule in TABLE_RULES.values() for table in rule.tables}
