"""docs/extending.md, followed to the letter in a copy of the project: what its reader gets from each addition."""

import os
import re
import shutil
import sqlite3

import numpy as np
import pandas as pd
import pytest
import yaml
from tokenizers import Tokenizer

from tests.conftest import ROOT, copy_project, snakemake
from tests.metrics.models import tiny_model
from tests.workflow.pages import BIN, apply, run, section

PAGE = "extending.md"
ADDED = ("metric", "figure", "table", "claim", "corpus source", "suite", "remedy")
TABLES = "results/posts/tables"
# the smallest run that all additions are part of, beside config/posts.yaml, whose text everything here reads
TINY = {
    "tokenizers": {"words": {"source": "train", "algorithm": "word", "vocabulary_size": 100, "corpora": ["posts"]}},
    "ngrams": {
        "tokenizers": ["words"],
        "sample_size": 1000,
        "seeds": [0],
        "min_counts": [2],
        "controls": {"tokenizers": ["words"], "sample_sizes": [1000]},
    },
    "suites": {
        "tiny": {
            "source": "train",
            "corpus": "posts",
            "tokenizer": "words",
            "models": {"d16": {"width": 16, "layers": 1, "attention_heads": 1, "learning_rate": 0.01}},
            "sequence_length": 16,
            "batch_size": 4,
            "steps": [0, 1, 4],
        }
    },
    "checkpoints": {"suites": ["tiny"]},
    "metrics": {"tokens": 200, "batch_size": 16, "sequence_length": 16},
    "heads": {"models": []},
    "scaling": {"suites": []},
    "abilities": {"suites": []},
    "tied": {
        "remedies": ["plain", "turn"],
        "initial": {"vocabulary_sizes": [500], "widths": [512], "sigmas": [0.02], "rows": 20},
        "models": {"families": []},
        "training": {"remedies": []},
    },
    "report": {"published": {}},
}
POSTS = ["--configfile", "config/posts.yaml", "tiny.yaml"]


def environment(project):
    """That of a shell in the copy, whose own library comes first."""
    return os.environ | {"PYTHONPATH": str(project / "src")}


