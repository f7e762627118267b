"""Rule `checkpoint_metrics`, as Snakemake runs its script: spans, bad checkpoints, duplicates, the tables."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

from scripts.common.held_out import split_documents
from scripts.common.tables import read_table, table_columns, write_tables
from scripts.common.token_files import open_tokens, write_tokens
from scripts.corpus.corpus import write_corpus
from scripts.metrics import checkpoint_metrics, forward
from scripts.metrics.model_metrics import model_metrics
from scripts.metrics.sample import draw_sample
from tests.metrics.models import tiny_model

TABLES = {
    "metrics": "checkpoint_metrics",
    "layers": "layer_metrics",
    "spectrum": "head_spectrum",
    "losses": "sequence_losses",
}
METRICS = {
    "tokens": 200,
    "sequence_length": 11,
    "seed": 0,
    "batch_size": 8,
    "device": "cpu",
    "unargmaxable": False,
    "word_perplexity": None,
}
SUITE = {"source": "hub", "tokens_per_step": 100}
ROWS = 260  # of the head; the tokenizer has 256


@pytest.fixture
def files(tmp_path):
    """A corpus of bytes, its tokenizer and a folder of checkpoints of one model."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: number for number, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = [f"Document {number} says: {'abc' * number} and {number**3}.\n" for number in range(40)]
    ids = [np.array(tokenizer.encode(text).ids) for text in texts]
    write_tokens(tmp_path / "0.json", ids[:25], 256, {"corpus": "c", "tokenizer": "t"})
    write_tokens(tmp_path / "1.json", ids[25:], 256, {"corpus": "c", "tokenizer": "t"})
    write_corpus("c", [[text] for text in texts[:25]], tmp_path / "text.parquet")
    for step in (0, 1, 8, 16):
        tiny_model(vocab_size=ROWS, seed=step).save_pretrained(tmp_path / "span" / f"step{step}")
    return tmp_path


@pytest.fixture
def run(files, run_script):
    """Run the script on the span; gives its tables, and keeps the log."""

    def run_rule(definition=SUITE, metrics=None, **more):
        inputs = {
            "checkpoints": str(files / "span"),
            "records": [str(files / "0.json"), str(files / "1.json")],
            "tokenizer": str(files / "tokenizer.json"),
            "audit": [],
            "words_records": [str(files / "0.json")],
            "words_texts": [str(files / "text.parquet")],
            **more,
        }
        outputs = {name: str(files / "out" / f"{table}.parquet") for name, table in TABLES.items()}
        run_rule.log = run_script(
            "metrics/checkpoint_metrics.py",
            input=inputs,
            output=outputs,
            params={
                "definition": definition,
                "metrics": {**METRICS, **(metrics or {})},
                "held_out": {"share": 0.5, "seed": 3},
            },
            wildcards={"suite": "s", "model": "m", "span": "0"},
        )
        return {name: read_table(table, outputs[name]).to_pandas() for name, table in TABLES.items()}

    return run_rule


def test_a_row_a_checkpoint_and_one_a_layer_value_and_sequence(run):
    found = run()
    metrics = found["metrics"]
    assert list(metrics["step"]) == [0, 1, 8, 16]
    assert list(metrics["tokens"]) == [0, 100, 800, 1600]
    assert metrics["duplicate_of"].isna().all()
    assert (metrics[["suite", "model"]] == ["s", "m"]).all(axis=None)
    assert (metrics["vocabulary_size"] == 256).all()
    assert (metrics["head_rows"] == ROWS).all()
    assert len(set(metrics["sample_sha256"])) == 1
    assert (metrics["sample_tokens"] == 200).all()
    assert len(found["layers"]) == 4 * (3 + 2)
    assert len(found["spectrum"]) == 4 * 32
    assert len(found["losses"]) == 4 * 20
    means = found["losses"].groupby("step")["loss_nats"].mean()
    np.testing.assert_allclose(means, metrics["cross_entropy_nats"])
    assert (
        metrics["bits_per_byte"] * np.log(2) - metrics["cross_entropy_nats"]
    ).abs().max() < 1e-12  # tokens are bytes


def test_a_model_in_memory_has_the_same_numbers(run, files):
    """What model_metrics finds of a checkpoint is what the rule writes of it, to the last digit."""
    tables = {name: table[table["step"] == 8].reset_index(drop=True) for name, table in run().items()}
    ids = [open_tokens(files / f"{number}.json").ids for number in (0, 1)]
    sample = draw_sample(ids, METRICS["tokens"], METRICS["sequence_length"], METRICS["seed"], np.ones(256, int), None)
    found = model_metrics(
        AutoModelForCausalLM.from_pretrained(files / "span" / "step8", dtype=torch.float32),
        np.hstack([sample.inputs, sample.targets[:, -1:]]),
        vocabulary_size=256,
        token_counts=np.bincount(np.concatenate(ids), minlength=256),
        text_bytes=sample.size,
    )
    for name, table in tables.items():
        ours = found.metrics.to_frame().T if name == "metrics" else getattr(found, name)
        columns = [column for column in ours if column in table]
        assert set(table) - set(columns) <= {"suite", "model", "step", "tokens", "duplicate_of"}
        pd.testing.assert_frame_equal(
            ours[columns], table[columns], check_dtype=False, check_categorical=False, check_exact=True
        )
    assert set(found.metrics.index) - set(tables["metrics"]) == {
        "bits_per_token",
        "singular_ratio",
        "singular_ratio_centred",
    }


def test_the_same_bytes_twice(run, files):
    run()
    first = {name: (files / "out" / f"{table}.parquet").read_bytes() for name, table in TABLES.items()}
    run()
    assert first == {name: (files / "out" / f"{table}.parquet").read_bytes() for name, table in TABLES.items()}


