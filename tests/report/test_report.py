import math
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from lm_saturation.claims import Context
from lm_saturation.claims.base import PAPER
from lm_saturation.claims.ngrams import comparable, with_spread_of_others
from lm_saturation.config import read_experiment
from lm_saturation.errors import InputError
from lm_saturation.figures.ngram_panels import curve, grid
from lm_saturation.figures.style import save_figure, set_style
from lm_saturation.io.tables import read_csv
from lm_saturation.report.cells import number
from lm_saturation.report.tables.table_7 import published_rows
from lm_saturation.report.tables.table_7_controls import control_rows, smoothed_summary
from lm_saturation.statistics.intervals import mean_interval
from scripts.report.figure_7 import curves_drawn, draw
from scripts.report.figure_7_controls import distinct_samples, panels_of
from tests.conftest import RESOURCES, ROOT
from tests.report.judging import judged

PUBLISHED = pd.read_csv(RESOURCES / "figure_7_published.csv")


def row(halving, low=None, high=None, **other):
    values = {"halving_dimension": halving, "halving_low": low, "halving_high": high, "corpus": "c", "tokenizer": "t"}
    for name in ("lenient", "negligible", "strict"):
        values |= dict.fromkeys((f"{name}_dimension", f"{name}_low", f"{name}_high"), 12_000.0)
    return {**values, "source": "ours", "order": 5, "ngrams": 100_000, "samples": 5, **other}


@pytest.mark.parametrize(
    ("rows", "agreeing", "verdict"),
    [
        ([row(1500.0, 1400.0, 1600.0)], 1, "reproduced"),
        ([row(990.0, 970.0, 1010.0)], 0, "inconclusive"),  # touching the range is not enough
        ([row(990.0, 985.0, 995.0), row(1500.0, 1400.0, 1600.0)], 1, "in part"),
        ([row(900.0, 890.0, 910.0)], 0, "contradicted"),
        ([row(1500.0, math.nan, math.nan, samples=1)], 0, "inconclusive"),  # one sample has no interval
        ([], 0, "not tested here"),
    ],
)
def test_a_claim_holds_if_every_interval_lies_in_the_range(rows, agreeing, verdict):
    claim = judged({"table_7": pd.DataFrame(rows, columns=list(row(0.0)))})["w_error_halves"]
    assert (claim["agreeing"], claim["verdict"]) == (agreeing, verdict)


def test_only_large_samples_of_real_text_test_the_paper():
    table = pd.DataFrame([row(1.0), row(2.0, ngrams=49_999), row(3.0, order=4), row(4.0, corpus="made")])
    context = Context("100000", synthetic=("made",))
    assert comparable(table, 5, context).halving_dimension.tolist() == [1.0]
    assert comparable(table, 4, context).halving_dimension.tolist() == [3.0]
    assert judged({"table_7": table}, context=context)["w_error_halves"]["curves"] == 1
    assert judged({"table_7": table})["w_error_halves"]["curves"] == 2
    assert judged({"table_7": table.assign(source="paper")}, context=context)["w_error_halves"]["curves"] == 0


def test_the_papers_curves_are_judged_by_the_error_of_reading_them():
    """All but IMDb's with Llama-2's tokenizer halve within the range; Llama-2's are negligible before it."""
    table = pd.DataFrame(published_rows(PUBLISHED)).assign(samples=math.nan, order=math.nan, ngrams=math.nan)
    found = judged({"table_7": table}, PAPER)
    assert [found["w_error_halves"][key] for key in ("verdict", "curves", "agreeing")] == ["in part", 6, 5]
    small = found["w_error_negligible"]
    assert [small[key] for key in ("verdict", "agreeing", "contradicting")] == ["in part", 3, 3]
    assert (small["cut"], small["verdict_at_half"], small["verdict_at_twice"]) == (0.05, "in part", "in part")
    assert judged({"table_7": table})["w_error_halves"]["verdict"] == "not tested here"


def control(gap, **other):
    values = {"corpus": "c", "tokenizer": "t", "order": 5, "sample_size": "100000", "weighting": "unit", "min_count": 1}
    numbers = dict.fromkeys(("contexts", "one_hot_contexts", "types", "bracket"), 1.0) | {"ngrams": 100_000}
    halves = {f"{name}halving_dimension": 1.0 for name in ("", "column_norm_", "unigram_")}
    return {**values, **numbers, **halves, "column_norm_gap": gap, **other}


