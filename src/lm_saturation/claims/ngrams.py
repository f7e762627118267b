"""The claims about the rank of language, judged on tables table_7 and table_7_controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import PAPER, Context, Cut, Judge, claim, question
from lm_saturation.claims.needs import PAPER_CURVES, REAL_TEXT
from lm_saturation.ngrams.w_error_thresholds import HALVES_AT, LENIENT, NEGLIGIBLE, NEGLIGIBLE_AT, STRICT

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Decisions

MINIMUM_NGRAMS = 50_000  # the paper's matrices hold about 1e5 5-grams; far smaller samples say nothing about them
GAP = Cut(0.05, "one twentieth of the axis of figure 7: the least distance of two curves that is seen in it")
SMALL = Cut(
    NEGLIGIBLE,
    "the paper names no number; its six curves pass this one in about the range that it states, and less of the matrix "
    "than a twentieth is left out",
)
SPANS = {STRICT: "strict", NEGLIGIBLE: "negligible", LENIENT: "lenient"}  # columns of table_7, by W-error
SHOWN = ("figure_7", "table_7")


@claim(
    "The W-error of 5-gram matrices halves when 1000 to 2000 dimensions are kept (here: the interval of the dimension "
    "lies in that range)",
    published="{:,} to {:,}".format(*HALVES_AT),
    unit="dimensions",
    shown_in=SHOWN,
    needs=REAL_TEXT,
)
def w_error_halves(table_7: pd.DataFrame, context: Context) -> Decisions:
    """Every text of this run."""
    return _inside(_figure_7(table_7, context), "halving", HALVES_AT)


@w_error_halves.also_on(PAPER, needs=PAPER_CURVES)
def _(table_7: pd.DataFrame) -> Decisions:
    return _inside(_read_off(table_7), "halving", HALVES_AT)


@claim(
    f"It becomes negligible (here: at most {NEGLIGIBLE}) after 10,000 to 15,000 dimensions (the interval of the "
    "dimension lies in that range)",
    published="{:,} to {:,}".format(*NEGLIGIBLE_AT),
    unit="dimensions",
    shown_in=SHOWN,
    needs=REAL_TEXT,
    cut=SMALL,
)
def w_error_negligible(table_7: pd.DataFrame, context: Context, cut: float) -> Decisions:
    """Every text of this run."""
    return _inside(_figure_7(table_7, context), SPANS[cut], NEGLIGIBLE_AT)


@w_error_negligible.also_on(PAPER, needs=PAPER_CURVES)
def _(table_7: pd.DataFrame, cut: float) -> Decisions:
    return _inside(_read_off(table_7), SPANS[cut], NEGLIGIBLE_AT)


def _beyond_column_norms(order: int) -> Judge:
    def judge(table_7_controls: pd.DataFrame, context: Context, cut: float) -> Decisions:
        """Plain matrices of n-grams of that order: yes beyond the cut, no within it."""
        from lm_saturation.statistics.decisions import above, curves_of

        plain = with_spread_of_others(plain_curves(table_7_controls, context.sample_size))
        rows = comparable(plain, order, context)
        ends = (f"column_norm_gap_{end}" for end in ("low", "high"))
        return above(curves_of(rows, "column_norm_gap", *ends, name=["corpus", "tokenizer"], freedom="freedom"), cut)

    return judge


def _declare_column_norms(order: int) -> None:
    """Does W-error of n-grams of an order depend on which tokens share contexts, or on the column norms of W alone?"""
    tokens = f"{order - 1} tokens" if order > 2 else "one token"
    question(
        f"With contexts of {tokens}, does W-error say anything beyond the sorted column norms of W? (yes: the two "
        f"curves differ by more than {GAP.value} at some d; no: by less at every d)",
        name=f"beyond_column_norms_{order - 1}",
        unit="W-error",
        shown_in=("figure_7_controls", "table_7_controls"),
        needs=REAL_TEXT,
        cut=GAP,
    )(_beyond_column_norms(order))


for length in (5, 4, 3, 2):
    _declare_column_norms(length)


def comparable(table: pd.DataFrame, order: int, context: Context) -> pd.DataFrame:
    """Our curves that the paper's claims speak of: n-grams of that order from real text, and enough of them."""
    real = ~table.corpus.isin(context.synthetic)
    return table[(table.order == order) & real & (table.ngrams >= MINIMUM_NGRAMS)]


def plain_curves(controls: pd.DataFrame, sample_size: str) -> pd.DataFrame:
    """Of the controls, the matrices as the paper makes them, from samples of that size."""
    unit = (controls.weighting == "unit") & (controls.min_count == 1)
    return controls[unit & (controls.sample_size == sample_size)]


def _figure_7(table: pd.DataFrame, context: Context) -> pd.DataFrame:
    return _with_freedom(comparable(table[table.source == "ours"], 5, context))


def _read_off(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's curves; an interval is that of reading it off, about two standard errors to each side."""
    return table[table.source == "paper"].assign(freedom=float("inf"))


def with_spread_of_others(plain: pd.DataFrame) -> pd.DataFrame:
    """Gaps of single samples, with the spread that samples of the same text have at another order; degrees of freedom.

    Shorter contexts are sampled once, but their samples are drawn from the same text as those of the longest. Where no
    order was sampled twice, the ends stay empty.
    """
    import numpy as np

    rows = plain.assign(freedom=plain.samples - 1).astype({"freedom": float})
    for _, text in rows.groupby(["corpus", "tokenizer"]):
        several = text[text.samples > 1]
        if several.empty:
            continue
        known = several.sort_values("samples").iloc[-1]
        half = (known.column_norm_gap_high - known.column_norm_gap_low) / 2 * np.sqrt(known.samples)  # of one sample
        single = text.index[text.samples == 1]
        rows.loc[single, "column_norm_gap_low"] = rows.column_norm_gap[single] - half
        rows.loc[single, "column_norm_gap_high"] = rows.column_norm_gap[single] + half
        rows.loc[single, "freedom"] = known.freedom
    return rows


def _with_freedom(rows: pd.DataFrame) -> pd.DataFrame:
    """With the degrees of freedom of intervals over samples."""
    return rows.assign(freedom=rows.samples - 1)


def _inside(rows: pd.DataFrame, name: str, span: tuple[float, float]) -> Decisions:
    """Is the dimension at which W-error reaches a value in a range?"""
    from lm_saturation.statistics.decisions import curves_of, within

    keys = ["corpus", "tokenizer"]
    curves = curves_of(rows, f"{name}_dimension", f"{name}_low", f"{name}_high", name=keys, freedom="freedom")
    return within(curves, *span)
