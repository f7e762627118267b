"""Rules of stage heads, as Snakemake runs their scripts, on a tiny model and its text."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from scripts.common.checkpoint_files import load_model
from scripts.common.held_out import split_documents
from scripts.common.tables import read_table
from scripts.common.token_files import open_tokens
from scripts.heads import head_rank_sweep
from scripts.heads.frozen import Trunk, read_head_states
from scripts.heads.sweep import Saved
from tests.heads.problems import VOCABULARY, write_model

HELD_OUT = {"share": 0.3, "seed": 0}
SAMPLED = {
    "device": "cpu",
    "precision": "float32",
    "seed": 0,
    "trunk_batch_size": 3,
    "sequence_length": 12,
    "held_out_tokens": 200,
}
SWEPT = {
    **SAMPLED,
    "starts": ["normal", "scaled", "svd"],
    "learning_rates": [0.01, 0.05],
    "tokens": 480,
    "batch_size": 4,
}
BOUNDED = {"device": "cpu", "ranks": [1, 4, 16, 32, 40], "refit_iterations": 10}
TABLES = {"heads": "head_rank_sweep", "losses": "head_losses", "training": "head_training"}
WILDCARDS = {"suite": "s", "model": "m", "job": "0"}


def inputs(folder):
    return {
        "checkpoints": str(folder / "span"),
        "tokenizer": str(folder / "tokenizer.json"),
        "records": [str(folder / "0.json"), str(folder / "1.json")],
        "states": str(folder / "head_states.safetensors"),
    }


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path)


@pytest.fixture
def states(folder, run_script):
    """Run `head_states`; gives what it wrote."""

    def run(definition=None, heads=None, step=None):
        options = {
            "definition": definition or {},
            "heads": {**SAMPLED, **(heads or {})},
            "held_out": HELD_OUT,
            "step": step,
        }
        path = folder / "head_states.safetensors"
        run_script("heads/head_states.py", input=inputs(folder), output=[path], params=options, wildcards=WILDCARDS)
        return read_head_states(path)

    return run


@pytest.fixture
def sweep(folder, run_script):
    """Run `head_rank_sweep`; gives its tables as frames."""

    def run(ranks=(1, 4, 16, 32, 40), whole=True, name="0", **heads):
        options = {
            "definition": {},
            "heads": {**SWEPT, **heads},
            "held_out": HELD_OUT,
            "ranks": list(ranks),
            "whole": whole,
        }
        output = {key: str(folder / name / f"{table}.parquet") for key, table in TABLES.items()}
        run.log = run_script(
            "heads/head_rank_sweep.py", input=inputs(folder), output=output, params=options, wildcards=WILDCARDS
        )
        return {key: read_table(table, output[key]).to_pandas() for key, table in TABLES.items()}

    return run


def test_states_are_the_models_own(states, folder):
    found = states()
    assert found.step == 5
    assert found.head.shape == (VOCABULARY, 32)  # rows of no token are left out
    model = load_model(folder / "span" / "step5", torch.float32)
    assert torch.equal(found.head, model.get_output_embeddings().weight[:VOCABULARY])
    sequences, length = found.next_tokens.shape
    assert length == 12
    assert sequences * length >= 200
    own = split_documents([open_tokens(folder / f"{part}.json") for part in (0, 1)], **HELD_OUT).test.ids
    windows = np.lib.stride_tricks.sliding_window_view(own, 13)
    first = next(one for one in windows if np.array_equal(one[1:], found.next_tokens[0].numpy()))
    with torch.no_grad():
        output = model(torch.from_numpy(first[None, :-1].astype(np.int64)), output_hidden_states=True)
    torch.testing.assert_close(found.hidden_states[:12], output.hidden_states[-1][0], rtol=1e-4, atol=1e-5)


def test_any_step_can_be_asked_for(states):
    assert states(step=0).step == 0


@pytest.mark.parametrize(
    ("heads", "step", "message"),
    [
        ({}, 7, "there is no step7, whose head is asked for; the last is step5"),
        ({"held_out_tokens": 10**6}, None, "heads.held_out_tokens is 1000000"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(states, heads, step, message):
    with pytest.raises(SystemExit, match=message):
        states(heads=heads, step=step)


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
        own = trunk.model(torch.cat([torch.zeros(2, 1, dtype=torch.int64), ids], 1)).logits[:, 1:, :VOCABULARY]
    torch.testing.assert_close(states @ head.T + (0 if bias is None else bias), own, rtol=1e-3, atol=1e-3)


def test_every_head_is_in_the_tables(states, sweep):
    states()
    tables = sweep()
    heads, losses, training = tables["heads"], tables["losses"], tables["training"]
    assert len(heads) == 3 * (4 + 1) * 2  # rank 40 is beyond the width; one unfactored
    assert sorted(heads["rank"].unique()) == [1, 4, 16, 32]
    assert heads.chosen.sum() == 15
    best = heads.loc[heads.groupby(["start", "rank", "factored"], observed=True).training_loss_nats.idxmin()]
    assert (best.chosen == 1).all()
    assert len(training) == len(heads) * 10
    assert training.tokens.max() == 9 * 48
    means = losses.groupby(["start", "rank", "factored"], observed=True).loss_nats.mean()
    pairs = heads[heads.chosen == 1].set_index(["start", "rank", "factored"]).loss_nats
    np.testing.assert_allclose(means.to_numpy(), pairs[means.index].to_numpy(), rtol=1e-6)


def test_the_pretrained_head_is_where_the_svd_starts(states, sweep):
    frozen = states()
    truth = cross_entropy(frozen.hidden_states @ frozen.head.T, frozen.next_tokens.flatten()).item()
    heads = sweep()["heads"]
    full = heads[(heads.start == "svd") & (heads["rank"] == 32)]
    np.testing.assert_allclose(full.initial_loss_nats, truth, rtol=1e-4)
    normal = heads[(heads.start == "normal") & (heads["rank"] == 32)]
    assert normal.initial_loss_nats.nunique() <= 2  # factored and not: the same function, rounded
    assert normal.initial_loss_nats.min() > 3 * truth


def test_jobs_share_the_ranks_and_change_nothing(states, sweep):
    states()
    whole = sweep()["heads"]
    parts = [sweep((1, 16), name="a")["heads"], sweep((4, 32, 40), False, "b")["heads"]]
    keys = ["start", "factored", "rank", "learning_rate"]
    together = whole.sort_values(keys).reset_index(drop=True)
    split = pd.concat([part.astype({"start": str}) for part in parts]).sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        together.astype({"start": str, "suite": str, "model": str}), split.astype({"suite": str, "model": str})
    )


def test_a_job_whose_ranks_are_all_too_large_writes_empty_tables(states, sweep):
    states()
    tables = sweep((40, 64), False)
    assert [len(table) for table in tables.values()] == [0, 0, 0]


def test_killed_and_resumed_writes_the_same_tables(states, sweep, folder, monkeypatch):
    states()
    sweep(name="whole")
    original, calls = head_rank_sweep.trunk_batches, []

    def stopping(*given):
        inner = original(*given)

        def batch(update):
            calls.append(update)
            if len(calls) == 6:
                raise KeyboardInterrupt
            return inner(update)

        return batch

    monkeypatch.setattr(head_rank_sweep, "trunk_batches", stopping)
    monkeypatch.setattr(head_rank_sweep, "Saved", partial(Saved, seconds=0.0))
    options = SimpleNamespace(heads=SWEPT, held_out=HELD_OUT, ranks=[1, 4, 16, 32, 40], whole=True)
    output = SimpleNamespace(**{key: str(folder / "again" / f"{table}.parquet") for key, table in TABLES.items()})
    arguments = (SimpleNamespace(**inputs(folder)), output, {}, options, {"suite": "s", "model": "m"}, 1)
    with pytest.raises(KeyboardInterrupt):
        head_rank_sweep.main(*arguments)
    assert (folder / "again" / "unfinished.pt").exists()
    head_rank_sweep.main(*arguments)
    assert calls == [0, 1, 2, 3, 4, 5, *range(5, 10)]
    assert not (folder / "again" / "unfinished.pt").exists()
    for table in TABLES.values():
        again, whole = (folder / name / f"{table}.parquet" for name in ("again", "whole"))
        assert again.read_bytes() == whole.read_bytes()


def test_bounds_of_a_model(states, sweep, folder, run_script):
    states()
    heads = sweep()["heads"]
    path = folder / "bottleneck_bound.parquet"
    given = {"states": inputs(folder)["states"], "losses": [str(folder / "0" / "head_losses.parquet")]}
    run_script("heads/bottleneck_bound.py", input=given, output=[path], params={"heads": BOUNDED}, wildcards=WILDCARDS)
    rows = read_table("bottleneck_bound", path).to_pandas()
    cuts = rows[rows.bound.notna()]
    assert len(cuts) == 2 * 4 * 4
    assert (cuts.gap_nats <= cuts.bound + 1e-5).all()
    assert (cuts.gap_low <= cuts.gap_nats + 1e-9).all()
    assert cuts.paper_bound.notna().equals(cuts["method"] == "truncated")
    assert cuts[cuts["rank"] == 32].gap_nats.abs().max() < 1e-5
    trained = rows[rows.bound.isna()].set_index(["method", "rank"])
    chosen = heads[heads.chosen == 1]
    methods = [
        start if factored else f"{start}_unfactored"
        for start, factored in zip(chosen.start, chosen.factored, strict=True)
    ]
    assert sorted(trained.index) == sorted(zip(methods, chosen["rank"], strict=True))
    loss = cuts[(cuts["rank"] == 32) & (cuts["head"] == "pretrained")].loss_nats.iloc[0]
    np.testing.assert_allclose(trained.loss_nats - trained.gap_nats, loss, rtol=1e-5)


def test_a_damaged_file_of_states_is_named(states, sweep, folder):
    states()
    path = folder / "head_states.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(SystemExit, match=r"head_states.safetensors: its sha256 is not .*; delete it and run again"):
        sweep()


def test_heads_on_a_gpu_learn_the_same(states, sweep):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    states()
    here = sweep()["heads"]
    there = sweep(name="gpu", device="cuda")["heads"]
    np.testing.assert_allclose(here.loss_nats, there.loss_nats, rtol=1e-3)


def test_in_bfloat16_heads_learn_nearly_the_same(states, sweep):
    states()
    exact = sweep()["heads"]
    rounded = sweep(name="rounded", precision="bfloat16")["heads"]
    np.testing.assert_allclose(rounded.loss_nats, exact.loss_nats, rtol=0.05)