def posts(path):
    """A database of texts of a hundred words each."""
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(60)]
    texts = [(" ".join(rng.choice(words, 100, p=np.arange(60, 0, -1) / 1830)),) for _ in range(100)]
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE posts (text TEXT)")
        database.executemany("INSERT INTO posts VALUES (?)", texts)


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the project in which everything on the page was added, and what declarations say was written anew."""
    project = copy_project(tmp_path_factory.mktemp("extending") / "project")
    shutil.copytree(ROOT / "tests", project / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for addition in ADDED:
        apply(section(PAGE, f"Add a {addition}"), project)
    posts(project / "posts.db")
    (project / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    for command in run(f"make -n -o .venv/dev -o model docs BIN={BIN} SMOLLM2=model", project).splitlines():
        if "reruns" not in command:  # a minute, and test_reruns.py holds that page to its command
            run(command, project, env=environment(project))
    return project


@pytest.fixture(scope="module")
def finished(extended):
    """The same, with the figure and the tables that have something new in them, of a little text."""
    wanted = "figure_effective_rank", "table_final_loss", "table_saturation", "table_tied"
    snakemake(extended, "--cores", "2", *wanted, *POSTS, env=environment(extended))
    return extended


def test_a_dry_run_plans_what_was_added(extended):
    plan = snakemake(extended, "--cores", "1", "--dry-run", "report", *POSTS, env=environment(extended))
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", plan, re.MULTILINE))
    assert {"figure_effective_rank", "table_final_loss", "claims", "tied_initial_loss", "corpus"} <= set(
        jobs
    )  # nothing but the page needs the first two


def test_the_metric_is_in_the_table(finished):
    folder = finished / "results/posts/metrics/tiny/d16"
    (metrics,), (spectrum,) = (
        list(folder.rglob(f"{name}.parquet")) for name in ("checkpoint_metrics", "head_spectrum")
    )
    found = pd.read_parquet(metrics).set_index("step").head_participation_ratio
    squares = pd.read_parquet(spectrum).assign(square=lambda table: table.singular_value**2).groupby("step").square
    assert len(found) == 3
    np.testing.assert_allclose(found, squares.sum() ** 2 / squares.apply(lambda square: (square**2).sum()))


def test_the_figure_is_there(finished):
    figures = finished / "results/posts/figures"
    assert pd.read_csv(figures / "figure_effective_rank.csv").head_effective_rank.between(1, 16).sum() == 3
    assert all((figures / f"figure_effective_rank.{kind}").stat().st_size > 5000 for kind in ("pdf", "png"))
    assert "| Effective rank of the LM head |" in (finished / "docs/figures.md").read_text()


def test_the_table_is_there(finished):
    table = pd.read_csv(finished / TABLES / "final_loss.csv")
    assert table[["suite", "model", "step"]].to_numpy().tolist() == [["tiny", "d16", 4]]
    assert 0 < table.cross_entropy_nats[0] < 10
    assert "## table_final_loss" in (finished / "docs/tables.md").read_text()


def test_the_claim_is_judged(finished):
    assert "`anisotropy_beyond_the_mean`" in (finished / "docs/claims.md").read_text()
    code = (
        "import pandas as pd\n"
        "from lm_saturation.claims import CLAIMS\n"
        f"table = pd.read_csv('{TABLES}/saturation.csv').assign(late_checkpoints=20, saturates=1)\n"
        "row = CLAIMS['anisotropy_beyond_the_mean'].row('measured here', {'saturation': table})\n"
        "print(row['verdict'], row['curves'], row['ours'] == table.anisotropy_centred_final[0])\n"
    )
    (finished / "judge.py").write_text(code)
    assert run("python judge.py", finished, env=environment(finished)) == "no 1 True\n"


def test_the_source_is_read_and_errors_say_what_is_allowed(finished):
    text = pd.read_parquet(finished / "results/posts/corpus/text/posts/0.parquet")
    assert text.document.nunique() == 100
    wrong = "corpora={posts: {source: sqlit}}", "corpora={posts: {path: none.db}}"
    source, path = (
        snakemake(finished, "-n", *POSTS, "--config", value, check=False, env=environment(finished)) for value in wrong
    )
    known = "python-docs, python-source, synthetic, local, hub, sqlite"
    assert f"corpora.posts.source is 'sqlit', did you mean sqlite?; allowed: {known}" in source
    assert "corpora.posts.path is 'none.db'; there is no such file" in path


def test_the_remedy_is_studied(finished):
    found = pd.read_csv(finished / TABLES / "tied_initial_loss.csv").set_index("remedy")
    assert found.self_logit["turn"] == pytest.approx(0, abs=1e-5)
    assert found.loss_nats["turn"] == pytest.approx(found.expected_nats["turn"], rel=0.01)
    assert found.loss_nats["plain"] > found.loss_nats["turn"] + 1


def test_the_suite_is_measured(finished):
    tokenizer = Tokenizer.from_file(str(finished / "results/posts/corpus/tokenizers/words.json"))
    for step in (0, 10):
        model = tiny_model(vocab_size=tokenizer.get_vocab_size(), seed=step, num_hidden_layers=1)
        model.save_pretrained(finished / "runs" / "small" / f"step{step}")
    tokenizer.save(str(finished / "runs" / "tokenizer.json"))
    little = {"corpora": {"python-docs": {"max_documents": 40}}, "metrics": {"tokens": 200}}
    (finished / "little.yaml").write_text(yaml.safe_dump(little))
    table = "results/my_suite/tables/checkpoints.csv"
    snakemake(
        finished,
        "--cores",
        "2",
        table,
        "--configfile",
        "config/my_suite.yaml",
        "little.yaml",
        env=environment(finished),
    )
    checkpoints = pd.read_csv(finished / table).set_index(["suite", "model"])
    assert checkpoints.measured.to_dict() == {("mine", "small"): 2}


def test_what_was_added_passes_the_checks(extended):
    for check in ("ruff check src scripts tests", "ruff format --check src scripts tests", "snakefmt --check rules"):
        run(f"{BIN}/{check}", extended)
    own = re.findall(r"^\.venv/bin/pytest (.*)", (ROOT / "docs" / PAGE).read_text(encoding="utf-8"), re.MULTILINE)
    synced = ["tests/config/test_schema.py", "tests/workflow/test_doc_tables.py", "tests/io/test_tables.py"]
    files = " ".join(dict.fromkeys([*" ".join(own).split(), *synced]))
    run(f"pytest -q {files}", extended, env=environment(extended))


def test_names_and_links_exist():
    text = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    made = set(re.findall(r"^`([\w./-]+)`, new", text, re.MULTILINE))
    named = set(re.findall(r"`((?:config|docs|scripts|src|rules|tests|profiles)/[\w./-]+\.\w+)`", text)) - made
    links = set(re.findall(r"\]\(([\w./-]+)\)", text))
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert [path for path in links if not (ROOT / "docs" / path).exists()] == []
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors
