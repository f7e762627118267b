"""Tasks by name: their items through the real clients from a hub on this machine, then evaluated without one."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lm_saturation.abilities.evaluation import evaluate_model
from lm_saturation.abilities.harness import Scorer
from lm_saturation.abilities.harness_data import STORYCLOZE, find_definitions, read_splits, write_harness_task
from lm_saturation.abilities.task_folders import RECORD, load_tasks, read_record, task_groups
from lm_saturation.errors import InputError
from tests.abilities.test_harness import OPTIONS, by_hand, tokenizer  # noqa: F401
from tests.hub_server import HubServer, Status
from tests.metrics.models import tiny_model

ROOT = Path(__file__).resolve().parents[2]
FETCH = """
import sys
from pathlib import Path
from lm_saturation.abilities.harness_data import write_harness_task
from lm_saturation.errors import InputError
from lm_saturation.io import retry
retry.PAUSES = (0, 0)
try:
    write_harness_task(sys.argv[1], Path(sys.argv[2]), None)
except InputError as error:
    sys.exit(f"error: {error}")
"""
LAMBADA = [f"the model reads the tokens and the loss falls to rank {number} of weights" for number in range(6)]
SCIQ = {
    "question": ["what reads tokens?", "what falls?"],
    "support": ["the model reads tokens", ""],
    "distractor1": ["loss", "rank"],
    "distractor2": ["rank", "tokens"],
    "distractor3": ["weights", "the model"],
    "correct_answer": ["the model", "loss"],
}
STORIES = {
    "InputStoryid": ["a", "b"],
    **{f"InputSentence{place}": [f"the model reads {place}.", f"the loss is {place}."] for place in (1, 2, 3, 4)},
    "RandomFifthSentenceQuiz1": ["tokens rank.", "the loss falls."],
    "RandomFifthSentenceQuiz2": ["the model stops.", "weights rank."],
    "AnswerRightEnding": [2, 1],
}


def parquet(table):
    stream = io.BytesIO()
    pd.DataFrame(table).to_parquet(stream, index=False)
    return stream.getvalue()


def readme(configuration, **splits):
    files = [{"split": split, "path": path} for split, path in splits.items()]
    head = {"configs": [{"config_name": configuration, "data_files": files}]}
    return f"---\n{yaml.safe_dump(head)}---\n".encode()


@pytest.fixture
def hub():
    with HubServer() as server:
        card = readme("default", test="data/test.parquet")
        server.add(
            "datasets",
            "EleutherAI/lambada_openai",
            {"README.md": card, "data/test.parquet": parquet({"text": LAMBADA})},
        )
        card = readme("default", train="train.parquet", validation="validation.parquet", test="test.parquet")
        files = {f"{split}.parquet": parquet(SCIQ) for split in ("train", "validation", "test")}
        server.add("datasets", "allenai/sciq", {"README.md": card} | files)
        yield server


def fetch(hub, tmp_path, name):
    """The folder of a task, and the process that fetched it: clients read the hub's address when they are imported."""
    folder = tmp_path / name
    command = [sys.executable, "-c", FETCH, name, str(folder)]
    environment = {**hub.environment(tmp_path / "cache"), "PYTHONPATH": str(ROOT / "src")}
    return folder, subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def evaluate(tokenizer, folders, tmp_path):  # noqa: F811
    model = tiny_model(vocab_size=400, max_position_embeddings=256)
    scorer = Scorer(load_tasks(folders, tmp_path), tokenizer, None, OPTIONS)
    return model, *evaluate_model(model, scorer, task_groups(folders), [0])


