"""Positive and negative controls: real trainings whose loss must rise, or not, measured and judged as all others are.

Documents are independent draws of letters, so the losses are known: a model that learned the first text well has its
entropy H(p), one that then learned the later text has the cross-entropy H(p, q) on the first.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lm_saturation.claims.saturation import MINIMUM_CHECKPOINTS
from lm_saturation.config.metrics import MetricOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.io.tables import read_csv, read_table, table_columns
from lm_saturation.report.tables.controls import as_saturation, control_claims
from lm_saturation.text.token_files import write_tokens
from scripts.report import figure_controls
from tests.training.runs import HELD_OUT, OPTIONS, run_training, token_files

LETTERS = 12
P = 0.7 ** np.arange(LETTERS) / (0.7 ** np.arange(LETTERS)).sum()  # of the letters of the first text
Q = P[::-1]  # and of the later one
RISE = float(P @ np.log(P / Q))  # H(p, q) - H(p)
STEPS = list(range(0, 241, 20))
CHANGE = 120
TRAINING = OPTIONS | {"batch_size": 16}
LATER = {"later_corpus": {"corpus": "later", "after": CHANGE / STEPS[-1]}}
MODEL = {"width": 8, "layers": 1, "attention_heads": 1, "learning_rate": 0.03, "seed": 0}
WEIGHTS = WeightsOptions(
    trained_here=True, dtype="float32", first_token=None, bad_checkpoints="refuse", tokens_per_step=256
)
METRICS = MetricOptions(tokens=3200, sequence_length=16, batch_size=32, seed=0)
CONTROLS = {"rises": "positive", "falls": "negative"}


def write_letters(folder, probabilities, alphabet, seed):
    rng = np.random.default_rng(seed)
    documents = [rng.choice(alphabet, size=120, p=probabilities) for _ in range(200)]
    write_tokens(folder / "0.json", documents, 256, {"corpus": folder.name, "tokenizer": "letters"})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two texts of the same letters, and a training on the first with and without the later one."""
    folder = tmp_path_factory.mktemp("controls")
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    alphabet = [tokenizer.token_to_id(letter) for letter in "abcdefghijklmnopqrstuvwxyz"[:LETTERS]]
    for seed, (name, probabilities) in enumerate({"first": P, "later": Q}.items()):
        (folder / name).mkdir()
        write_letters(folder / name, probabilities, alphabet, seed)
    for suite, options, later in (("rises", TRAINING | LATER, folder / "later"), ("falls", TRAINING, None)):
        run_training(folder / suite, folder / "first", MODEL, options, STEPS, later=later)
    return folder


@pytest.fixture
def judged(trained, run_script, tmp_path):
    """The metrics of both trainings, and their table of controls."""
    files = {"metrics": [], "layers": [], "saturation": []}
    for suite in CONTROLS:
        outputs = {name: str(tmp_path / f"{suite}.{name}") for name in ("metrics", "layers", "spectrum", "losses")}
        run_script(
            "metrics/checkpoint_metrics.py",
            input={
                "checkpoints": str(trained / suite / "0"),
                "tokens": token_files(trained / "first"),
                "tokenizer": str(trained / "tokenizer.json"),
                "audit": [],
                "word_tokens": [],
                "word_texts": [],
            },
            output=outputs,
            params={"weights": WEIGHTS, "options": METRICS, "held_out": HELD_OUT},
            wildcards={"suite": suite, "model": "d8", "span": "0"},
        )
        files["metrics"].append(outputs["metrics"])
        files["layers"].append(outputs["layers"])
        files["saturation"].append(str(tmp_path / f"{suite}.saturation"))
        run_script(
            "metrics/saturation.py",
            input={"metrics": [outputs["metrics"]], "losses": [outputs["losses"]]},
            output={"saturation": files["saturation"][-1], "correlation": str(tmp_path / f"{suite}.correlation")},
        )
    table, claims = tmp_path / "controls.csv", tmp_path / "control_claims.csv"
    outputs = {"controls": str(table), "control_claims": str(claims)}
    run_script("report/table_controls.py", input=files, output=outputs, params={"controls": CONTROLS})
    metrics = pd.concat([read_table("checkpoint_metrics", path).to_pandas() for path in files["metrics"]])
    return metrics, read_csv("table_controls", table)


def test_a_rise_is_found_where_it_was_made_and_nowhere_else(judged):
    metrics, table = judged
    table = table.set_index("control")
    assert (table.late_checkpoints >= MINIMUM_CHECKPOINTS).all()
    rises, falls = table.loc["positive"], table.loc["negative"]
    assert rises.difference_low > 0
    assert not falls.difference_low > 0
    assert table.saturates.to_dict() == {"positive": 1, "negative": 0}
    assert table.as_expected.tolist() == [1, 1]
    assert rises.best_step <= CHANGE
    entropy = -float(P @ np.log(P))
    assert falls.final_loss == pytest.approx(entropy, abs=0.05)  # a sample of 3,200 letters, and little to learn
    assert rises.difference == pytest.approx(RISE, rel=0.15)
    losses = metrics.pivot_table(index="step", columns="suite", values="cross_entropy_nats", observed=True)
    before = losses[losses.index <= CHANGE]
    np.testing.assert_array_equal(before.rises, before.falls)


def test_claims_about_saturation_judge_the_controls(judged):
    _, table = judged
    positive, negative = (as_saturation(table, control) for control in ("positive", "negative"))
    assert list(positive) == list(table_columns("table_saturation"))
    assert (len(positive), len(negative)) == (1, 1)
    verdicts = control_claims(table).set_index("claim")
    assert verdicts.positive["small_models_saturate"] == "reproduced"
    assert verdicts.negative["small_models_saturate"] in ("contradicted", "inconclusive")
    assert verdicts.both["small_models_saturate"] == "in part"
    assert {"anisotropy_separates", "singular_values_spike"} <= set(verdicts.index)


def test_the_figure_shows_both(judged):
    metrics, table = judged
    drawn = figure_controls.curves_drawn(metrics, table, {"rises": CHANGE})
    figure = figure_controls.draw(drawn)
    assert [axis.get_title() for axis in figure.axes] == [
        "positive control, d8:\nrise found",
        "negative control, d8:\nno rise found",
    ]
    dotted = [[line.get_xdata()[0] for line in axis.get_lines() if line.get_linestyle() == ":"] for axis in figure.axes]
    assert dotted == [[CHANGE], []]
    for axis, suite in zip(figure.axes, CONTROLS, strict=True):
        (curve,) = [line for line in axis.get_lines() if len(line.get_xdata()) == len(STEPS)]
        np.testing.assert_array_equal(curve.get_ydata(), metrics[metrics.suite == suite].cross_entropy_nats)
    plt.close("all")


def test_without_controls(run_script, tmp_path):
    table, claims = tmp_path / "controls.csv", tmp_path / "control_claims.csv"
    run_script(
        "report/table_controls.py",
        input={"metrics": [], "layers": [], "saturation": []},
        output={"controls": str(table), "control_claims": str(claims)},
        params={"controls": {}},
    )
    assert read_csv("table_controls", table).empty
    assert set(read_csv("control_claims", claims).both) == {"not tested here"}
