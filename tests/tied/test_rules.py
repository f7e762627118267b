"""Rules of stage tied, as Snakemake runs their scripts."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPTNeoXForCausalLM

from scripts.common.jobs import InputError
from scripts.common.tables import read_table
from scripts.tied import measured_run, tied_training
from scripts.tied.remedies import REMEDIES
from scripts.tied.tied_comparison import comparison_rows, loss_to_reach, run_rows, steps_to
from scripts.tied.tied_models import FAMILIES, build_model, first_losses, model_row
from scripts.tied.tied_training import main
from tests.checkpoints.runs import HELD_OUT, VOCABULARY, contents, write_corpus
from tests.report.suite_tables import write
from tests.tied.runs import STEPS, TRAINING, arguments, training_table

# tied_initial_loss


def initial(run_script, folder, **changed):
    options = {"vocabulary_sizes": [200, 300], "widths": [16, 64], "sigmas": [0.01, 0.1], "rows": 10, "seed": 0}
    output = {name: str(folder / f"{name}.parquet") for name in ("losses", "moments")}
    params = {"initial": {**options, **changed}, "remedies": list(REMEDIES)}
    run_script("tied/tied_initial_loss.py", output=output, params=params)
    tables = {"losses": "tied_initial_loss", "moments": "tied_moments"}
    return [read_table(table, output[name]).to_pandas() for name, table in tables.items()]


def test_the_grid_is_complete(run_script, tmp_path):
    losses, moments = initial(run_script, tmp_path)
    counts = losses.groupby(["vocabulary_size", "width", "remedy"], observed=True).size()
    assert len(counts) == 2 * 2 * len(REMEDIES)
    assert (counts.xs("scaled", level="remedy") == 1).all()  # its σ is its own
    assert (counts.drop("scaled", level="remedy") == 2).all()
    scaled = losses[losses.remedy == "scaled"]
    np.testing.assert_allclose(scaled.sigma, np.log(scaled.vocabulary_size) / scaled.width)
    others = losses[~losses.remedy.isin(["plain", "scaled"])]
    assert (others.page_nats == others.log_vocabulary_nats).all()
    np.testing.assert_allclose(losses.log_vocabulary_nats, np.log(losses.vocabulary_size))
    assert len(moments) == 2 * 2 * 3


def test_initial_losses_are_the_same_bytes_again(run_script, tmp_path):
    for name in ("one", "two"):
        initial(run_script, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


# tied_models

SMALL = {"width": 64, "heads": 2, "vocabulary_size": 2000, "sequence_length": 16, "sequences": 8, "seed": 0}


@pytest.fixture(scope="module")
def ids():
    return torch.randint(2000, (8, 17), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_real_models_at_their_own_initialisation(family, tied, ids):
    """The loss is that of transformers itself."""
    model = build_model(family, tied, 2, {**SMALL, "sequence_length": 17})  # which `labels` makes it read
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied
    row = model_row(model, ids)
    with torch.no_grad():
        theirs = model(input_ids=ids, labels=ids).loss.item()
    assert row["loss_nats"] == pytest.approx(theirs, rel=1e-5)
    assert row["sigma"] == pytest.approx(0.02, rel=0.02)
    assert row["tokens"] == 128


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
def test_without_layers_they_are_the_bigram_model(family, ids):
    """With an embedding that is large: dσ is 12.8, log n 7.6."""
    model = build_model(family, True, 0, SMALL)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(10)
    row = model_row(model, ids)
    assert row["own_logit"] == pytest.approx(64 * row["sigma"], rel=0.03)
    assert row["loss_nats"] == pytest.approx(row["expected_nats"], rel=0.05)
    assert row["own_logit_nats"] == pytest.approx(row["expected_nats"], rel=0.03)


def test_own_logits_are_those_of_the_inputs(ids):
    model = build_model("gpt2", True, 1, SMALL)
    losses, own = first_losses(model, ids)
    with torch.no_grad():
        logits = model(input_ids=ids[:, :-1]).logits
    for place in (0, 7, 15):
        assert own[3, place] == pytest.approx(float(logits[3, place, ids[3, place]]), abs=1e-5)
    assert losses.shape == (8, 16)


def test_models_through_the_script(run_script, tmp_path):
    path = tmp_path / "models.parquet"
    options = {**SMALL, "vocabulary_size": 100, "families": ["gpt2", "llama"], "layers": [0, 1]}
    log = run_script("tied/tied_models.py", output=[path], params={"models": options})
    table = read_table("tied_models", path).to_pandas()
    assert table[["family", "layers", "tied"]].to_numpy().tolist() == [
        [family, layers, tied] for family in ("gpt2", "llama") for layers in (0, 1) for tied in (1, 0)
    ]
    assert "llama, 1 layers, tied 0" in log


# tied_training


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, documents=120)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("trained")
    main(*arguments(folder, corpus))
    return folder


def rows_of(folder, remedy="plain", table="tied_training"):
    return read_table(table, folder / remedy / f"{table}.parquet").to_pandas()


def test_every_step_of_every_seed_is_measured(trained):
    rows, spectrum = rows_of(trained), rows_of(trained, table="tied_spectrum")
    assert rows[["seed", "step"]].to_numpy().tolist() == [[seed, step] for seed in (0, 1) for step in STEPS]
    assert rows.tokens.tolist() == [64 * step for step in STEPS] * 2
    squares = (spectrum.singular_value**2).groupby([spectrum.seed, spectrum.step]).sum()
    np.testing.assert_allclose(np.sqrt(squares.to_numpy()), rows.head_norm, rtol=1e-6)
    assert len(spectrum) == 2 * len(STEPS) * 16
    assert sorted(path.name for path in (trained / "plain").iterdir()) == [
        "tied_spectrum.parquet",
        "tied_training.parquet",
    ]


def test_the_loss_is_transformers_own(trained, corpus, monkeypatch):
    seen = []
    original = measured_run.measure

    def spying(model, sample, batch_size, name):
        found = original(model, sample, batch_size, name)
        inputs = torch.from_numpy(np.hstack([sample.inputs, sample.targets[:, -1:]]))
        with torch.no_grad():
            seen.append((found["loss_nats"], GPTNeoXForCausalLM.forward(model, input_ids=inputs, labels=inputs).loss))
        return found

    monkeypatch.setattr(tied_training, "measure", spying)
    records, _, params, threads, output = arguments(corpus / "spied", corpus, "swap", seeds=[0])
    main(records, "swap", params, threads, output)
    assert len(seen) == len(STEPS)
    for ours, theirs in seen:
        assert ours == pytest.approx(float(theirs), rel=1e-5)


def test_remedies_of_a_seed_read_the_same_text(corpus, monkeypatch, tmp_path):
    read = {}
    original = tied_training.Windows.batch

    def reading(self, step):
        found = original(self, step)
        read.setdefault((remedy, self.seed), []).append(found)
        return found

    monkeypatch.setattr(tied_training.Windows, "batch", reading)
    for remedy in ("plain", "untied"):
        main(*arguments(tmp_path, corpus, remedy))
    for seed in (0, 1):
        assert np.array_equal(read["plain", seed], read["untied", seed])
    assert not np.array_equal(read["plain", 0], read["plain", 1])
    shared, own = rows_of(tmp_path).parameters[0], rows_of(tmp_path, "untied").parameters[0]
    assert own - shared == VOCABULARY * 16


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("remedy", ["plain", "projection"])
@pytest.mark.parametrize("stop", [2, 4, 7])
def test_stopped_and_resumed_gives_the_same_bytes(corpus, tmp_path, monkeypatch, remedy, stop):
    """Stopped in the first or the second model, between what is measured and the state that is written."""
    main(*arguments(tmp_path / "whole", corpus, remedy))
    calls, original = [], measured_run.write_state

    def stopping(*given):
        calls.append(given)
        if len(calls) == stop:
            raise StoppedError
        original(*given)

    monkeypatch.setattr(measured_run, "write_state", stopping)
    with pytest.raises(StoppedError):
        main(*arguments(tmp_path / "stopped", corpus, remedy))
    assert not (tmp_path / "stopped" / remedy / "tied_training.parquet").exists()
    monkeypatch.setattr(measured_run, "write_state", lambda *given: calls.append(given) or original(*given))
    main(*arguments(tmp_path / "stopped", corpus, remedy))
    assert len(calls) == 2 * len(STEPS) + 1  # what was written is not done again
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_the_state_of_another_configuration_is_not_used(corpus, tmp_path, monkeypatch):
    original = measured_run.write_state
    monkeypatch.setattr(measured_run, "write_state", lambda *given: original(*given) or _stop())

    def _stop():
        raise StoppedError

    with pytest.raises(StoppedError):
        main(*arguments(tmp_path, corpus, sigma=0.5))
    monkeypatch.setattr(measured_run, "write_state", original)
    main(*arguments(tmp_path, corpus))
    assert rows_of(tmp_path).sigma.unique().tolist() == [0.3]


def test_training_through_the_script(run_script, tmp_path, corpus, trained):
    records, remedy, params, _, output = arguments(tmp_path, corpus)
    log = run_script(
        "tied/tied_training.py",
        input={"records": records},
        output=vars(output),
        params=vars(params),
        wildcards={"remedy": remedy},
    )
    assert "plain, seed 1: " in log
    made = contents(tmp_path / "plain")
    assert {name: text for name, text in made.items() if not name.endswith(".sha256")} == contents(trained / "plain")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"held_out_tokens": 10**6}, r"tied\.training\.held_out_tokens is 1000000, .* tokens of held-out text"),
        ({"batch_size": 1000}, r"tied\.training: .* tokens to learn from; a batch of 1000 sequences of 16 needs"),
        ({"model": {**TRAINING["model"], "learning_rate": 1e30}}, "model plain, seed 0: its held-out loss is not"),
        ({"model": {**TRAINING["model"], "width": 12}}, "model plain, seed 0: width 12 with 1 heads"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(corpus, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        main(*arguments(tmp_path, corpus, **changed))
    assert not (tmp_path / "plain" / "tied_training.parquet").exists()


def test_held_out_documents_are_not_learned_from(corpus):
    shards = [tied_training.open_tokens(corpus / f"{number}.json") for number in (0, 1)]
    sample = tied_training.held_out_sample(shards, TRAINING, HELD_OUT)
    held = tied_training.split_documents(shards, **HELD_OUT).test.ids
    windows = np.lib.stride_tricks.sliding_window_view(held, 16)
    assert all((windows == sequence).all(1).any() for sequence in sample.inputs)


# tied_comparison


def test_steps_to_a_loss():
    steps, losses = np.array([0, 9, 99]), np.array([4.0, 2.0, 1.0])
    assert steps_to(steps, losses, 3.0) == pytest.approx(math.sqrt(10) - 1)  # half way from log 1 to log 10
    assert steps_to(steps, losses, 2.0) == pytest.approx(9)
    assert steps_to(steps, losses, 5.0) == 0
    assert steps_to(steps, losses, 0.5) is None
    assert steps_to(steps, np.array([4.0, 1.0, 2.0]), 1.5) < 9  # the first time


def curves():
    """Plain models reach 5 and 5.2 at half of their budget; `swap` is 0.1 better and faster, `scaled` never there."""
    made = {}
    for seed, shift in ((0, 0.0), (1, 0.2)):
        made["plain", seed] = [9 + shift, 6 + shift, 5 + shift, 4 + shift]
        made["scaled", seed] = [7 + shift, 6.8 + shift, 6.5 + shift, 6 + shift]
        made["swap", seed] = [7 + shift, 5.9 + shift, 4.9 + shift, 3.9 + shift]
        made["untied", seed] = [7 + shift, 5.8 + shift, 4.8 + shift, 3.8 + 2 * shift]
    return training_table(made)


def test_the_loss_to_reach_is_plain_tyings_at_half_of_the_budget():
    table = curves()
    assert loss_to_reach(table) == pytest.approx(5.1)
    assert loss_to_reach(table[table.step != 20]) == pytest.approx(4.1)  # the first measured after it
    assert loss_to_reach(table[table.remedy != "plain"]) is None


def test_runs_and_differences_of_equal_seeds():
    runs = pd.DataFrame(list(run_rows(curves())))
    assert runs.groupby("remedy").steps_to_loss.count().to_dict() == {"plain": 2, "scaled": 0, "swap": 2, "untied": 2}
    assert (runs[runs.remedy == "scaled"].steps_to_loss.isna()).all()
    compared = pd.DataFrame(list(comparison_rows(runs))).set_index(["quantity", "remedy", "reference"])
    against = compared.loc["final_nats", "swap", "plain"]
    assert against.difference == pytest.approx(-0.1)
    assert (against.low, against.high) == pytest.approx((-0.1, -0.1))  # the shift of a seed falls out
    assert against.unreached == 0
    wide = compared.loc["final_nats", "untied", "plain"]
    assert wide.difference == pytest.approx(-0.1)
    half = 12.706 * np.std([-0.2, 0.0], ddof=1) / math.sqrt(2)
    assert (wide.low, wide.high) == pytest.approx((-0.1 - half, -0.1 + half), rel=1e-3)
    others = compared.loc["final_nats", "scaled", "others"]
    assert others.difference == pytest.approx(np.mean([6 - 3.85, 6.2 - 4.15]))
    censored = compared.loc["steps_to_loss", "scaled", "plain"]
    plain = runs[runs.remedy == "plain"].steps_to_loss.mean()
    assert censored.difference == pytest.approx(40 - plain)
    assert censored.unreached == 2
    assert ("final_nats", "plain", "plain") not in compared.index
    assert {name for _, _, name in compared.index} == {"plain", "scaled", "others", "all"}


def test_without_plain_models_steps_are_not_compared(run_script, tmp_path):
    table = curves()
    write("tied_training", tmp_path / "a.parquet", table[table.remedy == "swap"])
    output = {name: str(tmp_path / f"{name}.parquet") for name in ("runs", "comparison")}
    run_script("tied/tied_comparison.py", input=[tmp_path / "a.parquet"], output=output)
    assert read_table("tied_runs", output["runs"]).to_pandas().threshold_nats.isna().all()
    assert read_table("tied_comparison", output["comparison"]).num_rows == 0


def test_no_study_gives_empty_tables(run_script, tmp_path):
    output = {name: str(tmp_path / f"{name}.parquet") for name in ("runs", "comparison")}
    run_script("tied/tied_comparison.py", input=[], output=output)
    assert read_table("tied_runs", output["runs"]).num_rows == 0
