"""Rule `checkpoint_metrics`, as Snakemake runs its script: spans, bad checkpoints, duplicates, the tables."""

import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

from lm_saturation import model_metrics
from lm_saturation.checkpoints import read_ahead
from lm_saturation.config.metrics import HeldOut, MetricOptions, WordPerplexity
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.inference.evaluation_sample import draw_sample
from lm_saturation.io.tables import read_table, table_columns, write_tables
from lm_saturation.metrics import evaluation_spec, measure_span
from lm_saturation.metrics.random_text import draw_random_text
from lm_saturation.text.corpus import write_corpus
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens, write_tokens
from tests.metrics.models import tiny_model

TABLES = {
    "metrics": "checkpoint_metrics",
    "layers": "layer_metrics",
    "spectrum": "head_spectrum",
    "losses": "sequence_losses",
}
OPTIONS = MetricOptions(tokens=200, sequence_length=11, batch_size=8)
WEIGHTS = WeightsOptions(
    trained_here=False, dtype="float32", first_token=None, bad_checkpoints="refuse", tokens_per_step=100
)
HELD_OUT = HeldOut(share=0.5, minimum_documents=1, seed=3)
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

    def run_rule(weights=None, options=None, **more):
        inputs = {
            "checkpoints": str(files / "span"),
            "tokens": [str(files / "0.json"), str(files / "1.json")],
            "tokenizer": str(files / "tokenizer.json"),
            "audit": [],
            "word_tokens": [str(files / "0.json")],
            "word_texts": [str(files / "text.parquet")],
            **more,
        }
        outputs = {name: str(files / "out" / f"{table}.parquet") for name, table in TABLES.items()}
        run_rule.log = run_script(
            "metrics/checkpoint_metrics.py",
            input=inputs,
            output=outputs,
            params={
                "weights": WEIGHTS.model_copy(update=weights),
                "options": OPTIONS.model_copy(update=options),
                "held_out": HELD_OUT,
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
    losses = found["losses"]
    assert len(losses.groupby(["step", "sequence"])) == 4 * 20
    assert (losses.groupby("step").tokens.sum() == 200).all()
    totals = (losses.loss_nats * losses.tokens).groupby(losses.step).sum()
    np.testing.assert_allclose(totals / 200, metrics["cross_entropy_nats"])
    assert (
        metrics["bits_per_byte"] * np.log(2) - metrics["cross_entropy_nats"]
    ).abs().max() < 1e-12  # tokens are bytes


def test_a_model_in_memory_has_the_same_numbers(run, files):
    """What model_metrics finds of a checkpoint is what the rule writes of it, to the last digit."""
    tables = {name: table[table["step"] == 8].reset_index(drop=True) for name, table in run().items()}
    shards = [open_tokens(files / f"{number}.json") for number in (0, 1)]
    sample = draw_sample(shards, OPTIONS.tokens, OPTIONS.sequence_length, OPTIONS.seed, np.ones(256, int), None)
    found = model_metrics(
        AutoModelForCausalLM.from_pretrained(files / "span" / "step8", dtype=torch.float32),
        np.hstack([sample.inputs, sample.targets[:, -1:]]),
        vocabulary_size=256,
        token_counts=np.bincount(np.concatenate([shard.ids for shard in shards]), minlength=256),
        text_bytes=sample.size,
    )
    for name, table in tables.items():
        ours = found.metrics.to_frame().T if name == "metrics" else getattr(found, name)
        others = {"document", "loss_on_bigram_text"}  # here each lies in one; and pairs are those of the sample
        columns = [column for column in ours if column in table and column not in others]
        assert set(table) - set(columns) <= {
            "suite",
            "model",
            "step",
            "tokens",
            "duplicate_of",
            "quantisation",
            *others,
        }
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
    monkeypatch.setattr(
        evaluation_spec,
        "draw_sample",
        lambda texts, *more: drawn.append(texts) or draw_sample(texts, *more),
    )
    for trained_here in (True, False):
        run({"trained_here": trained_here})
    shards = [open_tokens(files / f"{number}.json") for number in (0, 1)]
    held_out = split_documents(shards, HELD_OUT).test
    np.testing.assert_array_equal(drawn[0][0].ids, held_out.ids)
    np.testing.assert_array_equal(drawn[0][0].ends, held_out.ends)
    assert [len(text.ids) for text in drawn[1]] == [len(shard.ids) for shard in shards]


def test_random_text_is_of_the_whole_corpus_and_can_be_left_out(run, files, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        evaluation_spec, "draw_random_text", lambda *more: drawn.append(draw_random_text(*more)) or drawn[-1]
    )
    metrics = run(options={"random_text_tokens": 2000})["metrics"]
    assert drawn[0].unigram.shape == drawn[0].bigram.shape == (200, 11)
    shards = [open_tokens(files / f"{number}.json") for number in (0, 1)]
    held = set(np.concatenate([shard.ids for shard in shards]).tolist())
    assert set(drawn[0].unigram.ravel().tolist()) <= held
    assert metrics[["loss_on_unigram_text", "loss_on_bigram_text"]].nunique().tolist() == [4, 4]
    without = run(options={"random_text_tokens": 0})["metrics"]
    assert without[["loss_on_unigram_text", "loss_on_bigram_text"]].isna().all(axis=None)


def test_weight_noise(run):
    plain, noisy = run()["metrics"], run(options={"weight_noise": 0.1})["metrics"]
    assert plain.loss_increase_weight_noise.isna().all()
    assert noisy.loss_increase_weight_noise.notna().all()
    others = [name for name in plain if name != "loss_increase_weight_noise"]
    pd.testing.assert_frame_equal(plain[others], noisy[others])


def test_tokens_are_empty_where_a_steps_are_not_known(run):
    assert run({"tokens_per_step": None})["metrics"]["tokens"].isna().all()


def test_word_perplexity_first_token_and_unargmaxable(run):
    plain = run(options={"word_perplexity": WordPerplexity(corpus="c", tokens=300), "unargmaxable": True})["metrics"]
    assert (plain["word_perplexity"] > 1).all()
    assert (plain["unargmaxable_tokens"] == 0).all()  # 32 dimensions are enough for 256 tokens
    first = run({"first_token": "a"})["metrics"]
    assert (first["sample_sha256"] == plain["sample_sha256"]).all()
    assert (first["cross_entropy_nats"] != plain["cross_entropy_nats"]).all()
    assert first["word_perplexity"].isna().all()


def test_bfloat16(run):
    assert (run({"dtype": "bfloat16"})["metrics"]["dtype"] == "bfloat16").all()


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
    found = run({"bad_checkpoints": policy})
    assert list(found["metrics"]["step"]) == [0, 8, 16]
    assert "step1" in run.log
    assert "not finite" in run.log


def test_an_empty_span_gives_tables_without_rows(run, files):
    shutil.rmtree(files / "span")
    (files / "span").mkdir()
    assert all(len(table) == 0 for table in run().values())


def test_too_little_text(run):
    with pytest.raises(SystemExit, match=r"metrics\.tokens is 100000, which takes 10000 sequences of 11 tokens"):
        run(options={"tokens": 100000})


def test_sequences_longer_than_the_model(run):
    with pytest.raises(SystemExit, match=r"step0: metrics\.sequence_length makes it read 65 tokens .* end at 64"):
        run(options={"sequence_length": 66})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_no_cuda(run):
    with pytest.raises(SystemExit, match=r"metrics\.device is cuda"):
        run(options={"device": "cuda"})


def test_the_next_checkpoint_is_read_while_one_is_measured(files, monkeypatch):
    """Measuring the first does not end before the second is being read."""
    second_read, threads = threading.Event(), []

    def load(path, dtype, device):
        threads.append(threading.current_thread())
        if path.name == "step1":
            second_read.set()
        return tiny_model(vocab_size=ROWS)

    def measure(model, spec):
        assert second_read.wait(30)
        return SimpleNamespace(metrics={})

    monkeypatch.setattr(read_ahead, "load_model", load)
    monkeypatch.setattr(measure_span, "measure", measure)
    monkeypatch.setattr(measure_span, "quantisation_of", lambda folder: None)  # there is none
    spec = evaluation_spec.EvaluationSpec(None, np.ones(256), 8, False, None, None)
    paths = [(step, Path(f"step{step}")) for step in (0, 1, 2)]
    assert list(measure_span.measure_span(paths, spec, WEIGHTS, "cpu")) == [0, 1, 2]
    assert [thread is threading.main_thread() for thread in threads] == [True, False, False]


def test_pythia_70m_shape(run, files):
    """Its width, heads and head rows, through the whole path; fewer layers."""
    shutil.rmtree(files / "span")
    shape = {"hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048, "num_hidden_layers": 2}
    tiny_model(vocab_size=50304, **shape).save_pretrained(files / "span" / "step0")
    found = run(options={"tokens": 100})
    assert len(found["spectrum"]) == 512
    assert found["metrics"]["head_rows"][0] == 50304
    assert found["metrics"]["non_embedding_parameters"][0] == 2 * 3_152_384 + 1024
