"""Rules of stage heads, as Snakemake runs their scripts, on a tiny model and its text."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from lm_saturation.checkpoints.loading import load_model
from lm_saturation.config.heads import BoundOptions, HeadSampleOptions, SweepOptions
from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.heads import rank_sweep, sweep
from lm_saturation.heads.frozen_trunk import Trunk
from lm_saturation.heads.states import read_head_states
from lm_saturation.io.tables import read_table
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens
from tests.heads.problems import VOCABULARY, write_model

WEIGHTS = WeightsOptions(
    trained_here=True, dtype="float32", first_token=None, bad_checkpoints="refuse", tokens_per_step=None
)
HELD_OUT = HeldOut(share=0.3, minimum_documents=1, seed=0)
SAMPLE = HeadSampleOptions(trunk_batch_size=3, sequence_length=12, held_out_tokens=200)
SWEEP = SweepOptions(trunk_batch_size=3, sequence_length=12, learning_rates=[0.01, 0.05], tokens=480, batch_size=4)
BOUND = BoundOptions(ranks=[1, 4, 16, 32, 40], refit_iterations=10)
TABLES = {"heads": "head_rank_sweep", "losses": "head_losses", "training": "head_training"}
KIND = ["initialisation", "rank", "factored"]
WILDCARDS = {"suite": "s", "model": "m", "job": "0"}


def inputs(folder):
    return {
        "checkpoints": str(folder / "span"),
        "tokenizer": str(folder / "tokenizer.json"),
        "tokens": [str(folder / "0.json"), str(folder / "1.json")],
        "states": str(folder / "head_states.safetensors"),
    }


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path)


@pytest.fixture
def states(folder, run_script):
    """Run `head_states`; gives what it wrote."""

    def run(step=None, **changes):
        params = {
            "weights": WEIGHTS,
            "options": SAMPLE.model_copy(update=changes),
            "held_out": HELD_OUT,
            "step": step,
        }
        path = folder / "head_states.safetensors"
        run_script("heads/head_states.py", input=inputs(folder), output=[path], params=params, wildcards=WILDCARDS)
        return read_head_states(path)

    return run


@pytest.fixture
def run_sweep(folder, run_script):
    """Run `head_rank_sweep`; gives its tables as frames."""

    def run(ranks=(1, 4, 16, 32, 40), unfactored=True, name="0", **changes):
        params = {
            "weights": WEIGHTS,
            "options": SWEEP.model_copy(update=changes),
            "held_out": HELD_OUT,
            "ranks": list(ranks),
            "unfactored": unfactored,
        }
        output = {key: str(folder / name / f"{table}.parquet") for key, table in TABLES.items()}
        run_script("heads/head_rank_sweep.py", input=inputs(folder), output=output, params=params, wildcards=WILDCARDS)
        return {key: read_table(table, output[key]).to_pandas() for key, table in TABLES.items()}

    return run


def test_states_are_the_models_own(states, folder):
    frozen = states()
    assert frozen.step == 5
    assert frozen.head.shape == (VOCABULARY, 32)  # rows of no token are left out
    model = load_model(folder / "span" / "step5", torch.float32)
    assert torch.equal(frozen.head, model.get_output_embeddings().weight[:VOCABULARY])
    sequences, length = frozen.next_tokens.shape
    assert length == 12
    assert sequences * length >= 200
    shards = [open_tokens(folder / f"{part}.json") for part in (0, 1)]
    ids = split_documents(shards, HELD_OUT).test.ids
    windows = np.lib.stride_tricks.sliding_window_view(ids, 13)
    first = next(window for window in windows if np.array_equal(window[1:], frozen.next_tokens[0].numpy()))
    with torch.no_grad():
        output = model(torch.from_numpy(first[None, :-1].astype(np.int64)), output_hidden_states=True)
    torch.testing.assert_close(frozen.hidden_states[:12], output.hidden_states[-1][0], rtol=1e-4, atol=1e-5)


def test_any_step_can_be_named(states):
    assert states(step=0).step == 0


@pytest.mark.parametrize(
    ("changes", "step", "message"),
    [
        ({}, 7, "there is no step7, which the config names; the last is step5"),
        ({"held_out_tokens": 10**6}, None, "heads.held_out_tokens is 1000000"),
    ],
)
def test_errors_are_one_line(states, changes, step, message):
    with pytest.raises(SystemExit, match=message):
        states(step, **changes)


def test_logits_that_are_not_linear_are_refused(tmp_path):
    write_model(tmp_path, "gemma2")
    trunk = Trunk(tmp_path / "span" / "step5", torch.float32, "cpu", None, 4)
    with pytest.raises(Exception, match="its logits are not W x"):
        trunk.linear_head(VOCABULARY)


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama", "gptj"])
def test_heads_of_other_families(tmp_path, family):
    write_model(tmp_path, family)
    trunk = Trunk(tmp_path / "span" / "step5", torch.float32, "cpu", 0, 4)
    head, bias = trunk.linear_head(VOCABULARY)
    ids = torch.arange(24).view(2, 12)
    states = trunk.states(ids)
    with torch.no_grad():
        logits = trunk.model(torch.cat([torch.zeros(2, 1, dtype=torch.int64), ids], 1)).logits[:, 1:, :VOCABULARY]
    torch.testing.assert_close(states @ head.T + (0 if bias is None else bias), logits, rtol=1e-3, atol=1e-3)


def test_every_head_is_in_the_tables(states, run_sweep):
    states()
    tables = run_sweep()
    heads, losses, training = tables["heads"], tables["losses"], tables["training"]
    assert len(heads) == 3 * (4 + 1) * 2  # rank 40 is beyond the width; one unfactored
    assert sorted(heads["rank"].unique()) == [1, 4, 16, 32]
    assert heads.is_best.sum() == 15
    best = heads.loc[heads.groupby(KIND, observed=True).training_loss_nats.idxmin()]
    assert (best.is_best == 1).all()
    assert len(training) == len(heads) * 10
    assert training.tokens.max() == 9 * 48
    means = losses.groupby(KIND, observed=True).loss_nats.mean()
    pairs = heads[heads.is_best == 1].set_index(KIND).loss_nats
    np.testing.assert_allclose(means.to_numpy(), pairs[means.index].to_numpy(), rtol=1e-6)


def test_svd_starts_as_the_pretrained_head(states, run_sweep):
    frozen = states()
    truth = cross_entropy(frozen.hidden_states @ frozen.head.T, frozen.next_tokens.flatten()).item()
    heads = run_sweep()["heads"]
    full = heads[(heads.initialisation == "svd") & (heads["rank"] == 32)]
    np.testing.assert_allclose(full.initial_loss_nats, truth, rtol=1e-4)
    normal = heads[(heads.initialisation == "normal") & (heads["rank"] == 32)]
    assert normal.initial_loss_nats.nunique() <= 2  # factored and not: the same function, rounded
    assert normal.initial_loss_nats.min() > 3 * truth


def test_jobs_share_the_ranks_and_change_nothing(states, run_sweep):
    states()
    complete = run_sweep()["heads"]
    parts = [run_sweep((1, 16), name="a")["heads"], run_sweep((4, 32, 40), False, "b")["heads"]]
    keys = [*KIND, "learning_rate"]
    together = complete.sort_values(keys).reset_index(drop=True)
    split = pd.concat([part.astype({"initialisation": str}) for part in parts]).sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        together.astype({"initialisation": str, "suite": str, "model": str}), split.astype({"suite": str, "model": str})
    )


def test_a_job_whose_ranks_are_all_too_large_writes_empty_tables(states, run_sweep):
    states()
    tables = run_sweep((40, 64), False)
    assert [len(table) for table in tables.values()] == [0, 0, 0]


def test_killed_and_resumed_writes_the_same_tables(states, run_sweep, folder, monkeypatch):
    states()
    run_sweep(name="complete")
    original, calls = rank_sweep.trunk_batches, []

    def stopping(*arguments):
        inner = original(*arguments)

        def batch(update):
            calls.append(update)
            if len(calls) == 6:
                raise KeyboardInterrupt
            return inner(update)

        return batch

    monkeypatch.setattr(rank_sweep, "trunk_batches", stopping)
    monkeypatch.setattr(sweep, "SweepState", partial(sweep.SweepState, seconds=0.0))
    with pytest.raises(KeyboardInterrupt):
        run_sweep(name="again")
    assert (folder / "again" / "unfinished.pt").exists()
    run_sweep(name="again")
    assert calls == [0, 1, 2, 3, 4, 5, *range(5, 10)]
    assert not (folder / "again" / "unfinished.pt").exists()
    for table in TABLES.values():
        again, complete = (folder / name / f"{table}.parquet" for name in ("again", "complete"))
        assert again.read_bytes() == complete.read_bytes()


def test_bounds_of_a_model(states, run_sweep, folder, run_script):
    states()
    heads = run_sweep()["heads"]
    path = folder / "bottleneck_bound.parquet"
    files = {"states": inputs(folder)["states"], "losses": [str(folder / "0" / "head_losses.parquet")]}
    run_script("heads/bottleneck_bound.py", input=files, output=[path], params={"options": BOUND}, wildcards=WILDCARDS)
    rows = read_table("bottleneck_bound", path).to_pandas()
    cuts = rows[rows.bound.notna()]
    assert len(cuts) == 2 * 4 * 4
    assert (cuts.gap_nats <= cuts.bound + 1e-5).all()
    assert (cuts.gap_low <= cuts.gap_nats + 1e-9).all()
    assert cuts.paper_bound.notna().equals(cuts["method"] == "truncated")
    assert cuts[cuts["rank"] == 32].gap_nats.abs().max() < 1e-5
    trained = rows[rows.bound.isna()].set_index(["method", "rank"])
    best = heads[heads.is_best == 1]
    methods = [
        name if factored else f"{name}_unfactored"
        for name, factored in zip(best.initialisation, best.factored, strict=True)
    ]
    assert sorted(trained.index) == sorted(zip(methods, best["rank"], strict=True))
    loss = cuts[(cuts["rank"] == 32) & (cuts["head"] == "pretrained")].loss_nats.iloc[0]
    np.testing.assert_allclose(trained.loss_nats - trained.gap_nats, loss, rtol=1e-5)


def test_a_damaged_file_of_states_is_named(states, run_sweep, folder):
    states()
    path = folder / "head_states.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(SystemExit, match=r"head_states.safetensors: its sha256 is not .*; delete it and run again"):
        run_sweep()


def test_heads_on_a_gpu_train_alike(states, run_sweep):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    states()
    here = run_sweep()["heads"]
    there = run_sweep(name="gpu", device="cuda")["heads"]
    np.testing.assert_allclose(here.loss_nats, there.loss_nats, rtol=1e-3)


def test_heads_in_bfloat16_train_nearly_alike(states, run_sweep):
    states()
    exact = run_sweep()["heads"]
    rounded = run_sweep(name="rounded", precision="bfloat16")["heads"]
    np.testing.assert_allclose(rounded.loss_nats, exact.loss_nats, rtol=0.05)
