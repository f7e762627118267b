"""Figures, tables, claims and the page for suites of checkpoints, from tables with known answers."""

import gzip
import json
from base64 import b64decode

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.claims import CLAIMS
from lm_saturation.figures.long_panels import long_curves
from lm_saturation.figures.numbers import short_number
from lm_saturation.figures.panels import PAPER, by_size, set_limits, size_styles, trajectories
from lm_saturation.io.tables import read_csv, table_columns, write_csv, write_tables
from lm_saturation.report.answers import answers
from lm_saturation.report.page import page_figure, render_page
from lm_saturation.report.tables.checkpoints import checkpoint_table, short_list
from lm_saturation.report.tables.saturation import facts
from lm_saturation.statistics.intervals import mean_interval
from lm_saturation_workflow.catalogue import FIGURES, TABLES
from lm_saturation_workflow.page_sections import TITLES, page_sections
from scripts.report import (
    figure_1a,
    figure_2,
    figure_3,
    figure_4,
    figure_5,
    figure_centred,
    figure_precision,
    figure_unigram,
)
from tests.conftest import RESOURCES, ROOT
from tests.report.judging import CONTEXT, empty
from tests.report.suite_tables import (
    PYTHIA_NAMES,
    checkpoint_metrics,
    head_spectrum,
    layer_metrics,
    sequence_losses,
    write_suite,
)