@pytest.mark.parametrize(
    ("gaps", "answer"),
    [
        ([0.001, 0.002, 0.0015], "no"),
        ([0.2, 0.21, 0.205], "yes"),
        ([0.04, 0.07, 0.05], "inconclusive"),
        ([0.2], "inconclusive"),
    ],
)
def test_the_gap_to_the_column_norms_is_judged_on_plain_matrices(gaps, answer):
    claim = judged({"table_7_controls": controls(gaps)})["beyond_column_norms_4"]
    assert (claim["kind"], claim["curves"], claim["verdict"]) == ("question", 1, answer)
    assert claim["ours"] == pytest.approx(np.mean(gaps))


def test_an_answer_that_hangs_on_the_cut_says_so():
    """0.044, as measured with contexts of one token."""
    claim = judged({"table_7_controls": controls([0.0435, 0.044, 0.0445])})["beyond_column_norms_4"]
    assert (claim["verdict"], claim["verdict_at_half"], claim["verdict_at_twice"]) == ("no", "yes", "no")


def test_single_samples_have_the_spread_of_others():
    """One more sample lies in mean ± t s: of five samples with an interval of the mean, half a width is t s / √5."""
    several = control_rows(
        pd.DataFrame([control(gap, seed=seed) for seed, gap in enumerate((0.1, 0.2, 0.3, 0.2, 0.2))])
    )
    single = control_rows(pd.DataFrame([control(0.04, order=2)]))
    rows = with_spread_of_others(pd.concat([several, single], ignore_index=True))
    half = stats.t.isf(0.025, 4) * np.std([0.1, 0.2, 0.3, 0.2, 0.2], ddof=1)
    assert rows[["column_norm_gap_low", "column_norm_gap_high"]].iloc[1].tolist() == pytest.approx(
        [0.04 - half, 0.04 + half]
    )
    assert rows.freedom.tolist() == [4, 4]
    alone = with_spread_of_others(single)
    assert alone.column_norm_gap_low.isna().all()


def controls(gaps):
    summary = [control(gap, seed=seed) for seed, gap in enumerate(gaps)]
    others = [control(0.5, weighting="count"), control(0.5, min_count=10), control(0.5, sample_size="all")]
    return control_rows(pd.DataFrame(summary + [other | {"seed": 0} for other in others]))


def test_smoothed_rows_stand_beside_the_others():
    summary = pd.DataFrame([control(0.1, seed=0) | {"contexts": 77}])
    curve = {"w_error": [0.9, 0.6, 0.4, 0.0], "column_norm_w_error": [0.9, 0.7, 0.6, 0.0]}
    spectrum = pd.DataFrame(curve | {"unigram_w_error": [0.4, 0.3, 0.2, 0.0], "dimension": [1, 2, 3, 4]}).assign(
        **{key: summary[key][0] for key in ("corpus", "tokenizer", "order", "sample_size", "seed", "min_count")},
        weighting="smoothed",
    )
    row = smoothed_summary(spectrum, summary).iloc[0]
    assert (row.halving_dimension, row.column_norm_halving_dimension, row.unigram_halving_dimension) == (3, 4, 1)
    assert (row.contexts, row.ngrams, row.types) == (77, 100_000, 4)
    assert row.column_norm_gap == pytest.approx(0.2)
    both = control_rows(pd.concat([summary, smoothed_summary(spectrum, summary)]))
    assert both.weighting.tolist() == ["unit", "smoothed"]


def test_numbers_as_the_page_prints_them():
    assert [number(value) for value in (1234.0, 12.6, 0.04567, 0.0, np.nan)] == ["1,234", "13", "0.046", "0", ""]


def test_intervals_are_students_t():
    values = np.array([[3.0], [5.0], [4.0], [8.0]])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values)[0])
    np.testing.assert_allclose(mean_interval(values)[:, 0], [5, low, high])
    assert np.isnan(mean_interval(values[:1])[1:]).all()


def test_the_papers_own_curves_where_they_are_known():
    rows = {(row["corpus"], row["tokenizer"]): row for row in published_rows(PUBLISHED)}
    assert len(rows) == 6
    points = PUBLISHED[(PUBLISHED.corpus == "IMDb") & (PUBLISHED.tokenizer == "llama2")].set_index("dimension").w_error
    found = rows["IMDb", "llama2"]["halving_dimension"]
    assert points[points > 0.5].index.max() <= found <= points[points <= 0.5].index.min()
    assert found < 1000  # so the paper's own "1000 to 2000" does not quite hold for this curve
    assert all(row["halving_low"] < row["halving_dimension"] < row["halving_high"] for row in rows.values())


