"""The tiers of reproduction, by what they need: README, page and manifest take them from here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tier:
    """A tier of reproduction: what it shows, the command and its time, and what a figure of it rests on."""

    name: str
    shows: str
    command: str
    takes: str
    config: str
    sources: frozenset[str]  # rules, one of which a figure needs; none: published numbers


TIERS = (
    Tier(
        "published numbers",
        "the papers' curves, evaluations and trainings of others",
        "make evidence",
        "two minutes",
        "config/evidence.yaml",
        frozenset(),
    ),
    Tier(
        "trained here",
        "small models, real text, every stage",
        "make run",
        "nine minutes on two cores",
        "config.yaml",
        frozenset({"corpus"}),  # models, n-grams: all begins with text that is here
    ),
    Tier(
        "real weights",
        "SmolLM2-135M from the package index, d = 576, V = 49,152",
        "make real",
        "about 20 minutes on two cores",
        "config/smollm2.yaml",
        frozenset({"checkpoint_audit"}),
    ),
    Tier(
        "the paper's suite",
        "all models of the paper on its text",
        ".venv/bin/snakemake --cores all --configfile config/paper.yaml",
        "days on a GPU",
        "config/paper.yaml",
        frozenset({"checkpoint_download", "corpus_hub"}),
    ),
)