STEPS = np.arange(0, 2001, 100)
LOSS = 4 + np.exp(-STEPS / 200) + np.where(STEPS > 1000, (STEPS - 1000) * 1e-4, 0)
OTHERS = ["pythia-31m", "pythia-70m", "pythia-160m", "pythia-410m"]  # the paper's models that none below is
NAMES = {"first/b": "pythia-14m", "single/a": "gpt2"}
INPUTS = {
    "figure_1a": ["metrics", "losses", "published", "language_models"],
    "figure_2": ["metrics", "layers", "published"],
    "figure_3": ["metrics", "published"],
    "figure_4": ["metrics", "spectra", "published"],
    "figure_5": ["metrics", "published"],
    "figure_centred": ["metrics"],
    "figure_precision": ["metrics"],
    "figure_unigram": ["metrics", "seeds"],
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def suites():
    """Two suites with steps, one of single checkpoints; a duplicate, a missing word perplexity, an overflow."""
    copies = np.where(STEPS == 500, 400, None)
    words = np.where(STEPS < 200, None, 20 * LOSS).astype(object)
    overflow = np.where(STEPS > 1500, None, LOSS).astype(object)
    return pd.concat(
        [
            checkpoint_metrics(
                "first", "b", STEPS, LOSS, parameters=10, duplicate_of=copies, word_perplexity=words, tokens=STEPS * 10
            ),
            checkpoint_metrics("first", "a", STEPS, LOSS - 1, parameters=100, loss_float16=overflow),
            checkpoint_metrics("second", "a", STEPS, LOSS + 1, parameters=50),
            checkpoint_metrics("single", "a", np.array([7]), np.array([3.0]), parameters=70, anisotropy=0.8),
            checkpoint_metrics("single", "b", np.array([1, 7]), np.array([9.0, 9.0]), duplicate_of=[None, 1]),
        ],
        ignore_index=True,
    )


def test_suites_in_order_and_models_by_size():
    ordered = by_size(suites())
    models = ordered[["suite", "model"]].drop_duplicates().to_numpy().tolist()
    assert models == [["first", "b"], ["first", "a"], ["second", "a"], ["single", "a"], ["single", "b"]]
    drawn = trajectories(suites())
    assert drawn.suite.unique().tolist() == ["first", "second"]
    assert drawn[drawn.duplicate == 1].step.tolist() == [500]
    shades = [style["color"] for style in size_styles(drawn[drawn.suite == "first"]).values()]
    assert np.mean(shades[0][:3]) < np.mean(shades[1][:3])  # larger is lighter


def losses_of(metrics, noise=0.0):
    """sequence_losses of every model."""
    return pd.concat([sequence_losses(one, noise=noise) for _, one in metrics.groupby(["suite", "model"], sort=False)])


def line_of(axis, count):
    return [line for line in axis.get_lines() if len(line.get_xdata()) == count]


def test_figure_1a_draws_what_the_table_holds():
    published = pd.read_csv(RESOURCES / "figure_1a_published.csv")
    drawn = figure_1a.curves_drawn(suites(), losses_of(suites(), 0.2), published, NAMES)
    figure = figure_1a.draw(drawn)
    assert [axis.get_title() for axis in figure.axes] == ["b", "a", "a", *OTHERS]
    (line,) = line_of(figure.axes[0], 20)
    np.testing.assert_array_equal(line.get_xdata(), STEPS[STEPS != 500])
    np.testing.assert_array_equal(line.get_ydata(), LOSS[STEPS != 500])
    crosses = [line for line in figure.axes[0].get_lines() if line.get_marker() == "X"]
    assert [line.get_xdata().tolist() for line in crosses] == [[500]]
    (paper,) = line_of(figure.axes[0], 28)
    np.testing.assert_array_equal(paper.get_ydata(), published[published.model == "pythia-14m"].loss_nats)
    best = drawn[drawn.best == 1]
    assert best.step.tolist() == [STEPS[LOSS.argmin()]] * 3
    other = drawn[drawn.model == "pythia-31m"]
    (line,) = line_of(figure.axes[3], 28)
    np.testing.assert_array_equal(line.get_xdata(), other.share)
    np.testing.assert_array_equal(line.get_ydata(), other.loss_nats)
    np.testing.assert_allclose(other.share, published[published.model == "pythia-31m"].step / 143_000)


def test_the_band_of_figure_1a_is_of_the_paired_difference_to_the_lowest_loss():
    metrics = suites()
    losses = losses_of(metrics, 0.2)
    published = pd.read_csv(RESOURCES / "figure_1a_published.csv")
    drawn = figure_1a.curves_drawn(metrics, losses, published, {})
    ours = drawn[(drawn.suite == "second") & (drawn.source == "ours")].set_index("step")
    own = losses[losses.suite == "second"]
    keys = [key for key in ("sequence", "document") if key in own]
    table = own.pivot_table(index=keys, columns="step", values="loss_nats")
    best = STEPS[LOSS.argmin()]
    for step in STEPS:
        error = stats.sem(table[step] - table[best]) if step != best else 0.0
        np.testing.assert_allclose(ours.high[step] - ours.loss_nats[step], error, atol=1e-12)
    assert (ours.high - ours.low)[best] == pytest.approx(0)
    without = figure_1a.curves_drawn(metrics, losses[:0], published, {})
    assert without[without.source == "ours"].low.isna().all()


def test_the_five_gram_model_is_a_line_where_the_panel_reaches_it():
    models = pd.DataFrame({"corpus": ["c", "c"], "tokenizer": ["t", "u"], "cross_entropy_nats": [4.1, 1.0]})
    texts = {"first": ["c", "t"], "second": ["c", "u"]}
    published = pd.read_csv(RESOURCES / "figure_1a_published.csv")
    drawn = figure_1a.curves_drawn(suites(), losses_of(suites()), published, {})
    five_grams = figure_1a.five_gram_rows(drawn, models, texts)
    assert five_grams.loss_nats.tolist() == [4.1, 4.1, 1.0]
    figure = figure_1a.draw(pd.concat([drawn, five_grams]))
    dotted = [[line.get_ydata()[0] for line in axis.get_lines() if line.get_linestyle() == ":"] for axis in figure.axes]
    assert dotted[:3] == [[4.1], [], []]
    assert [[text.get_text() for text in axis.texts] for axis in figure.axes[:3]] == [
        [],
        ["5-gram 4.10 ↑"],
        ["5-gram 1.00 ↓"],
    ]


def test_figure_2_shows_the_last_checkpoint_of_its_own_and_the_state_after_the_norm():
    metrics = suites()
    published = pd.read_csv(RESOURCES / "figure_2_published.csv")
    drawn = figure_2.curves_drawn(metrics, layer_metrics(metrics), published, NAMES)
    ours = drawn[drawn.source == "ours"]
    assert ours.groupby(["suite", "model"]).step.first().to_dict() == {
        ("first", "a"): 2000,
        ("first", "b"): 2000,
        ("second", "a"): 2000,
        ("single", "a"): 7,
        ("single", "b"): 1,  # 7 is a duplicate
    }
    one = ours[(ours.suite == "single") & (ours.model == "a")]
    assert one.anisotropy.tolist() == [0.05, 0.3, 0.8]
    assert one.depth.tolist() == [0, 0.5, 1]
    paper = drawn[(drawn.source == "paper") & (drawn.suite == "single")]
    np.testing.assert_array_equal(paper.anisotropy, published[published.model == "gpt2"].anisotropy)
    figure = figure_2.draw(drawn)
    assert [axis.get_title() for axis in figure.axes] == ["first", "second", "single"]
    assert next(line.get_ydata().tolist() for line in line_of(figure.axes[2], 3)) == [0.05, 0.3, 0.8]


def test_figure_3_takes_the_loss_where_there_are_no_words():
    drawn = figure_3.curves_drawn(suites(), pd.read_csv(RESOURCES / "figure_3_published.csv"), NAMES)
    assert list(drawn[drawn.suite == PAPER].model.unique()) == OTHERS
    ours = drawn[drawn.suite != PAPER]
    metric = ours.groupby(["suite", "model", "source"]).metric.unique().map(list).to_dict()
    assert metric == {
        ("first", "b", "ours"): ["word_perplexity"],
        ("first", "b", "paper"): ["word_perplexity"],
        ("second", "a", "ours"): ["cross_entropy_nats"],
    }  # first/a has no words in a suite that has
    figure = figure_3.draw(drawn)
    (lines,) = figure.axes[0].collections
    own = drawn[(drawn.suite == "first") & (drawn.source == "ours") & (drawn.duplicate == 0)]
    ends = np.array([segment[0] for segment in lines.get_segments()])
    np.testing.assert_array_equal(ends, own[["step", "value"]].to_numpy(float)[:-1])
    np.testing.assert_allclose(lines.get_array(), 0.2)


def test_figure_4_shows_shares_of_the_first():
    metrics = suites()
    published = pd.read_csv(RESOURCES / "figure_4_published.csv")
    drawn = figure_4.values_drawn(metrics, head_spectrum(metrics), published, NAMES)
    ours = drawn[(drawn.source == "ours") & (drawn.suite == "second")]
    assert ours["rank"].min() == 2
    one = ours[ours.step == 300]
    np.testing.assert_allclose(one.share, np.arange(2.0, 21) ** -0.3 / 1.4)
    figure = figure_4.draw(drawn)
    meshes = [axis.collections[0].get_array() for axis in figure.axes[:3]]
    assert [mesh.shape for mesh in meshes] == [(19, 20), (19, 21), (19, 21)]  # the duplicate is left out
    np.testing.assert_allclose(np.unique(meshes[2]), np.unique(ours.share))


def test_figure_5_and_the_two_of_ours_draw_every_curve():
    drawn = figure_5.curves_drawn(suites(), pd.read_csv(RESOURCES / "figure_5_published.csv"), NAMES)
    assert drawn.groupby(["suite", "source"]).size().to_dict() == {
        ("first", "ours"): 42,
        ("first", "paper"): 143,  # of pythia-14m, which first/b is
        ("second", "ours"): 21,
        ("second", "paper"): 7 * 143,  # of all of the paper's models
    }
    figure = figure_5.draw(drawn)
    assert {axis.get_yscale() for axis in figure.axes} == {"log"}
    centred = long_curves(suites(), figure_centred.QUANTITIES)
    assert centred.groupby(["quantity", "variant"]).value.first()["singular_entropy", "centred"] == 0.3
    assert len(figure_centred.draw(centred).axes) == 6
    precision = figure_precision.with_means(long_curves(suites(), figure_precision.QUANTITIES))
    raw = precision[(precision.quantity == "float16") & (precision.variant == "raw head")]
    assert raw[(raw.suite == "first") & (raw.model == "a")].step.max() == 1500  # beyond it a logit overflows
    assert precision[precision.quantity == "offset"].value.unique().tolist() == [2.5]
    assert len(figure_precision.draw(precision).axes) == 6


def test_figure_unigram_draws_both_losses_and_those_of_published_trainings():
    metrics = suites()
    metrics["loss_on_unigram_text"] = metrics.cross_entropy_nats + 5
    metrics.loc[metrics.suite == "second", ["loss_on_unigram_text", "loss_on_bigram_text"]] = None
    seeds = pd.read_csv(RESOURCES / "pythia_seeds.csv.xz")
    drawn = figure_unigram.curves_drawn(metrics, seeds, NAMES)
    assert drawn[drawn.source == "ours"].groupby(["suite", "model"]).size().to_dict() == {
        ("first", "a"): 21,
        ("first", "b"): 21,
    }
    late = seeds[(seeds.variant == "standard") & (seeds.step >= 1000)]
    others = drawn[drawn.suite == PAPER].model.unique().tolist()
    assert others[:3] == ["pythia-70m", "pythia-160m", "pythia-410m"]
    assert {*others, "pythia-14m"} == set(late.model)
    axis = figure_unigram.draw(drawn).axes[0]
    lines = [line.get_ydata() for line in axis.get_lines() if len(line.get_xdata()) == 20]
    np.testing.assert_array_equal(lines, [(LOSS + 5)[STEPS != 500], LOSS[STEPS != 500]])
    paper = late[late.model == "pythia-14m"].sort_values("step")
    lines = [line for line in axis.get_lines() if len(line.get_xdata()) == len(paper)]
    np.testing.assert_array_equal(lines[0].get_xdata(), paper.step)
    np.testing.assert_array_equal(lines[0].get_ydata(), paper.loss_on_unigram_text)
    np.testing.assert_array_equal(lines[1].get_ydata(), paper.loss_on_bigram_text)
    low, high = axis.get_ylim()
    assert low < LOSS[STEPS >= 400].min()
    assert high > (LOSS + 5)[STEPS >= 400].max()


def test_loss_on_unigram_text_in_the_table_of_saturation():
    metrics = suites()
    metrics["loss_on_unigram_text"] = np.where(metrics.suite == "second", None, 10 - metrics.step / 1000)
    first, second = (facts(metrics).set_index(["suite", "model"]).loc[key] for key in (("first", "a"), ("second", "a")))
    assert (first.loss_on_unigram_text_minimum, first.loss_on_unigram_text_final) == (8.0, 8.0)
    assert np.isnan(second.loss_on_unigram_text_minimum)
    assert np.isnan(second.loss_on_unigram_text_final)
    assert first.late_checkpoints == second.late_checkpoints == 20


def test_values_of_figure_5_beyond_the_axis_are_marked_on_its_edge():
    entropy = np.where(STEPS < 100, 1e-3, 0.4)
    metrics = checkpoint_metrics("first", "a", STEPS, LOSS, singular_entropy=entropy)
    published = pd.read_csv(RESOURCES / "figure_5_published.csv")
    drawn = figure_5.curves_drawn(metrics, published, {"first/a": "pythia-14m"})
    assert drawn[(drawn.clipped == 1) & (drawn.source == "ours")].step.tolist() == [0]
    axis = figure_5.draw(drawn).axes[0]
    (mark,) = [line for line in axis.get_lines() if line.get_marker() == "v" and len(line.get_xdata())]
    assert (mark.get_xdata().tolist(), mark.get_ydata().tolist()) == ([0], [axis.get_ylim()[0]])


def test_figure_5_draws_the_papers_curves_by_the_share_of_training_where_no_model_is_its_own():
    metrics = checkpoint_metrics("first", "a", STEPS, LOSS)
    drawn = figure_5.curves_drawn(metrics, pd.read_csv(RESOURCES / "figure_5_published.csv"), {})
    paper = drawn[(drawn.source == "paper") & (drawn.model == "pythia-1b")]
    lines = line_of(figure_5.draw(drawn).axes[0], len(paper))
    np.testing.assert_allclose(lines[5].get_xdata(), paper.share * STEPS[-1])  # the sixth of seven
    np.testing.assert_array_equal(lines[5].get_ydata(), paper.singular_entropy)


def test_figure_precision_says_whether_penalties_are_noise():
    def said(shift):
        parts = [
            checkpoint_metrics("first", str(model), STEPS, LOSS, loss_bfloat16=LOSS + shift + model * 1e-4)
            for model in (-2, -1, 0, 1, 2)
        ]
        curves = figure_precision.with_means(long_curves(pd.concat(parts), figure_precision.QUANTITIES))
        raw = curves[(curves.quantity == "bfloat16") & (curves.variant == figure_precision.RAW)]
        np.testing.assert_allclose(
            raw[["mean", "low", "high"]].iloc[0], mean_interval(raw.groupby("model").value.mean().to_numpy())
        )
        return figure_precision.draw(curves).axes[0].texts[0].get_text().split("\n")[1]

    assert said(0.0) == "noise: the interval holds 0"
    assert said(0.002) == "not noise, but below 0.006, the smallest increase in Fig 1a"
    assert said(0.05) == "not noise"


def test_limits_leave_out_the_beginning():
    curve = pd.DataFrame({"step": [0, 50, 100, 200, 1000], "y": [1e6, 100.0, 3.0, 1.0, 2.0]})
    _, axis = plt.subplots()
    set_limits(axis, [curve], ["y"], 0.1)
    low, high = axis.get_ylim()
    assert 0.8 < low < 1
    assert 3 < high < 3.2
    set_limits(axis, [curve.assign(y=0.0)], ["y"], 0.1, log=True)  # nothing positive: left as it is
    assert [short_number(value) for value in (0, 512, 1500, 143_000, 2e6)] == ["0", "512", "1.5k", "143k", "2M"]


@pytest.mark.parametrize("lacks", [False, True])
def test_every_figure_writes_three_files(lacks, run_script, tmp_path):
    paths = {} if lacks else write_suite(tmp_path, suites())
    models = dict.fromkeys(table_columns("language_model"), 1) | {"corpus": ["c"], "tokenizer": "t"}
    write_tables("language_model", tmp_path / "models.parquet", [models])
    for name, needed in INPUTS.items():
        files = {
            "metrics": paths.get("checkpoint_metrics", []),
            "losses": paths.get("sequence_losses", []),
            "layers": paths.get("layer_metrics", []),
            "spectra": paths.get("head_spectrum", []),
            "published": str(RESOURCES / f"{name}_published.csv"),
            "seeds": str(RESOURCES / "pythia_seeds.csv.xz"),
            "language_models": [] if lacks else [str(tmp_path / "models.parquet")],
        }
        output = {kind: tmp_path / f"{name}.{kind}" for kind in ("pdf", "png", "csv")}
        run_script(
            f"report/{name}.py",
            input={key: files[key] for key in needed},
            output=output,
            params={"palette": "colorblind", "names": NAMES, "texts": {"first": ["c", "t"]}},
        )
        assert all(path.stat().st_size > 0 for path in output.values())
        assert (len(pd.read_csv(output["csv"])) == 0) == lacks


def audit(model, statuses):
    rows = [("hub", model, step, status) for step, status in statuses.items()]
    return pd.DataFrame(rows, columns=["suite", "model", "step", "status"])


def test_checkpoints_asked_for_found_and_measured():
    metrics = pd.concat(
        [
            checkpoint_metrics(
                "hub", "m", np.array([1, 2, 5]), np.ones(3), duplicate_of=[2, 1, None], quantisation="Q8_0 78 %"
            ),
            checkpoint_metrics("own", "t", np.array([0, 10]), np.ones(2)),
        ]
    )
    statuses = {1: "duplicate", 2: "duplicate", 3: "missing", 4: "incomplete", 5: "ok", 6: "ok"}
    audits = pd.concat([audit("m", statuses), audit("gone", {1: "missing"})])
    table = checkpoint_table(metrics, audits, {"hub": [1, 2, 3, 4, 5, 9], "own": [0, 10, 20]})
    one = table.set_index("model").loc["m"]
    assert one[["configured", "found", "measured", "missing", "duplicates", "incomplete"]].tolist() == [
        6,
        3,
        3,
        2,
        2,
        1,
    ]
    assert (one.missing_steps, one.duplicate_steps, one.incomplete_steps) == ("3, 9", "1, 2", "4")
    trained = table.set_index("model").loc["t"]
    assert (trained.configured, trained.measured, trained.missing_steps) == (3, 2, "20")
    assert np.isnan(trained.found)
    assert table.set_index("model").loc["gone", "measured"] == 0
    assert one.quantisation == "Q8_0 78 %"
    assert pd.isna(trained.quantisation)
    everything = checkpoint_table(metrics, audits, {"hub": None, "own": None})
    assert everything.configured.isna().all()
    assert short_list(range(0, 100, 10)) == "0, 10, 20, 30, ..., 90"
    assert short_list([]) is None


@pytest.mark.parametrize("lacks", [False, True])
def test_tables_claims_and_page(lacks, run_script, tmp_path):
    metrics = suites()
    paths = {} if lacks else write_suite(tmp_path, metrics, noise=0.001)
    saturation, correlation = [], []
    for suite in [] if lacks else metrics.suite.unique():
        saturation.append(str(tmp_path / f"{suite}.saturation.parquet"))
        correlation.append(str(tmp_path / f"{suite}.correlation.parquet"))
        mine = {name: [path for path in paths[name] if f"/{suite}/" in path] for name in paths}
        run_script(
            "metrics/saturation.py",
            input={"metrics": mine["checkpoint_metrics"], "losses": mine["sequence_losses"]},
            output={"saturation": saturation[-1], "correlation": correlation[-1]},
        )
    files = {name: tmp_path / f"{name}.csv" for name in TABLES}
    for name, table in TABLES.items():
        write_csv(table.schema, files[name], empty(name))
    measured = paths.get("checkpoint_metrics", [])
    run_script(
        "report/table_saturation.py",
        input={
            "metrics": measured,
            "layers": paths.get("layer_metrics", []),
            "saturation": saturation,
            "correlation": correlation,
        },
        output={name: files[name] for name in ("saturation", "onset_correlation")},
    )
    run_script(
        "report/table_checkpoints.py",
        input={"metrics": measured, "audits": []},
        output=[files["checkpoints"]],
        params={"steps": dict.fromkeys(metrics.suite.unique())},
    )
    output = {name: tmp_path / f"{name}.csv" for name in ("claims", "claim_curves")}
    figures = {name: RESOURCES / f"{name}_published.csv" for claim in CLAIMS.values() for name in claim.figures}
    run_script(
        "report/claims.py",
        input=files | figures,
        output={"claims": output["claims"], "curves": output["claim_curves"]},
        params={"context": CONTEXT},
    )
    claims = read_csv("claims", output["claims"])
    assert claims.claim.drop_duplicates().tolist() == list(CLAIMS)
    assert not claims.duplicated(["claim", "source"]).any()
    curves = read_csv("claim_curves", output["claim_curves"])
    assert len(curves) == claims.curves.sum()
    table = read_csv("table_saturation", files["saturation"])
    assert table.model.tolist() == ([] if lacks else ["b", "a", "a", "a", "b"])
    tables = {name: read_csv(table.schema, files[name]) for name, table in TABLES.items()}
    page = page_of(claims, tables, files)
    assert ("measures no checkpoints" in page) == lacks
    anchors = {anchor for names in claims.found_in for anchor in names.split(", ")}
    assert anchors <= set(TITLES)
    assert all(f'id="{anchor}"' in page for anchor in anchors if anchor not in FIGURES)
    assert (f"<span>file <code>{files['saturation']}</code></span>" in page) != lacks


def page_of(claims, tables, files):
    config = {"checkpoints": {"suites": ["first"]}, "suites": {"first": {"models": ["a"]}}, "metrics": {"seed": 5}}
    machine = {"system": "x", "processor": "y", "cores": 2, "memory_gb": 8, "gpus": [], "python": "3.11"}
    record = {"config": config, "code_revision": None, "machine": machine, "packages": {}, "inputs": {}, "audits": {}}
    template = ROOT / "src" / "lm_saturation" / "report" / "report.html.jinja"
    answered = answers(claims, tables["seed_runs"], tables["rounding_pairs"])
    sections = page_sections(tables, files, [], [])
    return render_page(template, claims, answered, sections, TITLES, record, "provenance.json", "<svg></svg>", {})


def test_large_tables_of_numbers_are_packed(tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x07\x08\0\0\x03\x84")
    (tmp_path / "small.csv").write_bytes(b"a\n1\n")
    (tmp_path / "large.csv").write_bytes(b"1\n" * 300_000)
    small, large = (
        page_figure("f", "T", "What to see? How.", "d", str(tmp_path / "image.png"), str(tmp_path / f"{name}.csv"))
        for name in ("small", "large")
    )
    assert (small["data"], small["file_name"]) == ("data:text/csv;base64,YQoxCg==", "small.csv")
    assert (small["size"], small["alt"]) == ([960, 480], "T. What to see?")
    assert small["image"].startswith("data:image/png;base64,iVBOR")
    assert large["file_name"] == "large.csv.gz"
    assert gzip.decompress(b64decode(large["data"].split(",")[1])) == b"1\n" * 300_000


def test_published_curves_name_models_as_the_hub_does():
    models = {
        name: set(pd.read_csv(RESOURCES / f"figure_{name}_published.csv").model) for name in ("1a", "2", "3", "4", "5")
    }
    assert models["1a"] == models["3"] == models["4"] == set(PYTHIA_NAMES.values())
    assert models["5"] > models["1a"]
    assert {"gpt2", "gpt2-medium", "gemma-2b", "opt-125m", "pythia-6.9b"} < models["2"]
    assert json.dumps(sorted(models["2"])).islower()
