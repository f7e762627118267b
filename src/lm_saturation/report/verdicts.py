"""Rows of claims.csv in words: for the page, the findings and the summary of a run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lm_saturation.claims.base import ANSWERS, INCONCLUSIVE, NOT_TESTED, SOURCES, VERDICTS
from lm_saturation.report.cells import number

SIGNS = ("✓", "◐", "✗", "?", "–")  # of VERDICTS
KINDS = ("reproduced", "part", "contradicted", "open", "untested")  # the classes of report.css
MEANINGS = {
    **{verdict: (sign, kind) for verdict, sign, kind in zip(VERDICTS, SIGNS, KINDS, strict=True)},
    **{
        ANSWERS[verdict]: (sign, kind)
        for verdict, sign, kind in zip(VERDICTS, SIGNS, KINDS, strict=True)
        if verdict in ANSWERS
    },
}


@dataclass(frozen=True)
class ShownVerdict:
    """What a source says about a claim, as the page shows it."""

    source: str
    verdict: str
    sign: str
    kind: str
    ours: str
    spread: str
    unit: str
    votes: str
    cut: str


@dataclass(frozen=True)
class ShownClaim:
    """A claim with its verdicts, one for each source that tested it."""

    name: str
    text: str
    paper: str
    published: str
    shown_in: list[str]
    verdicts: list[ShownVerdict]


def shown_claims(claims: pd.DataFrame, kind: str) -> list[ShownClaim]:
    """The claims, or the questions; a source without a curve is left out where another has one, untested ones last."""
    groups = [group for _, group in claims[claims.kind == kind].groupby("claim", sort=False)]
    return sorted(map(_shown_claim, groups), key=lambda claim: claim.verdicts[0].verdict == NOT_TESTED)


def _shown_claim(rows: pd.DataFrame) -> ShownClaim:
    tested = rows[rows.verdict != NOT_TESTED]
    first = rows.iloc[0]
    return ShownClaim(
        name=first.claim,
        text=first.text,
        paper=first.paper,
        published=first.published,
        shown_in=first.found_in.split(", "),
        verdicts=[_shown_verdict(row) for row in (tested if len(tested) else rows[:1]).to_dict("records")],
    )


def _shown_verdict(row: Mapping[Any, Any]) -> ShownVerdict:
    sign, kind = MEANINGS[row["verdict"]]
    known = bool(row["curves"])
    return ShownVerdict(
        source=row["source"] if known else "",
        verdict=row["verdict"],
        sign=sign,
        kind=kind,
        ours=number(row["ours"]) if known else "",
        spread=_spread(row),
        unit=row["unit"] if known else "",
        votes=votes(row),
        cut=hanging(row),
    )


def _spread(row: Mapping[Any, Any]) -> str:
    """The interval of a single curve, or the range of the values of several, which is no interval."""
    if row["curves"] > 1:
        return f"{number(row['ours_minimum'])} to {number(row['ours_maximum'])} over {row['curves']} curves"
    if row["curves"] and pd.notna(row["ours_low"]) and row["ours_low"] < row["ours_high"]:
        return f"{number(row['ours_low'])} to {number(row['ours_high'])}"
    return ""


def votes(row: Mapping[Any, Any]) -> str:
    """How many curves agree and contradict, and the power of the test where it found nothing."""
    if not row["curves"]:
        return ""
    parts = [f"{row['agreeing']} of {row['curves']} agree"]
    if row["contradicting"]:
        parts.append(f"{row['contradicting']} contradict{'s' if row['contradicting'] == 1 else ''}")
    if row["verdict"] == INCONCLUSIVE and pd.notna(row["power"]):
        parts.append(f"power {row['power']:.2f}")
    return ", ".join(parts)


def hanging(row: Mapping[Any, Any]) -> str:
    """That the verdict hangs on its threshold, if it is another at half or at twice of it."""
    if not row["curves"] or pd.isna(row["cut"]):
        return ""
    others = {"half": row["verdict_at_half"], "twice": row["verdict_at_twice"]}
    unlike = [f"at {place} of it {verdict}" for place, verdict in others.items() if verdict != row["verdict"]]
    return f"hangs on the threshold {number(row['cut'])}: {', '.join(unlike)}" if unlike else ""


def verdict_in_words(row: Mapping[Any, Any]) -> str:
    """One line of Markdown: **in part** (3 of 5 agree, 1 contradicts; median 0.02 nats, 0.01 to 0.03 over 5 curves)."""
    if not row["curves"]:
        return f"**{row['verdict']}**"
    return f"**{row['verdict']}** ({'; '.join(filter(None, [votes(row), _numbers(row), hanging(row)]))})"


def _numbers(row: Mapping[Any, Any]) -> str:
    value = f"{'median ' if row['curves'] > 1 else ''}{number(row['ours'])} {row['unit']}"
    return ", ".join(filter(None, [value, _spread(row)]))


def counts(claims: pd.DataFrame) -> list[tuple[str, list[int]]]:
    """For each source, the number of claims with each of VERDICTS; questions are not counted."""
    made = claims[claims.kind == "claim"]
    return [
        (source, [int(((made.source == source) & (made.verdict == verdict)).sum()) for verdict in VERDICTS])
        for source in SOURCES
        if (made.source == source).any()
    ]


def untested(claims: pd.DataFrame) -> list[str]:
    """The names of claims and questions that no source could test."""
    tested = claims.groupby("claim", sort=False).curves.max()
    return list(tested[tested == 0].index)


def summary_lines(claims: pd.DataFrame) -> Iterable[str]:
    """A line or more for each claim and question, as a run ends with them."""
    for kind in ("claim", "question"):
        for claim in shown_claims(claims, kind):
            yield claim.text
            for shown in claim.verdicts:
                numbers = ", ".join(filter(None, [f"{shown.ours} {shown.unit}".strip(), shown.spread, shown.votes]))
                source = f" ({shown.source}: {numbers})" if shown.source else ""
                yield f"    {shown.sign} {shown.verdict}{source}"