def test_a_suite_trained_here_is_measured_on_documents_it_never_saw(run, files, monkeypatch):
    drawn = []
    original = checkpoint_metrics.draw_sample
    monkeypatch.setattr(
        "scripts.metrics.sample.draw_sample",
        lambda documents, *more: drawn.append(documents) or original(documents, *more),
    )
    for source in ("train", "hub"):
        run({**SUITE, "source": source})
    shards = [open_tokens(files / f"{number}.json") for number in (0, 1)]
    np.testing.assert_array_equal(drawn[0][0], split_documents(shards, 0.5, 3).test.ids)
    assert sum(map(len, drawn[1])) == sum(len(shard.ids) for shard in shards)


def test_tokens_are_empty_where_a_steps_are_not_known(run):
    assert run({"source": "local", "tokens_per_step": None})["metrics"]["tokens"].isna().all()


def test_word_perplexity_first_token_and_unargmaxable(run):
    plain = run(metrics={"word_perplexity": {"tokens": 300}, "unargmaxable": True})["metrics"]
    assert (plain["word_perplexity"] > 1).all()
    assert (plain["unargmaxable_tokens"] == 0).all()  # 32 dimensions are enough for 256 tokens
    first = run({**SUITE, "first_token": "a"})["metrics"]
    assert (first["sample_sha256"] == plain["sample_sha256"]).all()
    assert (first["cross_entropy_nats"] != plain["cross_entropy_nats"]).all()
    assert first["word_perplexity"].isna().all()


def test_bfloat16(run):
    assert (run({**SUITE, "dtype": "bfloat16"})["metrics"]["dtype"] == "bfloat16").all()


def test_duplicates_are_marked(run, files):
    steps = [0, 1, 8, 16]
    values = {"duplicate_of": [None, 0, None, None], "step": steps, "suite": "s", "model": "m", "status": "ok"}
    blank = {"integer": 0, "text": "", "key": "none", "number": 0.0}
    audit = {name: values.get(name, blank[rule["type"]]) for name, rule in table_columns("checkpoint_audit").items()}
    write_tables("checkpoint_audit", files / "audit.parquet", [audit])
    found = run(audit=str(files / "audit.parquet"))["metrics"]
    assert list(found["duplicate_of"].isna()) == [True, False, True, True]
    assert found["duplicate_of"][1] == 0


def spoil(folder):
    """Weights that are not finite, but those of the first model."""
    model = tiny_model(vocab_size=ROWS)
    model.gpt_neox.layers[0].mlp.dense_h_to_4h.weight.data[1, 1] = torch.nan
    model.save_pretrained(folder)


def test_bad_checkpoints_are_named_and_nothing_is_written(run, files):
    spoil(files / "span" / "step1")
    (files / "span" / "step16" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(SystemExit) as stopped:
        run()
    message = str(stopped.value)
    assert message.count("\n") == 0
    assert "step1:" in message
    assert "not finite" in message
    assert "and 1 more" in message
    assert not (files / "out").exists() or not list((files / "out").iterdir())
    assert "step16" in (files / "script.log").read_text()


@pytest.mark.parametrize("policy", ["skip", "flag"])
def test_or_left_out_with_a_warning(run, files, policy):
    spoil(files / "span" / "step1")
    found = run({**SUITE, "bad_checkpoints": policy})
    assert list(found["metrics"]["step"]) == [0, 8, 16]
    assert "step1" in run.log
    assert "not finite" in run.log


def test_an_empty_span_gives_tables_without_rows(run, files):
    shutil.rmtree(files / "span")
    (files / "span").mkdir()
    assert all(len(table) == 0 for table in run().values())


def test_too_little_text(run):
    with pytest.raises(SystemExit, match=r"metrics\.tokens is 100000, which takes 10000 sequences of 11 tokens"):
        run(metrics={"tokens": 100000})


def test_sequences_longer_than_the_model(run):
    with pytest.raises(SystemExit, match=r"step0: metrics\.sequence_length makes it read 65 tokens .* end at 64"):
        run(metrics={"sequence_length": 66})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_no_cuda(run):
    with pytest.raises(SystemExit, match=r"metrics\.device is cuda"):
        run(metrics={"device": "cuda"})


def test_the_next_checkpoint_is_read_while_one_is_measured(files, monkeypatch):
    """Measuring the first does not end before the second is being read."""
    second_read, threads = threading.Event(), []

    def load(path, dtype, device):
        threads.append(threading.current_thread())
        if path.name == "step1":
            second_read.set()
        return tiny_model(vocab_size=ROWS)

    def measure(model, task):
        assert second_read.wait(30)
        return "measured"

    monkeypatch.setattr(checkpoint_metrics, "load_model", load)
    monkeypatch.setattr(checkpoint_metrics, "measure", measure)
    task = forward.Task(None, np.ones(256), 8, False, None, None)
    paths = [(step, Path(f"step{step}")) for step in (0, 1, 2)]
    measured, bad = checkpoint_metrics.measure_all(paths, task, torch.float32, "cpu")
    assert list(measured) == [0, 1, 2]
    assert not bad
    assert [thread is threading.main_thread() for thread in threads] == [True, False, False]


def test_pythia_70m_shape(run, files):
    """Its width, heads and head rows, through the whole path; fewer layers."""
    shutil.rmtree(files / "span")
    shape = {"hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048, "num_hidden_layers": 2}
    tiny_model(vocab_size=50304, **shape).save_pretrained(files / "span" / "step0")
    found = run(metrics={"tokens": 100})
    assert len(found["spectrum"]) == 512
    assert found["metrics"]["head_rows"][0] == 50304
    assert found["metrics"]["non_embedding_parameters"][0] == 2 * 3_152_384 + 1024
