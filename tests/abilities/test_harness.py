"""lm-evaluation-harness beside a scorer written by hand: the same log-probabilities, on two models."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lm_saturation.abilities.evaluation import evaluate_model
from lm_saturation.abilities.harness import Scorer, make_tokenizer
from lm_saturation.abilities.made_tasks import write_made_task
from lm_saturation.abilities.task_folders import load_tasks, write_record
from lm_saturation.config.abilities import EvaluationOptions, ItemOptions
from lm_saturation.errors import InputError
from lm_saturation.inference.trunk import decoder_layers
from tests.abilities.test_items import some_texts
from tests.metrics.models import FullMemory, tiny_model

OPTIONS = EvaluationOptions(batch_size=7)
MADE = ItemOptions(items=12, context=70)
GROUPS = {"made": ["cloze", "next_sentence"]}


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
def folders(tokenizer, tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks")
    for kind in ("cloze", "next_sentence"):
        write_made_task(root / kind, kind, some_texts(), MADE, tokenizer, 256)
    return [root / "cloze", root / "next_sentence"]


@pytest.fixture
def scorer(tokenizer, folders, tmp_path_factory):
    def make(first_token=None, **options):
        tasks = load_tasks(folders, tmp_path_factory.mktemp("workspace"))
        return Scorer(tasks, tokenizer, first_token, OPTIONS.model_copy(update=options))

    return make


def by_hand(model, tokenizer, context, choice, first=None):
    """Nats of a choice after its context: one sequence, no batches, no padding, float64 softmax."""
    prefix = [] if first is None else [tokenizer.token_to_id(first)]
    before = prefix + tokenizer.encode(context).ids
    text = prefix + tokenizer.encode(context + choice).ids
    with torch.inference_mode():
        logits = model(torch.tensor([text[:-1]])).logits[0].double()
    log_probabilities = torch.log_softmax(logits, -1)[range(len(text) - 1), text[1:]]
    return float(log_probabilities[len(before) - 1 :].sum())


@pytest.mark.parametrize("maximum", [3, 0])
@pytest.mark.parametrize("shots", [0, 2])
def test_out_of_memory_halves_the_batch_and_evaluates_again(maximum, shots, scorer, caplog):
    model = tiny_model(vocab_size=400, max_position_embeddings=512)
    expected = pd.DataFrame(evaluate_model(model, scorer(batch_size=2), GROUPS, [shots])[1])
    layer = decoder_layers(model)[0]
    layer.forward = FullMemory(layer, maximum)
    scorer = scorer(batch_size=8)
    with caplog.at_level(logging.WARNING, "saturation"):
        if not maximum:
            with pytest.raises(torch.OutOfMemoryError):
                evaluate_model(model, scorer, GROUPS, [shots])
            return
        samples = pd.DataFrame(evaluate_model(model, scorer, GROUPS, [shots])[1])
    assert scorer.batch_size == 2
    assert layer.forward.refused == 2  # of eight and of four
    assert "batches of 2 from here on" in caplog.text
    pd.testing.assert_frame_equal(samples, expected)


def items_of(folder, split="test"):
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
@pytest.mark.parametrize("first", [None, "<s>"])
def test_log_probabilities_as_by_hand(family, first, tokenizer, folders, scorer):
    model = tiny_model(family, vocab_size=400, max_position_embeddings=256)
    _, samples = evaluate_model(model, scorer(first), GROUPS, [0])
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
    scorer = scorer()
    scores, _ = evaluate_model(model, scorer, {"cloze": ["cloze"]}, [0])
    values = {row["metric"]: row["value"] for row in scores}
    expected = scorer.evaluate(model, 0)["results"]["cloze"]
    assert (values["acc"], values["acc_norm"]) == (expected["acc,none"], expected["acc_norm,none"])


def test_shots_are_the_same_for_every_checkpoint_and_stand_before_the_item(scorer, folders, tokenizer):
    model = tiny_model(vocab_size=400, max_position_embeddings=512)
    scorer = scorer()
    first, second = (scorer.evaluate(model, 2)["samples"]["cloze"] for _ in range(2))
    assert [item["arguments"] for item in first] == [item["arguments"] for item in second]
    context = first[0]["arguments"][0][0]
    examples = items_of(folders[0], "train")
    shown = [item for item in examples if item["context"] + item["choices"][item["correct"]] in context]
    assert len(shown) == 2
    assert context.endswith(items_of(folders[0])[0]["context"])


def test_a_limit_and_batches_change_no_value(scorer):
    model = tiny_model(vocab_size=400, max_position_embeddings=256)
    complete, few = (
        evaluate_model(model, scorer(limit=limit, batch_size=size), {"cloze": ["cloze"]}, [0])[1]
        for limit, size in ((None, 7), (5, 2))
    )
    same = [row for row in complete if row["item"] < 5]
    assert [row["item"] for row in few] == [row["item"] for row in same]
    values = [[row["log_probability_nats"] for row in rows] for rows in (few, same)]
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_an_unknown_first_token_is_named(tokenizer):
    with pytest.raises(InputError, match="no token '<bos>'"):
        make_tokenizer(tokenizer, "<bos>")


def test_the_token_before_an_empty_context(scorer):
    scorer = scorer()
    config = SimpleNamespace(eos_token_id=[5, 6], bos_token_id=None)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))
    assert scorer.prefix_token(model) == 5
    config.eos_token_id = None
    assert scorer.prefix_token(model) == 0


def test_an_answer_longer_than_the_model_reads_is_one_line(scorer):
    model = tiny_model(vocab_size=400, max_position_embeddings=4)
    with pytest.raises(InputError, match="longer than the 4 tokens that the model reads"):
        evaluate_model(model, scorer(), GROUPS, [0])


def gsm8k(root, golds, **config):
    """The folder of GSM8K as the harness defines it, with questions of different lengths."""
    folder = root / "gsm8k"
    folder.mkdir()
    items = [{"question": "How many" + " of" * gold + f" {gold}?", "answer": f"All.\n#### {gold}"} for gold in golds]
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    files = {split: f"{split}.jsonl" for split in ("train", "test")}
    write_record(folder, {"tasks": {"gsm8k": {"include": "gsm8k/gsm8k.yaml", "config": config, "files": files}}})
    (root / "workspace").mkdir()
    return load_tasks([folder], root / "workspace")


WRITTEN = {"generation_kwargs": {"until": ["Question:"], "do_sample": False, "max_gen_toks": 12}}


@pytest.mark.parametrize("end", [None, 1, 350])
def test_what_a_model_writes_is_what_it_writes_alone(end, tokenizer, tmp_path):
    """Greedy, in a padded batch, as one text without padding, up to the token at which the model ends."""
    model = tiny_model(vocab_size=400, max_position_embeddings=256, eos_token_id=end)
    if end == 350:  # where the first text would end after a few tokens
        end = written(model, tokenizer, "Question: How many of of of 3?\nAnswer:", None)[4]
        model.generation_config.eos_token_id = [end, 2]
    scorer = Scorer(gsm8k(tmp_path, [3, 9, 20], **WRITTEN), tokenizer, None, OPTIONS)
    samples = scorer.evaluate(model, 0)["samples"]["gsm8k"]
    answers = {sample["arguments"][0][0]: sample["resps"][0][0] for sample in samples}
    assert len(answers) == 3
    for context, answer in answers.items():
        ids = written(model, tokenizer, context, end)
        assert answer == tokenizer.decode(ids).split("Question:")[0]
    assert len(scorer.tokenizer) == tokenizer.get_vocab_size()  # none was added


def written(model, tokenizer, context, end):
    """The ids of what a model writes, 12 at most, none from the token `end` on."""
    ids = tokenizer.encode(context).ids
    begin = len(ids)
    with torch.inference_mode():
        while len(ids) < begin + 12:
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[begin : ids.index(end, begin) if end in ids[begin:] else None]


def test_a_token_that_the_model_has_no_row_for_is_refused(tokenizer, tmp_path):
    """As added tokens where embeddings were not resized, in what a model goes on with."""
    rows = tokenizer.get_vocab_size()
    added = Tokenizer.from_str(tokenizer.to_str())
    added.add_tokens(["many"])
    model = tiny_model(vocab_size=rows, max_position_embeddings=256)
    scorer = Scorer(gsm8k(tmp_path, [3], **WRITTEN), added, None, OPTIONS)
    with pytest.raises(InputError, match=f"text holds token {rows}, the model has {rows} rows: another tokenizer"):
        scorer.evaluate(model, 0)


def test_generated_answers_are_right_if_the_last_number_is(tokenizer, tmp_path, monkeypatch):
    """GSM8K as the harness defines it, with texts in place of what a model would write."""
    from lm_eval.models.huggingface import HFLM

    texts = [" 3 and 4 are 7.", " #### 13", " I do not know"]
    monkeypatch.setattr(HFLM, "generate_until", lambda *_, **__: texts)
    scorer = Scorer(gsm8k(tmp_path, [7, 12, 30]), tokenizer, None, OPTIONS)
    model = tiny_model(vocab_size=400, max_position_embeddings=256)
    scores, samples = evaluate_model(model, scorer, {"gsm8k": ["gsm8k"]}, [0])
    assert [(row["item"], row["greedy"], row["log_probability_nats"]) for row in samples] == [
        (0, 1, None),
        (1, 0, None),
        (2, 0, None),
    ]
    (score,) = scores
    assert (score["metric"], score["value"], score["items"]) == ("acc", pytest.approx(1 / 3), 3)
