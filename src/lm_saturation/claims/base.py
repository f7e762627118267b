"""What a claim is, and how it is declared: once, with its sources of evidence and the functions that judge them.

    @claim("Small models saturate ...", published=..., unit=..., shown_in=(...), needs=..., cut=Cut(0.005, "..."))
    def small_models_saturate(saturation: DataFrame, cut: float) -> Decisions: ...  # judged on what is measured here

    @small_models_saturate.also_on(PAPER)
    def _(figure_1a: DataFrame, cut: float) -> Decisions: ...  # and on the paper's own curve

    small_models_saturate.alike_on(SHIPPED, saturation="shipped_saturation")  # by the first function, on another table

The parameters of a judge are what it judges, by name: tables of the run (results/tables/NAME.csv), the papers' figures
as read off (figure_1a: resources/figure_1a_published.csv), `context`, `cut`, and `source`, the one that is judged, for
tables that hold several. A question is declared in the same way
(`question`): this project asks it, no paper answers it. The workflow reads these declarations each time it is parsed,
so pandas is imported only where a claim is judged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_saturation.claims.needs import Need
    from lm_saturation.statistics.decisions import Decisions

GODEY = "arXiv 2404.07647"
DU = "arXiv 2403.15796"
SU = "kexue.fm 9698"

# Sources of evidence, in the order of the page. Each is judged for itself.
PAPER = "paper's curves"  # digitised, with the error of reading them off
PUBLISHED = "published runs"  # evaluations and trainings that others published
HERE = "measured here"  # models trained, text counted and problems solved in this run
REAL = "real weights"  # a published model, measured here
SHIPPED = "shipped trainings"  # small models that this project trained before, whose numbers it ships
SOURCES = (PAPER, PUBLISHED, HERE, REAL, SHIPPED)
IN_TABLES = {HERE: "ours", PAPER: "paper"}  # what tables that hold both call them

REPRODUCED = "reproduced"
IN_PART = "in part"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
NOT_TESTED = "not tested here"
VERDICTS = (REPRODUCED, IN_PART, CONTRADICTED, INCONCLUSIVE, NOT_TESTED)
ANSWERS = {REPRODUCED: "yes", CONTRADICTED: "no"}  # of questions; the other verdicts are called the same

FIGURE = "figure_"  # parameters of judges that begin so are the papers' figures
NO_INPUTS = ("context", "source", "cut")  # parameters of judges that are neither tables nor figures


@dataclass(frozen=True)
class Context:
    """What decides which curves a claim is about, beside the tables."""

    sample_size: str  # of the n-grams of figure 7
    synthetic: tuple[str, ...]  # corpora that are no natural text


@dataclass(frozen=True)
class Cut:
    """A threshold that a verdict may hang on, and why it is this one. The verdicts at `half` and `twice` are shown too.

    The reason is fixed before anything is measured.
    """

    value: float
    reason: str
    half: float | None = None  # where half of the value makes no sense, as for a share of at least .9
    twice: float | None = None

    @property
    def others(self) -> tuple[float, float]:
        """The cuts at half and at twice the value."""
        return (
            self.value / 2 if self.half is None else self.half,
            self.value * 2 if self.twice is None else self.twice,
        )


Judge = Callable[..., "Decisions"]


@dataclass(frozen=True)
class Evidence:
    """A source of evidence for a claim: the function that judges it, and what it needs."""

    judge: Judge
    needs: Need
    unit: str
    tables: Mapping[str, str] = field(default_factory=dict)  # by the parameter of the judge, if not of its name

    @property
    def arguments(self) -> dict[str, str]:
        """What the judge is given, by parameter: names of tables and of published figures, context, source and cut."""
        return {name: self.tables.get(name, name) for name in inspect.signature(self.judge).parameters}

    @property
    def inputs(self) -> list[str]:
        """The tables and published figures that are judged."""
        return [name for name in self.arguments.values() if name not in NO_INPUTS]

    @property
    def has_cut(self) -> bool:
        """Whether it is judged by the claim's threshold."""
        return "cut" in self.arguments


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, or a question of this project."""

    name: str
    text: str
    published: str  # the number in the paper
    unit: str
    shown_in: tuple[str, ...]  # figures and tables that bear on it
    needs: Need  # what would test it
    paper: str
    cut: Cut | None
    is_question: bool
    evidence: dict[str, Evidence] = field(default_factory=dict)  # by source

    def also_on(self, source: str, needs: Need | None = None, unit: str = "") -> Callable[[Judge], Claim]:
        """Declare how it is judged on another source of evidence, whose numbers may have a unit of their own."""

        def declare(judge: Judge) -> Claim:
            if source in self.evidence:
                raise ValueError(f"the claim {self.name} is judged twice on {source}")
            self.evidence[source] = Evidence(judge, needs or self.needs, unit or self.unit)
            return self

        return declare

    def alike_on(self, source: str, needs: Need | None = None, **tables: str) -> None:
        """Declare that its first judge judges another source, too: on other tables, by parameter, or by `source`."""
        first = next(iter(self.evidence.values()))
        self.also_on(source, needs)(first.judge)
        self.evidence[source] = replace(self.evidence[source], tables=tables)

    @property
    def tables(self) -> list[str]:
        """The tables of the run that it is judged on."""
        return [name for name in self._inputs() if not name.startswith(FIGURE)]

    @property
    def figures(self) -> list[str]:
        """The papers' figures that it is judged on."""
        return [name for name in self._inputs() if name.startswith(FIGURE)]

    def _inputs(self) -> list[str]:
        return list(dict.fromkeys(name for evidence in self.evidence.values() for name in evidence.inputs))

    def sources(self) -> list[str]:
        """What it is judged on, in the order of the page."""
        return [source for source in SOURCES if source in self.evidence]

    def decide(self, source: str, known: Mapping[str, Any], cut: float | None = None) -> Decisions:
        """The decision on every curve of a source, at the claim's cut or another."""
        evidence = self.evidence[source]
        known = {**known, "source": source, "cut": self.cut.value if cut is None and self.cut else cut}
        return evidence.judge(**{name: known[given] for name, given in evidence.arguments.items()})

    def row(self, source: str, known: Mapping[str, Any]) -> dict[str, Any]:
        """Its row of claims.csv for a source; `known` are tables and published figures by name, and the context."""
        decisions = self.decide(source, known)
        verdict = verdict_of(decisions)
        cut = self.cut if self.evidence[source].has_cut else None
        tried = cut.others if cut and len(decisions.agrees) else ()
        others = [self.called(verdict_of(self.decide(source, known, other))) for other in tried]
        return {
            "claim": self.name,
            "kind": "question" if self.is_question else "claim",
            "paper": self.paper,
            "text": self.text,
            "published": self.published,
            "source": source,
            "verdict": self.called(verdict),
            **summary(decisions),
            "unit": self.evidence[source].unit,
            "cut": cut.value if cut else None,
            "verdict_at_half": others[0] if others else None,
            "verdict_at_twice": others[1] if others else None,
            "found_in": ", ".join(self.shown_in),
        }

    def curve_rows(self, source: str, known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Its rows of claim_curves.csv for a source: every curve with its interval and what it says."""
        decisions = self.decide(source, known)
        curves = decisions.curves
        for place, name in enumerate(curves.names):
            yes, no = decisions.agrees[place], decisions.contradicts[place]
            yield {
                "claim": self.name,
                "source": source,
                "curve": name,
                "value": curves.values[place],
                "value_low": curves.low[place],
                "value_high": curves.high[place],
                "unit": self.evidence[source].unit,
                "says": "agrees" if yes else "contradicts" if no else "open",
                "power": decisions.power[place],
            }

    def called(self, verdict: str) -> str:
        """The verdict, in the words of an answer if it is a question."""
        return ANSWERS.get(verdict, verdict) if self.is_question else verdict


def verdict_of(decisions: Decisions) -> str:
    """One verdict of all curves. A claim is about each: one that contradicts it is enough, unless others agree."""
    agreeing, contradicting = int(decisions.agrees.sum()), int(decisions.contradicts.sum())
    if not len(decisions.agrees):
        return NOT_TESTED
    if agreeing == len(decisions.agrees):
        return REPRODUCED
    if agreeing:
        return IN_PART
    return CONTRADICTED if contradicting else INCONCLUSIVE


def summary(decisions: Decisions) -> dict[str, Any]:
    """The numbers of a row of claims.csv.

    The interval is that of a single curve; several curves have a median and a range of values, and no interval.
    """
    import numpy as np

    curves = decisions.curves
    count, single = len(curves.values), len(curves.values) == 1
    undecided = ~decisions.agrees & ~decisions.contradicts & ~np.isnan(decisions.power)
    return {
        "curves": count,
        "agreeing": int(decisions.agrees.sum()),
        "contradicting": int(decisions.contradicts.sum()),
        "ours": float(np.median(curves.values)) if count else None,
        "ours_low": float(curves.low[0]) if single else None,
        "ours_high": float(curves.high[0]) if single else None,
        "ours_minimum": float(curves.values.min()) if count else None,
        "ours_maximum": float(curves.values.max()) if count else None,
        "power": float(np.median(decisions.power[undecided])) if undecided.any() else None,
    }


CLAIMS: dict[str, Claim] = {}  # by name, in the order of claims.csv


def claim(
    text: str,
    *,
    published: str,
    unit: str,
    shown_in: tuple[str, ...],
    needs: Need,
    paper: str = GODEY,
    source: str = HERE,
    cut: Cut | None = None,
    name: str | None = None,
    is_question: bool = False,
) -> Callable[[Judge], Claim]:
    """Declare a claim; the function that is decorated judges it on `source` and, unless it is named, names it."""

    def declare(judge: Judge) -> Claim:
        key = name or judge.__name__
        if key in CLAIMS:
            raise ValueError(f"the claim {key} is declared twice")
        CLAIMS[key] = Claim(key, text, published, unit, shown_in, needs, paper, cut, is_question)
        return CLAIMS[key].also_on(source)(judge)

    return declare


def question(
    text: str, *, unit: str, shown_in: tuple[str, ...], needs: Need, **options: Any
) -> Callable[[Judge], Claim]:
    """Declare a question of this project, which no paper answers."""
    return claim(text, published="not stated", unit=unit, shown_in=shown_in, needs=needs, is_question=True, **options)