def spectra():
    parts = []
    for corpus in ("a", "b"):
        for seed in (0, 1):
            errors = np.linspace(0.9, 0, 50 + seed)
            parts.append(
                pd.DataFrame(
                    {"corpus": corpus, "tokenizer": "t", "order": 5, "sample_size": "10", "seed": seed}
                    | {
                        "weighting": "unit",
                        "min_count": 1,
                        "dimension": np.arange(1, len(errors) + 1),
                        "w_error": errors,
                    }
                )
            )
    return pd.concat(parts)


def test_curve_is_the_mean_over_seeds_and_zero_beyond_the_last_type():
    one = spectra().query("corpus == 'a'")
    drawn = curve(one, "w_error", np.array([1, 10, 50, 51, 90]))
    first, second = np.linspace(0.9, 0, 50), np.linspace(0.9, 0, 51)
    np.testing.assert_allclose(drawn.w_error, [0.9, (first[9] + second[9]) / 2, second[49] / 2, 0, 0], atol=1e-15)


def test_grid_is_increasing_and_complete():
    assert grid(1).tolist() == [1]
    points = grid(30_000)
    assert points[0] == 1
    assert points[-1] == 30_000
    assert (np.diff(points) > 0).all()


def test_the_csv_holds_exactly_what_is_drawn(tmp_path):
    set_style("colorblind")
    drawn = curves_drawn(spectra(), PUBLISHED, {"t": "llama2"})
    figure = draw(drawn, {"t": "llama2"}, 5, "10")
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert [axis.get_title() for axis in figure.axes] == ["t", "the paper's, Pythia"]
    for (source, series), points in drawn[drawn.tokenizer == "t"].groupby(["source", "series"]):
        line = lines[series if source == "ours" else f"paper: {series}, Llama-2"]
        np.testing.assert_array_equal(line.get_xdata(), points.dimension)
        np.testing.assert_array_equal(line.get_ydata(), points.w_error)
    output = SimpleNamespace(**{kind: tmp_path / f"f.{kind}" for kind in ("pdf", "png", "csv")})
    save_figure(figure, drawn, output)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save_figure(draw(drawn, {"t": "llama2"}, 5, "10"), drawn, output)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    pd.testing.assert_frame_equal(
        pd.read_csv(output.csv), drawn.reset_index(drop=True), check_dtype=False, rtol=1e-5, atol=1e-9
    )
    plt.close("all")


def test_unknown_palette_is_named():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    with pytest.raises(InputError, match=r"report\.palette.*'colourblind'.*allowed: .*colorblind.*tab10"):
        read_experiment(config | {"report": {"palette": "colourblind"}})


def test_sizes_beyond_the_corpus_are_drawn_once():
    summary = pd.DataFrame(
        [("c", "t", 5, "100", 100), ("c", "t", 5, "1000", 300), ("c", "t", 5, "all", 300)],
        columns=["corpus", "tokenizer", "order", "sample_size", "ngrams"],
    ).assign(weighting="unit", min_count=1)
    assert distinct_samples(summary).sample_size.tolist() == ["100", "all"]
    assert distinct_samples(summary[:2]).sample_ngrams.tolist() == [100, 300]


def test_each_panel_shows_its_samples():
    samples = pd.DataFrame(
        [("c", "t", 5, "100", 100), ("c", "t", 5, "all", 300), ("c", "t", 2, "100", 100)],
        columns=["corpus", "tokenizer", "order", "sample_size", "sample_ngrams"],
    )
    panels = panels_of(samples, 5, "100")
    assert panels["sample size"].sample_size.tolist() == ["100", "all"]
    assert panels["control"].sample_size.tolist() == ["all"]
    assert panels["context"][["order", "weighting"]].to_numpy().tolist() == [
        [5, "unit"],
        [5, "smoothed"],
        [2, "unit"],
        [2, "smoothed"],
    ]


def test_a_damaged_table_for_people_is_named(tmp_path):
    (tmp_path / "claims.csv").write_text("claim,paper\na,b\n")
    with pytest.raises(InputError, match=r"claims\.csv: cannot be read .*delete it and run again"):
        read_csv("claims", tmp_path / "claims.csv")