def test_lambada_and_sciq_from_the_hub_are_evaluated_as_by_hand(hub, tmp_path, tokenizer):  # noqa: F811
    folders = []
    for name in ("lambada_openai", "sciq"):
        folder, done = fetch(hub, tmp_path, name)
        assert done.returncode == 0, done.stderr
        record = read_record(folder)["tasks"][name]
        assert len(record["commit"]) == 40
        folders.append(folder)
    (tmp_path / "work").mkdir()
    model, scores, samples = evaluate(tokenizer, folders, tmp_path / "work")
    by_metric = {(row["task"], row["metric"]): row for row in scores}
    words = [row["log_probability_nats"] for row in samples if row["task"] == "lambada_openai"]
    expected = [by_hand(model, tokenizer, text.rsplit(" ", 1)[0], " " + text.rsplit(" ", 1)[1]) for text in LAMBADA]
    assert words == pytest.approx(expected, rel=1e-6)
    perplexity = by_metric["lambada_openai", "perplexity"]
    assert perplexity["value"] == pytest.approx(float(pd.Series(expected).mul(-1).mean().__rpow__(2.718281828459045)))
    choice = [row for row in samples if row["task"] == "sciq"]
    context = "the model reads tokens\nQuestion: what reads tokens?\nAnswer:"
    expected = by_hand(model, tokenizer, context, " the model")
    assert choice[3]["log_probability_nats"] == pytest.approx(expected, rel=1e-6)
    assert [row["correct"] for row in choice] == [0, 0, 0, 1] * 2
    assert by_metric["sciq", "acc"]["items"] == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [("gone", "no such repository"), ("split", "has no split 'validation'"), ("busy", "run again later")],
)
def test_what_the_hub_refuses_is_one_line(fault, says, hub, tmp_path):
    name = "sciq"
    if fault == "gone":
        name = "piqa"
    elif fault == "split":
        card = readme("default", train="train.parquet", test="test.parquet")
        files = {f"{split}.parquet": parquet(SCIQ) for split in ("train", "test")}
        hub.add("datasets", "allenai/sciq", {"README.md": card} | files)
    else:
        hub.fail("GET", "allenai/sciq", *[Status(503)] * 30)
    _, done = fetch(hub, tmp_path, name)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def stories(tmp_path):
    path = tmp_path / "cloze_test.csv"
    pd.DataFrame(STORIES).to_csv(path, index=False)
    return path


def test_storycloze_comes_from_the_users_file(stories, tmp_path, tokenizer):  # noqa: F811
    write_harness_task("storycloze", tmp_path / "storycloze", str(stories))
    (tmp_path / "work").mkdir()
    model, scores, samples = evaluate(tokenizer, [tmp_path / "storycloze"], tmp_path / "work")
    assert {row["task"] for row in samples} == {"storycloze_2016"}
    assert [row["correct"] for row in samples] == [0, 1, 1, 0]
    context = " ".join(f"the model reads {place}." for place in (1, 2, 3, 4))
    expected = by_hand(model, tokenizer, context, " tokens rank.")
    assert samples[0]["log_probability_nats"] == pytest.approx(expected, rel=1e-6)
    assert {row["chance"] for row in scores if row["metric"] == "acc"} == {0.5}


def test_a_file_that_is_no_storycloze_is_named(tmp_path, stories):
    stories.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="it has no column InputSentence1"):
        write_harness_task("storycloze", tmp_path / "storycloze", str(stories))
    with pytest.raises(InputError, match=r"abilities\.storycloze"):
        read_splits({"task": "storycloze_2016", "test_split": "test"}, None)
    assert next(iter(STORYCLOZE)) == "InputSentence1"


def test_names_of_tasks_and_groups():
    assert list(find_definitions("lambada_openai")) == ["lambada_openai"]
    assert len(find_definitions("mmlu")) == 57
    with pytest.raises(InputError, match="'lambda_openai', which lm-evaluation-harness does not know"):
        find_definitions("lambda_openai")


def test_a_group_has_the_mean_of_its_tasks(tmp_path, tokenizer):  # noqa: F811
    folder = tmp_path / "both"
    tasks = {}
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        row = {"question": "the model", "answers": [" reads", " falls"], "right": int(name == "one")}
        (folder / name / "test.jsonl").write_text(3 * (json.dumps(row) + "\n"))
        config = {"output_type": "multiple_choice", "test_split": "test", "doc_to_text": "question"}
        config |= {"doc_to_choice": "answers", "doc_to_target": "right", "target_delimiter": ""}
        tasks[name] = {"include": None, "config": config | {"metric_list": [{"metric": "acc"}]}}
        tasks[name]["files"] = {"test": f"{name}/test.jsonl"}
    (folder / RECORD).write_text(json.dumps({"tasks": tasks}))
    (tmp_path / "work").mkdir()
    _, scores, _ = evaluate(tokenizer, [folder], tmp_path / "work")
    by_metric = {(row["task"], row["metric"]): row for row in scores}
    assert by_metric["both", "acc"]["value"] == pytest.approx(0.5)  # one of both is always right
    assert by_metric["both", "acc"]["items"] == 6
    assert by_metric["both", "brier"]["value"] == pytest.approx(
        (by_metric["one", "brier"]["value"] + by_metric["two", "brier"]["value"]) / 2
    )
