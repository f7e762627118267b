"""Figures, tables, claims and the page for suites of checkpoints, from tables with known answers."""

import gzip
import json
from base64 import b64decode
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scripts.common.tables import read_csv, table_columns, write_csv, write_tables
from scripts.metrics.saturation import correlation_rows, model_rows
from scripts.report import figure_1a, figure_2, figure_3, figure_4, figure_5, figure_centred, figure_precision
from scripts.report.claims_checkpoints import checkpoint_rows, trained_enough
from scripts.report.long_panels import long_curves
from scripts.report.report import TABLES, TITLES, numbers_drawn, render
from scripts.report.suites import by_size, set_limits, short_number, size_styles, trajectories
from scripts.report.table_checkpoints import rows as checkpoint_table
from scripts.report.table_checkpoints import short_list
from scripts.report.table_saturation import model_rows as saturation_table
from scripts.report.untested import needs_of
from tests.report.suite_tables import (
    PYTHIA_NAMES,
    checkpoint_metrics,
    head_spectrum,
    layer_metrics,
    published_pythia,
    sequence_losses,
    write_suite,
)

STEPS = np.arange(0, 2001, 100)
LOSS = 4 + np.exp(-STEPS / 200) + np.where(STEPS > 1000, (STEPS - 1000) * 1e-4, 0)
NAMES = {"first/b": "pythia-14m", "single/a": "gpt2"}
FIGURES = {
    "figure_1a": ["metrics", "published", "language_models"],
    "figure_2": ["metrics", "layers", "published"],
    "figure_3": ["metrics", "published"],
    "figure_4": ["metrics", "spectra", "published"],
    "figure_5": ["metrics", "published"],
    "figure_centred": ["metrics"],
    "figure_precision": ["metrics"],
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


def line_of(axis, count):
    return [line for line in axis.get_lines() if len(line.get_xdata()) == count]


def test_figure_1a_draws_what_the_table_holds():
    published = pd.read_csv("resources/figure_1a_published.csv")
    drawn = figure_1a.curves_drawn(suites(), published, NAMES)
    figure = figure_1a.draw(drawn)
    assert [axis.get_title() for axis in figure.axes] == ["b", "a", "a"]
    (line,) = line_of(figure.axes[0], 20)
    np.testing.assert_array_equal(line.get_xdata(), STEPS[STEPS != 500])
    np.testing.assert_array_equal(line.get_ydata(), LOSS[STEPS != 500])
    crosses = [line for line in figure.axes[0].get_lines() if line.get_marker() == "X"]
    assert [line.get_xdata().tolist() for line in crosses] == [[500]]
    (paper,) = line_of(figure.axes[0], 28)
    np.testing.assert_array_equal(paper.get_ydata(), published[published.model == "pythia-14m"].loss_nats)
    best = drawn[drawn.best == 1]
    assert best.step.tolist() == [STEPS[LOSS.argmin()]] * 3
    ours = drawn[drawn.source == "ours"]
    np.testing.assert_allclose(ours.high - ours.loss_nats, 0.01)


def test_the_five_gram_model_is_a_line_where_the_panel_reaches_it():
    models = pd.DataFrame({"corpus": ["c", "c"], "tokenizer": ["t", "u"], "cross_entropy_nats": [4.1, 1.0]})
    texts = {"first": ["c", "t"], "second": ["c", "u"]}
    drawn = figure_1a.curves_drawn(suites(), pd.read_csv("resources/figure_1a_published.csv"), {})
    five_grams = figure_1a.five_gram_rows(drawn, models, texts)
    assert five_grams.loss_nats.tolist() == [4.1, 4.1, 1.0]
    figure = figure_1a.draw(pd.concat([drawn, five_grams]))
    dotted = [[line.get_ydata()[0] for line in axis.get_lines() if line.get_linestyle() == ":"] for axis in figure.axes]
    assert dotted == [[4.1], [], []]
    assert [[text.get_text() for text in axis.texts] for axis in figure.axes] == [
        [],
        ["5-gram 4.10 ↑"],
        ["5-gram 1.00 ↓"],
    ]


def test_figure_2_shows_the_last_checkpoint_of_its_own_and_the_state_after_the_norm():
    metrics = suites()
    published = pd.read_csv("resources/figure_2_published.csv")
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
    drawn = figure_3.curves_drawn(suites(), pd.read_csv("resources/figure_3_published.csv"), NAMES)
    metric = drawn.groupby(["suite", "model", "source"]).metric.unique().map(list).to_dict()
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
    published = pd.read_csv("resources/figure_4_published.csv")
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
    drawn = figure_5.curves_drawn(suites(), pd.read_csv("resources/figure_5_published.csv"), NAMES)
    assert drawn.groupby(["suite", "model", "source"]).size().to_dict() == {
        ("first", "a", "ours"): 21,
        ("first", "b", "ours"): 21,
        ("first", "b", "paper"): 143,
        ("second", "a", "ours"): 21,
    }
    figure = figure_5.draw(drawn)
    assert {axis.get_yscale() for axis in figure.axes} == {"log"}
    centred = long_curves(suites(), figure_centred.QUANTITIES)
    assert centred.groupby(["quantity", "variant"]).value.first()["singular_entropy", "centred"] == 0.3
    assert len(figure_centred.draw(centred).axes) == 6
    precision = long_curves(suites(), figure_precision.QUANTITIES)
    raw = precision[(precision.quantity == "float16") & (precision.variant == "raw head")]
    assert raw[(raw.suite == "first") & (raw.model == "a")].step.max() == 1500  # beyond it a logit overflows
    assert precision[precision.quantity == "offset"].value.unique().tolist() == [2.5]
    assert len(figure_precision.draw(precision).axes) == 6


def test_limits_leave_out_the_beginning():
    curve = pd.DataFrame({"step": [0, 50, 100, 200, 1000], "y": [1e6, 100.0, 3.0, 1.0, 2.0]})
    _, axis = plt.subplots()
    set_limits(axis, [curve], ["y"], 0.1)
    low, high = axis.get_ylim()
    assert 0.8 < low < 1
    assert 3 < high < 3.2
    set_limits(axis, [curve.assign(y=0.0)], ["y"], 0.1, log=True)  # nothing positive: left as it is
    assert [short_number(value) for value in (0, 512, 1500, 143_000, 2e6)] == ["0", "512", "1.5k", "143k", "2M"]


@pytest.mark.parametrize("empty", [False, True])
def test_every_figure_writes_three_files(empty, run_script, tmp_path):
    paths = {} if empty else write_suite(tmp_path, suites())
    models = dict.fromkeys(table_columns("language_model"), 1) | {"corpus": ["c"], "tokenizer": "t"}
    write_tables("language_model", tmp_path / "models.parquet", [models])
    for name, needed in FIGURES.items():
        files = {
            "metrics": paths.get("checkpoint_metrics", []),
            "layers": paths.get("layer_metrics", []),
            "spectra": paths.get("head_spectrum", []),
            "published": f"resources/{name}_published.csv",
            "language_models": [] if empty else [str(tmp_path / "models.parquet")],
        }
        output = {kind: tmp_path / f"{name}.{kind}" for kind in ("pdf", "png", "csv")}
        run_script(
            f"report/{name}.py",
            input={key: files[key] for key in needed},
            output=output,
            params={"palette": "colorblind", "names": NAMES, "texts": {"first": ["c", "t"]}},
        )
        assert all(path.stat().st_size > 0 for path in output.values())
        assert (len(pd.read_csv(output["csv"])) == 0) == empty


def tables_of(metrics, noise=0.001):
    """table_saturation and onset_correlation, as the rules would write them."""
    groups = metrics.groupby(["suite", "model"], sort=False)
    rows = [row for _, one in groups for row in model_rows(one, sequence_losses(one, noise=noise))]
    saturation = pd.DataFrame(rows, columns=list(table_columns("saturation")))
    correlation = pd.DataFrame(correlation_rows(saturation), columns=list(table_columns("onset_correlation")))
    return saturation_table(saturation, metrics), correlation


def verdicts(table, correlation):
    return {
        row["claim"]: (row["verdict"], row["agreeing"], row["curves"]) for row in checkpoint_rows(table, correlation)
    }


def test_the_papers_own_curves_under_its_own_claims():
    assert verdicts(*tables_of(published_pythia())) == {
        "small_models_saturate": ("not reproduced", 4, 5),  # 410M is best at its end
        "anisotropy_separates": ("reproduced", 5, 5),
        "anisotropy_rises_at_saturation": ("reproduced", 4, 4),
        "onsets_in_order": ("not tested in this configuration", 0, 0),
        "singular_values_spike": ("reproduced", 4, 4),
        "small_heads_degenerate": ("reproduced", 5, 5),
    }


def test_verdicts_follow_the_numbers():
    table, correlation = tables_of(published_pythia())
    large = table[table.model == "410m"]
    assert verdicts(large.assign(saturates=1), correlation)["small_models_saturate"] == ("reproduced", 1, 1)
    assert verdicts(large, correlation)["anisotropy_separates"][2] == 0  # one kind only
    assert verdicts(table.assign(anisotropy_final=0.9), correlation)["anisotropy_separates"][:2] == (
        "not reproduced",
        4,
    )
    late = table.assign(anisotropy_onset_step=3 * table.best_step)
    assert verdicts(late, correlation)["anisotropy_rises_at_saturation"] == ("not reproduced", 0, 4)
    never = table.assign(singular_entropy_onset_step=np.nan)
    assert verdicts(never, correlation)["singular_values_spike"] == ("not reproduced", 0, 4)
    assert verdicts(never, correlation)["small_heads_degenerate"] == ("not reproduced", 1, 5)
    ordered = correlation.assign(models=6, spearman=0.9, p_value=0.04)
    assert verdicts(table, ordered)["onsets_in_order"] == ("reproduced", 3, 3)
    assert verdicts(table, ordered.assign(p_value=0.06))["onsets_in_order"] == ("not reproduced", 0, 3)


@pytest.mark.parametrize(
    "change", [{"late_checkpoints": 9}, {"tokens_per_parameter": np.nan}, {"parameters": 5 * 10**8}]
)
def test_too_few_checkpoints_or_tokens_test_nothing(change):
    table, correlation = tables_of(published_pythia())
    assert verdicts(table.assign(**change), correlation)["small_models_saturate"][2] == 0


def test_models_are_judged_where_the_papers_saturate():
    table = pd.DataFrame({"parameters": [1000, 14_067_712, 70_426_624], "tokens_per_parameter": [5300.0, 5200, 1480]})
    assert trained_enough(table).tolist() == [True, False, False]


def audit(model, statuses):
    rows = [("hub", model, step, status) for step, status in statuses.items()]
    return pd.DataFrame(rows, columns=["suite", "model", "step", "status"])


def test_checkpoints_asked_for_found_and_measured():
    metrics = pd.concat(
        [
            checkpoint_metrics("hub", "m", np.array([1, 2, 5]), np.ones(3), duplicate_of=[2, 1, None]),
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
    everything = checkpoint_table(metrics, audits, {"hub": None, "own": None})
    assert everything.configured.isna().all()
    assert short_list(range(0, 100, 10)) == "0, 10, 20, 30, ..., 90"
    assert short_list([]) is None


@pytest.mark.parametrize("empty", [False, True])
def test_tables_claims_and_page(empty, run_script, tmp_path):
    metrics = suites()
    paths = {} if empty else write_suite(tmp_path, metrics, noise=0.001)
    saturation, correlation = [], []
    for suite in [] if empty else metrics.suite.unique():
        saturation.append(str(tmp_path / f"{suite}.saturation.parquet"))
        correlation.append(str(tmp_path / f"{suite}.correlation.parquet"))
        mine = {name: [path for path in paths[name] if f"/{suite}/" in path] for name in paths}
        run_script(
            "metrics/saturation.py",
            input={"metrics": mine["checkpoint_metrics"], "losses": mine["sequence_losses"]},
            output={"saturation": saturation[-1], "correlation": correlation[-1]},
        )
    measured = paths.get("checkpoint_metrics", [])
    files = {name: tmp_path / f"{name}.csv" for name in ("saturation", "correlation", "checkpoints", "claims")}
    run_script(
        "report/table_saturation.py",
        input={"metrics": measured, "saturation": saturation, "correlation": correlation},
        output={"table": files["saturation"], "correlation": files["correlation"]},
    )
    run_script(
        "report/table_checkpoints.py",
        input={"metrics": measured, "audits": []},
        output=[files["checkpoints"]],
        params={"steps": dict.fromkeys(metrics.suite.unique())},
    )
    for name in ("table_7", "table_7_controls", "head_thresholds", "loss_expansion_orders", "scaling_fit"):
        write_csv(name, tmp_path / f"{name}.csv", pd.DataFrame(columns=list(table_columns(name))))
    ngrams = {"table_7": str(tmp_path / "table_7.csv"), "controls": str(tmp_path / "table_7_controls.csv")}
    scaling = {"scaling": str(tmp_path / "scaling_fit.csv")}
    heads = {"thresholds": str(tmp_path / "head_thresholds.csv"), "orders": str(tmp_path / "loss_expansion_orders.csv")}
    tied = {
        f"tied_{name}": str(tmp_path / f"tied_{name}.csv")
        for name in ("initial_loss", "moments", "models", "comparison")
    }
    for name, path in tied.items():
        write_csv(name, path, pd.DataFrame(columns=list(table_columns(name))))
    tied["tied_losses"] = tied.pop("tied_initial_loss")
    abilities = {"table_1": "table_1", "lost": "ability_saturation", "emergence": "emergence_fits"}
    abilities["equal_loss"] = "equal_loss"
    for schema in abilities.values():
        write_csv(schema, tmp_path / f"{schema}.csv", pd.DataFrame(columns=list(table_columns(schema))))
    abilities = {name: str(tmp_path / f"{schema}.csv") for name, schema in abilities.items()}
    others = {**scaling, **abilities, **heads, **ngrams, **tied}
    run_script(
        "report/claims.py",
        input={"saturation": files["saturation"], "correlation": files["correlation"], **others},
        output=[files["claims"]],
        params={"sample_size": 100_000, "synthetic": []},
    )
    claims = read_csv("claims", files["claims"])
    assert len(claims) >= 34
    assert claims.claim.is_unique
    table = read_csv("table_saturation", files["saturation"])
    assert table.model.tolist() == ([] if empty else ["b", "a", "a", "a", "b"])
    tables = {name: pd.DataFrame(columns=list(table_columns(shown.schema))) for name, shown in TABLES.items()}
    tables |= {"saturation": table, "onsets": table, "checkpoints": read_csv("table_checkpoints", files["checkpoints"])}
    tables["onset_correlation"] = read_csv("onset_correlation", files["correlation"])
    page = page_of(claims, tables)
    assert ("measures no checkpoints" in page) == empty
    anchors = {anchor for found in claims.found_in for anchor in found.split(", ")}
    assert anchors <= {*TITLES, *TABLES}
    assert all(f'id="{anchor}"' in page for anchor in anchors if anchor not in TITLES)
    assert all(needs_of([name]) for name in claims.claim)  # what would test it is said of each


def page_of(claims, tables):
    config = {"checkpoints": {"suites": ["first"]}, "suites": {"first": {"models": ["a"]}}, "metrics": {"seed": 5}}
    machine = {"system": "x", "processor": "y", "cores": 2, "memory_gb": 8, "gpus": [], "python": "3.11"}
    record = {"config": config, "code_revision": None, "machine": machine, "packages": {}, "inputs": {}, "audits": {}}
    return render(Path("scripts/report/report.html.jinja"), claims, tables, {}, record, "<svg></svg>", {})


def test_large_tables_of_numbers_are_packed(tmp_path):
    (tmp_path / "small.csv").write_bytes(b"a\n1\n")
    (tmp_path / "large.csv").write_bytes(b"1\n" * 300_000)
    assert numbers_drawn(tmp_path / "small.csv") == ("data:text/csv;base64,YQoxCg==", "small.csv")
    uri, name = numbers_drawn(tmp_path / "large.csv")
    assert name == "large.csv.gz"
    assert gzip.decompress(b64decode(uri.split(",")[1])) == b"1\n" * 300_000


def test_published_curves_name_models_as_the_hub_does():
    models = {
        name: set(pd.read_csv(f"resources/figure_{name}_published.csv").model) for name in ("1a", "2", "3", "4", "5")
    }
    assert models["1a"] == models["3"] == models["4"] == set(PYTHIA_NAMES.values())
    assert models["5"] > models["1a"]
    assert {"gpt2", "gpt2-medium", "gemma-2b", "opt-125m", "pythia-6.9b"} < models["2"]
    assert json.dumps(sorted(models["2"])).islower()
