"""Rules of stage tied, as Snakemake runs their scripts."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPTNeoXForCausalLM

from lm_saturation.config.tied import InitialOptions, TransformersOptions
from lm_saturation.io.tables import read_table
from lm_saturation.report.tables.tied_training import training_table as report_table
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_shards
from lm_saturation.tied import measured_run, training
from lm_saturation.tied.comparison import FLAT, comparison_rows, doubling_gain, loss_to_reach, run_rows, steps_to
from lm_saturation.tied.remedies import REMEDIES
from lm_saturation.tied.transformers_models import FAMILIES, losses_and_self_logits, model_row, random_model
from tests.report.suite_tables import write
from tests.tied.runs import STEPS, TRAINING, options, rates_table, run_training, training_table
from tests.training.runs import HELD_OUT, VOCABULARY, contents, token_files, write_corpus

# tied_initial_loss


def initial(run_script, folder, **changed):
    options = InitialOptions(
        **{"vocabulary_sizes": [200, 300], "widths": [16, 64], "sigmas": [0.01, 0.1], "rows": 10, "seed": 0, **changed}
    )
    output = {name: str(folder / f"{name}.parquet") for name in ("losses", "moments", "norms", "underflow")}
    params = {"options": options, "remedies": list(REMEDIES)}
    run_script("tied/tied_initial_loss.py", output=output, params=params)
    tables = dict(zip(output, ("tied_initial_loss", "tied_moments", "tied_norms", "tied_underflow"), strict=True))
    return [read_table(table, output[name]).to_pandas() for name, table in tables.items()]


def test_the_grid_is_complete(run_script, tmp_path):
    losses, moments, norms, underflow = initial(run_script, tmp_path)
    counts = losses.groupby(["vocabulary_size", "width", "remedy"], observed=True).size()
    assert len(counts) == 2 * 2 * len(REMEDIES)
    assert (counts.xs("scaled", level="remedy") == 1).all()  # its σ is its own
    assert (counts.drop("scaled", level="remedy") == 2).all()
    scaled = losses[losses.remedy == "scaled"]
    np.testing.assert_allclose(scaled.sigma, np.log(scaled.vocabulary_size) / scaled.width)
    others = losses[~losses.remedy.isin(["plain", "scaled"])]
    assert (others.su_2023_nats == others.log_vocabulary_nats).all()
    np.testing.assert_allclose(losses.log_vocabulary_nats, np.log(losses.vocabulary_size))
    assert len(moments) == 2 * 2 * 3
    assert len(norms) == 2 * 2 * (2 + 1)
    assert len(underflow) == len(norms) * 2 * 2  # quantities, formats


def test_initial_losses_are_the_same_bytes_again(run_script, tmp_path):
    for name in ("one", "two"):
        initial(run_script, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


# tied_models

SMALL = {"width": 64, "attention_heads": 2, "vocabulary_size": 2000, "sequence_length": 16, "sequences": 8, "seed": 0}


def small(**changed):
    return TransformersOptions(**{**SMALL, **changed})


@pytest.fixture(scope="module")
def ids():
    return torch.randint(2000, (8, 17), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_real_models_at_their_own_initialisation(family, tied, ids):
    """The loss is that of transformers itself."""
    model = random_model(family, tied, 2, small(sequence_length=17))  # which `labels` makes it read
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
    model = random_model(family, True, 0, small())
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(10)
    row = model_row(model, ids)
    assert row["self_logit"] == pytest.approx(64 * row["sigma"], rel=0.03)
    assert row["loss_nats"] == pytest.approx(row["expected_nats"], rel=0.05)
    assert row["self_logit_nats"] == pytest.approx(row["expected_nats"], rel=0.03)


def test_self_logits_are_those_of_the_inputs(ids):
    model = random_model("gpt2", True, 1, small())
    losses, own = losses_and_self_logits(model, ids)
    with torch.no_grad():
        logits = model(input_ids=ids[:, :-1]).logits
    for place in (0, 7, 15):
        assert own[3, place] == pytest.approx(float(logits[3, place, ids[3, place]]), abs=1e-5)
    assert losses.shape == (8, 16)


def test_models_through_the_script(run_script, tmp_path):
    path = tmp_path / "models.parquet"
    options = small(vocabulary_size=100, families=["gpt2", "llama"], layers=[0, 1])
    log = run_script("tied/tied_models.py", output=[path], params={"options": options})
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
    folder = tmp_path_factory.mktemp("training") / "trained"
    run_training(folder, corpus)
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
    names = [path.name for path in (trained / "plain").iterdir() if not path.name.startswith(".")]
    assert sorted(names) == ["tied_rates.parquet", "tied_spectrum.parquet", "tied_training.parquet"]


def test_the_loss_is_transformers_own(tmp_path, corpus, monkeypatch):
    seen = []
    original = measured_run.measure_model

    def spying(model, sample, batch_size, name):
        found = original(model, sample, batch_size, name)
        inputs = torch.from_numpy(np.hstack([sample.inputs, sample.targets[:, -1:]]))
        with torch.no_grad():
            seen.append((found["loss_nats"], GPTNeoXForCausalLM.forward(model, input_ids=inputs, labels=inputs).loss))
        return found

    monkeypatch.setattr(training, "measure_model", spying)
    run_training(tmp_path / "spied", corpus, "swap", seeds=[0])
    assert len(seen) == len(STEPS)
    for ours, theirs in seen:
        assert ours == pytest.approx(float(theirs), rel=1e-5)


def test_remedies_of_a_seed_read_the_same_text(corpus, monkeypatch, tmp_path):
    read = {}
    original = training.BatchSampler.batch

    def reading(self, step):
        found = original(self, step)
        read.setdefault((remedy, self.seed), []).append(found)
        return found

    monkeypatch.setattr(training.BatchSampler, "batch", reading)
    for remedy in ("plain", "untied"):
        run_training(tmp_path / "run", corpus, remedy)
    for seed in (0, 1):
        assert np.array_equal(read["plain", seed], read["untied", seed])
    assert not np.array_equal(read["plain", 0], read["plain", 1])
    shared, own = rows_of(tmp_path / "run").parameters[0], rows_of(tmp_path / "run", "untied").parameters[0]
    assert own - shared == VOCABULARY * 16


def rates_of(folder, remedy="plain"):
    return read_table("tied_rates", folder / remedy / "tied_rates.parquet").to_pandas()


def test_the_best_rate_is_chosen_with_half_of_the_steps(corpus, tmp_path):
    run_training(tmp_path / "alone", corpus)
    assert rates_of(tmp_path / "alone").empty
    assert rows_of(tmp_path / "alone").learning_rate.unique().tolist() == [0.01]
    run_training(tmp_path / "tried", corpus, rate_factors=[0.01, 1.0, 3.0])
    rates = rates_of(tmp_path / "tried")
    assert rates.learning_rate.tolist() == pytest.approx([0.0001, 0.01, 0.03])
    assert (rates.steps.unique().tolist(), rates.seed.unique().tolist()) == ([STEPS[-1] // 2], [0])
    best = rates.loc[rates.loss_nats.idxmin()]
    assert rates[rates.is_best == 1].learning_rate.tolist() == [best.learning_rate]
    assert rows_of(tmp_path / "tried").learning_rate.unique().tolist() == [best.learning_rate]
    halved = run_training(
        tmp_path / "half", corpus, steps=[0, 1, 4, 6], model={**TRAINING["model"], "learning_rate": best.learning_rate}
    )
    assert halved
    assert rows_of(tmp_path / "half").query("seed == 0 and step == 6").loss_nats.item() == pytest.approx(best.loss_nats)


def test_a_rate_that_diverges_is_not_chosen(corpus, tmp_path):
    log = run_training(tmp_path / "run", corpus, rate_factors=[1.0, 1e32])
    rates = rates_of(tmp_path / "run")
    assert rates.loss_nats.isna().tolist() == [False, True]
    assert rates.is_best.tolist() == [1, 0]
    assert "its held-out loss is not finite" in log
    with pytest.raises(SystemExit, match=r"its loss is finite at none of tied\.training\.rate_factors"):
        run_training(tmp_path / "none", corpus, rate_factors=[1e32])


def test_scales_of_residual_branches_and_names_are_kept(corpus, tmp_path):
    run_training(tmp_path / "run", corpus, scale=1.0)
    assert rows_of(tmp_path / "run").residual_scale.unique().tolist() == [1.0]
    run_training(tmp_path / "zero", corpus, scale=0.0)
    first = [rows_of(tmp_path / name).query("step == 0").loss_nats.to_numpy() for name in ("run", "zero")]
    assert (first[0] != first[1]).all()


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("remedy", ["plain", "projection"])
@pytest.mark.parametrize("stop", [2, 4, 7])
def test_stopped_and_resumed_gives_the_same_bytes(corpus, tmp_path, monkeypatch, remedy, stop):
    """Stopped in the first or the second model, between what is measured and the state that is written."""
    run_training(tmp_path / "uninterrupted", corpus, remedy)
    calls, original = [], measured_run.write_state

    def stopping(*given):
        calls.append(given)
        if len(calls) == stop:
            raise StoppedError
        original(*given)

    monkeypatch.setattr(measured_run, "write_state", stopping)
    with pytest.raises(StoppedError):
        run_training(tmp_path / "stopped", corpus, remedy)
    assert not (tmp_path / "stopped" / remedy / "tied_training.parquet").exists()
    monkeypatch.setattr(measured_run, "write_state", lambda *given: calls.append(given) or original(*given))
    run_training(tmp_path / "stopped", corpus, remedy)
    assert len(calls) == 2 * len(STEPS) + 1  # what was written is not done again
    assert contents(tmp_path / "stopped") == contents(tmp_path / "uninterrupted")


def test_the_state_of_another_configuration_is_not_used(corpus, tmp_path, monkeypatch):
    original = measured_run.write_state
    monkeypatch.setattr(measured_run, "write_state", lambda *given: original(*given) or _stop())

    def _stop():
        raise StoppedError

    with pytest.raises(StoppedError):
        run_training(tmp_path / "run", corpus, self_logit=2.0)
    monkeypatch.setattr(measured_run, "write_state", original)
    run_training(tmp_path / "run", corpus)
    assert rows_of(tmp_path / "run").sigma.unique().tolist() == pytest.approx([0.3])


def test_training_again_gives_the_same_bytes(tmp_path, corpus, trained):
    assert "plain, bpe-2k, branches times 0, seed 1: " in run_training(tmp_path / "run", corpus)
    assert contents(tmp_path / "run") == contents(trained)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"held_out_tokens": 10**6}, r"tied\.training\.held_out_tokens is 1000000, .* tokens of held-out text"),
        ({"batch_size": 1000}, r"tied\.training: .* tokens to train on; a batch of 1000 sequences of 16 needs"),
        ({"model": {**TRAINING["model"], "learning_rate": 1e30}}, "model plain, .*, seed 0: its held-out loss is not"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(corpus, tmp_path, changed, message):
    with pytest.raises(SystemExit, match=message):
        run_training(tmp_path / "run", corpus, **changed)
    assert not (tmp_path / "run" / "plain" / "tied_training.parquet").exists()


def test_held_out_documents_are_not_trained_on(corpus):
    shards = open_shards(token_files(corpus))
    held_out = split_documents(shards, HELD_OUT).test
    held = held_out.ids
    sample = training.held_out_sample(held_out, VOCABULARY, options())
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


def test_twice_the_steps():
    """A training of half the steps ended .08 higher, of the seed that it has; others have none."""
    rates = rates_table({"plain": 4.08})
    tried = rates[rates.is_best == 1]
    assert doubling_gain(tried, "plain", 0, 4.0) == pytest.approx(0.02)
    assert doubling_gain(tried, "plain", 1, 4.0) is None
    assert doubling_gain(tried, "swap", 0, 4.0) is None
    assert doubling_gain(tried, "plain", 0, 4.16) < 0  # twice the steps may also end higher


@pytest.mark.parametrize(("tokens", "flat"), [(131e6, False), (1e12, True)])
def test_what_counts_as_flat(tokens, flat):
    """The law of Hoffmann et al. 2022 for a model of 124M parameters: 131M tokens are not enough, 10^12 are."""
    half, full = (406.4 / 124e6**0.34 + 410.7 / seen**0.28 + 1.69 for seen in (tokens / 2, tokens))
    tried = rates_table({"plain": half})
    assert (doubling_gain(tried[tried.is_best == 1], "plain", 0, full) < FLAT) == flat


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
    runs = pd.DataFrame(list(run_rows(curves(), rates_table({"plain": 4.2, "untied": 3.9, "swap": 4.0}))))
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
    assert (censored.unreached, censored.reference_unreached) == (2, 0)
    assert compared.loc["steps_to_loss", "swap", "scaled"].reference_unreached == 2
    assert wide.doubling_gain == pytest.approx(0.2 / 4)  # plain's, the larger of the two
    assert np.isnan(others.doubling_gain)  # that of `scaled` is not known
    assert ("final_nats", "plain", "plain") not in compared.index
    assert {name for _, _, name in compared.index} == {"plain", "scaled", "others", "all"}


def test_settings_are_compared_by_themselves():
    """Each tokenizer and scale of residual branches has its loss to reach, its differences and its gain."""
    table = curves()
    other = table.assign(residual_scale=1.0, loss_nats=table.loss_nats * 2)
    runs = pd.DataFrame(list(run_rows(pd.concat([table, other]), rates_table({"plain": 4.2, "swap": 4.0}))))
    assert runs.groupby("residual_scale").threshold_nats.first().tolist() == pytest.approx([5.1, 10.2])
    assert runs[runs.doubling_gain.notna()].residual_scale.unique().tolist() == [0.0]
    compared = pd.DataFrame(list(comparison_rows(runs)))
    ends = compared[(compared.quantity == "final_nats") & (compared.remedy == "swap") & (compared.reference == "plain")]
    assert ends.difference.tolist() == pytest.approx([-0.1, -0.2])
    assert len(training_rows_of(runs)) == 2 * 4


def training_rows_of(runs):
    table = report_table(runs)
    assert set(zip(table.residual_scale, table.remedy, strict=True)) == set(
        zip(runs.residual_scale, runs.remedy, strict=True)
    )
    return table


def test_without_plain_models_steps_are_not_compared(run_script, tmp_path):
    table = curves()
    write("tied_training", tmp_path / "a.parquet", table[table.remedy == "swap"])
    write("tied_rates", tmp_path / "b.parquet", rates_table({}))
    output = {name: str(tmp_path / f"{name}.parquet") for name in ("runs", "comparison")}
    files = {"training": [tmp_path / "a.parquet"], "rates": [tmp_path / "b.parquet"]}
    run_script("tied/tied_comparison.py", input=files, output=output)
    assert read_table("tied_runs", output["runs"]).to_pandas().threshold_nats.isna().all()
    assert read_table("tied_comparison", output["comparison"]).num_rows == 0


def test_no_study_gives_empty_tables(run_script, tmp_path):
    output = {name: str(tmp_path / f"{name}.parquet") for name in ("runs", "comparison")}
    run_script("tied/tied_comparison.py", input={"training": [], "rates": []}, output=output)
    assert read_table("tied_runs", output["runs"]).num_rows == 0
