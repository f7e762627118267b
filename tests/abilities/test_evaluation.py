"""The rules that make tasks of held-out text and evaluate checkpoints on them, each by itself."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer

from lm_saturation.abilities.evaluation import evaluate_checkpoints
from lm_saturation.abilities.made_tasks import FEWSHOT_ITEMS, item_texts
from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.errors import InputError
from lm_saturation.io.tables import read_frames
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_shards, write_tokens
from tests.abilities.test_harness import MADE, OPTIONS, folders, tokenizer  # noqa: F401
from tests.abilities.test_items import some_texts
from tests.metrics.models import tiny_model

WEIGHTS = WeightsOptions(
    trained_here=True, dtype="float32", first_token=None, bad_checkpoints="skip", tokens_per_step=100
)
HELD_OUT = HeldOut(share=0.5)


@pytest.fixture
def shards(tmp_path, tokenizer):  # noqa: F811
    """The paths of a corpus of twenty documents."""
    documents = [np.array(tokenizer.encode(text).ids) for text in some_texts()]
    write_tokens(tmp_path / "tokens.json", documents, 400, {"corpus": "c", "tokenizer": "t"})
    return sorted(map(str, tmp_path.glob("tokens*")))


def test_items_are_of_documents_that_a_suite_trained_here_has_not_seen(shards, tokenizer):  # noqa: F811
    texts = some_texts()
    held_out = split_documents(open_shards(shards), HELD_OUT).held_out
    assert item_texts(tokenizer, open_shards(shards), None) == texts
    unseen = [texts[number] for number in np.flatnonzero(held_out)]
    assert item_texts(tokenizer, open_shards(shards), HELD_OUT) == unseen


@pytest.mark.parametrize("reads", [256, 30])
def test_the_rule_that_makes_tasks(shards, tokenizer, run_script, tmp_path, reads):  # noqa: F811
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    run_script(
        "abilities/ability_tasks.py",
        input={"tokenizer": str(tmp_path / "tokenizer.json"), "tokens": shards},
        output=[tmp_path / "cloze", tmp_path / "next_sentence"],
        params={"weights": WEIGHTS, "held_out": HELD_OUT, "options": MADE, "reads": reads},
    )
    longest = 0
    for task in ("cloze", "next_sentence"):
        for split, items in (("test", MADE.items), ("train", FEWSHOT_ITEMS)):
            lines = [json.loads(line) for line in (tmp_path / task / f"{split}.jsonl").read_text().splitlines()]
            assert len(lines) == items
            longest = max(longest, *(len(tokenizer.encode(choice).ids) for item in lines for choice in item["choices"]))
        assert list(json.loads((tmp_path / task / "task.json").read_text())["tasks"]) == [task]
    assert longest <= reads // 2  # so that every model that reads so many tokens sees some of the passage


@pytest.fixture
def span(tmp_path, tokenizer):  # noqa: F811
    """A folder of three checkpoints, of which the last is truncated."""
    for step in (5, 10, 20):
        model = tiny_model(seed=step, vocab_size=400, max_position_embeddings=256)
        model.save_pretrained(tmp_path / "span" / f"step{step}")
    weights = tmp_path / "span" / "step20" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "span"


@pytest.mark.parametrize(("steps", "evaluated"), [(None, [5, 10]), ([10, 20, 30], [10])])
def test_the_rule_that_evaluates_checkpoints(steps, evaluated, span, folders, run_script, tmp_path):  # noqa: F811
    outputs = {"scores": tmp_path / "scores.parquet", "samples": tmp_path / "samples.parquet"}
    log = run_script(
        "abilities/ability_evaluation.py",
        input={"checkpoints": str(span), "tokenizer": str(tmp_path / "tokenizer.json"), "tasks": folders},
        output=outputs,
        params={"weights": WEIGHTS, "options": OPTIONS, "steps": steps},
        wildcards={"suite": "s", "model": "m"},
    )
    assert "step20" in log  # the bad checkpoint is named
    scores = read_frames("ability_scores", [outputs["scores"]])
    samples = read_frames("ability_samples", [outputs["samples"]])
    assert scores.step.unique().tolist() == samples.step.unique().tolist() == evaluated
    assert (scores.tokens == 100 * scores.step).all()
    assert set(scores.task) == set(samples.task) == {"cloze", "next_sentence"}
    assert len(samples) == len(evaluated) * 2 * MADE.items * 4
    digest = hashlib.sha256((span / "step10" / "model.safetensors").read_bytes()).hexdigest()
    assert scores[scores.step == 10].source.unique().tolist() == [f"step10, weights sha256 {digest}"]


def test_models_that_cannot_be_evaluated_are_left_out(span, folders, tokenizer):  # noqa: F811
    """One that sees the future, and one without a row for the last of the tokens."""
    seeing = tiny_model("bert", vocab_size=400, max_position_embeddings=256, initializer_range=0.05)
    seeing.save_pretrained(span / "step30")
    tiny_model(vocab_size=300, max_position_embeddings=256).save_pretrained(span / "step40")
    checkpoints = [(step, span / f"step{step}") for step in (5, 30, 40)]
    scores, _ = evaluate_checkpoints(checkpoints, folders, tokenizer, WEIGHTS, OPTIONS)
    assert {row["step"] for row in scores} == {5}
    for step, message in (30, "BertLMHeadModel: it is not causal: "), (40, r"a task's text holds token \d+, the model"):
        with pytest.raises(InputError, match=f"step{step}: {message}") as error:
            evaluate_checkpoints([(step, span / f"step{step}")], folders, tokenizer, WEIGHTS, OPTIONS)
        assert "\n" not in str(error.value)


def test_special_tokens_of_the_text_stay_in_it(tokenizer, tmp_path):  # noqa: F811
    special = Tokenizer.from_str(tokenizer.to_str())
    special.add_special_tokens(["<|user|>"])
    text = "the <|user|> reads, and reads"
    ids = np.array(special.encode(text).ids)
    assert item_texts(special, [SimpleNamespace(ids=ids, ends=np.array([len(ids)]))], None) == [text]
