"""lm-evaluation-harness beside a scorer written by hand: the same log-probabilities, on two models."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from scripts.abilities import harness
from scripts.abilities.ability_evaluation import evaluate_model
from scripts.abilities.ability_tasks import write_task
from scripts.common.jobs import InputError
from scripts.metrics.trunk import decoder_layers
from tests.abilities.test_items import some_texts
from tests.metrics.models import FullMemory, tiny_model

OPTIONS = {"batch_size": 7, "limit": None, "device": "cpu", "num_fewshot": [0]}
MADE = {"items": 12, "context": 70, "seed": 0}


@pytest.fixture(scope="module")
def tokenizer():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>"], initial_alphabet=alphabet)
    made.train_from_iterator(some_texts(), trainer)
    return made


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks")
    for kind in ("cloze", "next_sentence"):
        write_task(root / kind, kind, some_texts(), MADE)
    return [root / "cloze", root / "next_sentence"]


@pytest.fixture
def scorer(tokenizer, folders, tmp_path_factory):
    def make(first=None, **options):
        tasks = harness.load_tasks(folders, tmp_path_factory.mktemp("workspace"))
        return harness.Scorer(tasks, tokenizer, first, OPTIONS | options)

    return make


def by_hand(model, tokenizer, context, choice, first=None):
    """Nats of a choice after its context: one sequence, no batches, no padding, float64 softmax."""
    prefix = [] if first is None else [tokenizer.token_to_id(first)]
    before = prefix + tokenizer.encode(context).ids
    whole = prefix + tokenizer.encode(context + choice).ids
    with torch.inference_mode():
        logits = model(torch.tensor([whole[:-1]])).logits[0].double()
    losses = torch.log_softmax(logits, -1)[range(len(whole) - 1), whole[1:]]
    return float(losses[len(before) - 1 :].sum())


@pytest.mark.parametrize("most", [3, 0])
def test_out_of_memory_halves_the_batch_and_asks_again(most, scorer, caplog):
    model = tiny_model(vocab_size=400, max_position_embeddings=256)
    groups = {"made": ["cloze", "next_sentence"]}
    expected = pd.DataFrame(evaluate_model(model, scorer(batch_size=2), groups, [0])[1])
    layer = decoder_layers(model)[0]
    layer.forward = FullMemory(layer, most)
    asking = scorer(batch_size=8)
    with caplog.at_level(logging.WARNING, "saturation"):
        if not most:
            with pytest.raises(torch.OutOfMemoryError):
                evaluate_model(model, asking, groups, [0])
            return
        found = pd.DataFrame(evaluate_model(model, asking, groups, [0])[1])
    assert asking.batch_size == 2
    assert layer.forward.refused == 2  # of eight and of four
    assert "batches of 2 from here on" in caplog.text
    pd.testing.assert_frame_equal(found, expected)


def items_of(folder, split="test"):
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
@pytest.mark.parametrize("first", [None, "<s>"])
def test_log_probabilities_as_by_hand(family, first, tokenizer, folders, scorer):
    model = tiny_model(family, vocab_size=400, max_position_embeddings=256)
    _, samples = evaluate_model(model, scorer(first), {"made": ["cloze", "next_sentence"]}, [0])
    for folder in folders:
        for number, item in enumerate(items_of(folder)):
            for place, choice in enumerate(item["choices"]):
                row = next(
                    row for row in samples if (row["task"], row["item"], row["choice"]) == (folder.name, number, place)
                )
                assert row["correct"] == (place == item["correct"])
                assert row["characters"] == len(choice)
                expected = by_hand(model, tokenizer, item["context"], choice, first)
                assert row["log_probability_nats"] == pytest.approx(expected, rel=1e-6)


def test_scores_are_those_of_the_harness(scorer):
    model = tiny_model(vocab_size=400, max_position_embeddings=256)
    asked = scorer()
    scores, _ = evaluate_model(model, asked, {"cloze": ["cloze"]}, [0])
    found = {row["metric"]: row["value"] for row in scores}
    own = asked.evaluate(model, 0)["results"]["cloze"]
    assert (found["acc"], found["acc_norm"]) == (own["acc,none"], own["acc_norm,none"])


def test_shots_are_the_same_for_every_checkpoint_and_stand_before_the_item(scorer, folders, tokenizer):
    model = tiny_model(vocab_size=400, max_position_embeddings=512)
    asked = scorer()
    first, second = (asked.evaluate(model, 2)["samples"]["cloze"] for _ in range(2))
    assert [item["arguments"] for item in first] == [item["arguments"] for item in second]
    context = first[0]["arguments"][0][0]
    examples = items_of(folders[0], "train")
    shown = [one for one in examples if one["context"] + one["choices"][one["correct"]] in context]
    assert len(shown) == 2
    assert context.endswith(items_of(folders[0])[0]["context"])


def test_a_limit_and_batches_change_no_value(scorer):
    model = tiny_model(vocab_size=400, max_position_embeddings=256)
    whole, few = (
        evaluate_model(model, scorer(limit=limit, batch_size=size), {"cloze": ["cloze"]}, [0])[1]
        for limit, size in ((None, 7), (5, 2))
    )
    own = [row for row in whole if row["item"] < 5]
    assert [row["item"] for row in few] == [row["item"] for row in own]
    values = [[row["log_probability_nats"] for row in rows] for rows in (few, own)]
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_an_unknown_first_token_is_named(tokenizer):
    with pytest.raises(InputError, match="no token '<bos>'"):
        harness.make_tokenizer(tokenizer, "<bos>")


def test_what_stands_before_an_empty_context(tokenizer, folders, tmp_path):
    asked = harness.Scorer(harness.load_tasks(folders, tmp_path), tokenizer, None, OPTIONS)
    config = SimpleNamespace(eos_token_id=[5, 6], bos_token_id=None)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))
    assert asked._prefix(model) == 5
    config.eos_token_id = None
    assert asked._prefix(model) == 0


def test_an_answer_longer_than_the_model_reads_is_one_line(scorer):
    model = tiny_model(vocab_size=400, max_position_embeddings=4)
    with pytest.raises(InputError, match="longer than the 4 tokens that the model reads"):
        evaluate_model(model, scorer(), {"made": ["cloze", "next_sentence"]}, [0])
