"""Saturation as numbers: known answers, simulated data, and the paper's own curves."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.errors import InputError
from lm_saturation.io.tables import read_table
from lm_saturation.saturation.model_saturation import model_rows, saturation_rows
from lm_saturation.saturation.onset_correlation import correlation_rows, onset_correlation
from lm_saturation.saturation.onsets import anisotropy_saturation, entropy_saturation, loss_saturation
from tests.report.suite_tables import checkpoint_metrics, published_pythia, sequence_losses, write_suite

STEPS = np.arange(0, 2001, 100)
FALLS = 4 + np.exp(-STEPS / 200)
RISES = FALLS + np.where(STEPS > 1000, (STEPS - 1000) * 1e-4, 0)


def test_known_losses():
    losses = np.outer([3.0, 1.0, 2.0], np.ones(10)) + np.arange(10) / 10
    row = loss_saturation(np.array([0, 5, 10]), losses, np.ones(10), np.arange(10))
    assert (row["best_step"], row["final_step"], row["onset_step"], row["saturates"]) == (5, 10, 5, 1)
    assert row["difference"] == pytest.approx(1)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((1, 1))
    weighted = loss_saturation(np.array([0, 5, 10]), losses, np.r_[np.zeros(9) + 1e-9, 1.0], np.arange(10))
    assert weighted["best"] == pytest.approx(1.9)  # means are weighted by tokens


@pytest.mark.parametrize(
    ("values", "onset"),
    [
        ([0.9, 0.2, 0.1, 0.4, 0.6, 0.9], 4),  # the start above .5 is no onset
        ([0.9, 0.2, 0.1, 0.6, 0.4, 0.9], 3),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.5], None),
        ([0.9, 0.8, 0.7, 0.8, 0.8, 0.9], None),  # above .5 all the time: nothing sets in
    ],
)
def test_onset_of_anisotropy(values, onset):
    row = anisotropy_saturation(np.arange(6), np.array(values))
    assert (row["onset_step"], row["saturates"]) == (onset, int(onset is not None))


@pytest.mark.parametrize(
    ("values", "onset"),
    [
        ([0.0, 1.0, 0.8, 0.3, 2.0, 4.0], 3),
        ([0.0, 0.1, 0.5, 1.0, 2.0, 4.0], None),  # only rises
        ([0.0, 1.0, 0.8, 0.3, 0.4, 0.5], None),  # by less than a tenth of ln 128 = 4.85
        ([0.0, 1.0, 0.8, 0.3, 4.0, 0.5], None),  # and falls again
    ],
)
def test_onset_of_singular_entropy(values, onset):
    row = entropy_saturation(np.arange(6), np.array(values), 128)
    assert (row["onset_step"], row["saturates"]) == (onset, int(onset is not None))
    assert row["best"] == min(values[1:])  # step 0 is warm-up


def test_rank_correlation_is_scipys_and_its_p_value_exact():
    random = np.random.default_rng(4)
    first, second = random.permutation(6.0 * np.arange(6)), random.normal(size=6)
    spearman, p_value = onset_correlation(first, second)
    assert spearman == pytest.approx(stats.spearmanr(first, second).statistic)
    statistic = lambda values: abs(stats.spearmanr(values, second).statistic)  # noqa: E731
    exact = stats.permutation_test((first,), statistic, permutation_type="pairings", alternative="greater")
    assert p_value == pytest.approx(exact.pvalue)
    assert onset_correlation(np.arange(4.0), np.arange(4.0)) == (1, 2 / 24)
    assert onset_correlation(np.arange(2.0), np.arange(2.0)) == (None, None)
    assert onset_correlation(np.ones(4), np.arange(4.0)) == (None, None)
    spearman, p_value = onset_correlation(np.arange(10.0), np.arange(10.0))
    assert spearman == 1
    assert 0 < p_value < 1e-4


def test_the_papers_own_curves():
    metrics = published_pythia()
    rows = pd.DataFrame([row for _, one in metrics.groupby("model") for row in model_rows(one, sequence_losses(one))])
    onsets = rows.pivot_table(index="model", columns="metric", values="onset_step", dropna=False)
    crossings = {"14m": 42_000, "31m": 60_000, "70m": 61_000, "160m": 88_000}
    assert onsets.anisotropy.dropna().to_dict() == crossings
    minima = {"14m": 40_000, "31m": 66_000, "70m": 67_000, "160m": 55_000}
    assert onsets.singular_entropy.dropna().to_dict() == minima
    entropy = rows[rows.metric == "singular_entropy"].set_index("model")
    np.testing.assert_allclose(
        entropy.loc[["14m", "31m", "70m", "160m", "410m"], "best"], [0.307, 0.202, 0.189, 0.265, 0.436], atol=6e-4
    )
    np.testing.assert_allclose(
        entropy.loc[["14m", "31m", "70m", "160m", "410m"], "final"], [4.68, 5.35, 5.50, 5.76, 0.515], atol=6e-3
    )
    assert set(onsets.cross_entropy.dropna().index) == set(crossings)  # 410M is best at its end
    assert {row["models"] for row in correlation_rows(rows) if "centred" not in row["metric"] + row["other"]} == {4}


def run_saturation(run_script, tmp_path, paths):
    output = {"saturation": tmp_path / "saturation.parquet", "correlation": tmp_path / "correlation.parquet"}
    run_script(
        "metrics/saturation.py",
        input={"metrics": paths["checkpoint_metrics"], "losses": paths["sequence_losses"]},
        output=output,
        wildcards={"suite": "s"},
    )
    tables = {"saturation": "saturation", "correlation": "onset_correlation"}
    return {name: read_table(tables[name], path).to_pandas() for name, path in output.items()}


def test_the_rule(run_script, tmp_path):
    bad = np.where(STEPS == 300, 200, None)
    metrics = pd.concat(
        [
            checkpoint_metrics("s", "rises", STEPS, RISES),
            checkpoint_metrics("s", "falls", STEPS, FALLS),
            checkpoint_metrics("s", "copy", STEPS, np.where(STEPS == 300, 1.0, RISES), duplicate_of=bad),
            checkpoint_metrics("s", "single", np.array([7]), np.array([3.0])),
            checkpoint_metrics("s", "copies", np.array([1, 2]), np.array([3.0, 3.0]), duplicate_of=[2, 1]),
        ]
    )
    tables = run_saturation(run_script, tmp_path, write_suite(tmp_path, metrics, noise=0.001))
    loss = tables["saturation"][tables["saturation"].metric == "cross_entropy"].set_index("model")
    assert loss.saturates.to_dict() == {"rises": 1, "falls": 0, "copy": 1, "single": 0}
    assert loss.best_step["rises"] == STEPS[RISES.argmin()] == loss.best_step["copy"]
    assert loss.checkpoints.to_dict() == {"rises": 21, "falls": 21, "copy": 20, "single": 1}
    assert np.isnan(loss.difference_low["single"])
    assert loss.difference_low["rises"] < RISES[-1] - RISES.min() < loss.difference_high["rises"]
    assert len(tables["saturation"]) == 4 * 5
    assert len(tables["correlation"]) == 10


def test_nothing_but_duplicates_gives_empty_tables(run_script, tmp_path):
    metrics = checkpoint_metrics("s", "copies", np.array([1, 2]), np.array([3.0, 3.0]), duplicate_of=[2, 1])
    tables = run_saturation(run_script, tmp_path, write_suite(tmp_path, metrics))
    assert [len(table) for table in tables.values()] == [0, 0]


def test_the_interval_is_over_documents():
    metrics = checkpoint_metrics("s", "rises", STEPS, RISES)
    losses = sequence_losses(metrics, noise=0.05)
    rows = [model_rows(metrics, losses.assign(document=losses.sequence // each))[0] for each in (1, 5, 20)]
    assert [row["documents"] for row in rows] == [50, 10, 3]
    assert [row["difference"] for row in rows] == [rows[0]["difference"]] * 3
    assert rows[0]["difference_low"] < rows[0]["difference_high"]
    assert rows[2]["difference_low"] is None
    assert rows[2]["saturates"] == 0  # three documents do not tell
    assert all(row["documents"] is None for row in model_rows(metrics, losses)[1:])


def test_pieces_of_a_sequence_count_for_their_documents():
    """Two documents in one sequence: the same as two sequences."""
    metrics = checkpoint_metrics("s", "rises", STEPS, RISES)
    apart = sequence_losses(metrics, noise=0.05)
    joined = apart.assign(sequence=apart.sequence // 2)
    assert model_rows(metrics, joined) == model_rows(metrics, apart)


def test_few_documents_are_logged(caplog):
    metrics = checkpoint_metrics("s", "rises", STEPS, RISES)
    saturation_rows(metrics, sequence_losses(metrics, 50))
    assert "rest on 50 documents" in caplog.text
    caplog.clear()
    saturation_rows(metrics, sequence_losses(metrics, 200))
    assert "documents" not in caplog.text


@pytest.mark.parametrize("change", ["sample", "sequences", "tokens"])
def test_checkpoints_measured_on_different_sequences_are_refused(change):
    metrics = checkpoint_metrics("s", "m", STEPS, FALLS)
    losses = sequence_losses(metrics).reset_index(drop=True)
    if change == "sample":
        metrics.loc[3, "sample_sha256"] = "1" * 64
    elif change == "sequences":
        losses = losses.drop(index=70)
    else:
        losses.loc[70, "tokens"] = 21
    with pytest.raises(InputError, match=r"metrics of s/m: .* the same sequences; delete the tables"):
        model_rows(metrics, losses)
