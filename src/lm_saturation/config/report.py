"""Options of the report: how figures look."""

from typing import Literal

from lm_saturation.options import Section, option


class ReportConfig(Section):
    """How figures look."""

    palette: Literal["colorblind", "tab10", "petroff10", "Set1", "Set2", "Dark2"] = option(
        "colorblind", "colours: colorblind, or those of matplotlib's tab10, petroff10, Set1, Set2 or Dark2"
    )
    published: dict[str, Literal["llama2", "pythia"]] = option(
        {"bpe-32k": "llama2", "bpe-50k": "pythia"},
        "TOKENIZER: the paper's curves drawn in grey behind it, llama2 (Fig 7a) or pythia (Fig 7b)",
    )
