import time
from dataclasses import replace

import pytest

from lm_saturation.config import read_experiment
from lm_saturation_workflow import cost
from lm_saturation_workflow.plan import ROOT, plan
from lm_saturation_workflow.project import with_defaults

PAPER = ROOT / "config" / "paper.yaml"


@pytest.mark.parametrize(
    ("name", "parameters", "width"),
    [
        ("pythia-410m", 410e6, 2),
        ("pythia-1.4b", 1.4e9, 2),
        ("gpt2-xl", 1558e6, 4),
        ("Llama-2-7b-hf", 7e9, 2),
        ("OLMo-1B-0724-hf", 1e9, 2),
    ],
)
def test_names_say_how_large_a_model_is(name, parameters, width):
    assert cost.size_of(name) == (parameters, width)


def test_a_name_that_does_not_is_an_error():
    with pytest.raises(SystemExit, match="the name small does not say how large the model is"):
        cost.size_of("small")


def experiment(**changes):
    """The default configuration, with other options."""
    return read_experiment(with_defaults(changes))


def test_heads_by_hand():
    heads = {"ranks": [2, 4, 2000], "initialisations": ["svd"], "learning_rates": [1.0, 2.0], "tokens": 10, "jobs": 3}
    operations = cost.head_operations(experiment(heads=heads), "pythia-410m", 7.0)
    assert operations == 10 * (6 * (50304 + 1024) * (2 + 4) * 2 + 2 * 7 * 3)


def test_evaluation_by_hand():
    suite = {
        "source": "hub",
        "repository": "owner/{model}",
        "corpus": "python-docs",
        "revision": "step{step}",
        "tokenizer": "bpe-4k",
        "models": ["m-1b"],
        "steps": [0, 5, 10],
    }
    abilities = {"suites": ["s"], "tasks": ["sciq", "cloze", "storycloze"], "num_fewshot": [0, 5], "steps": [5, 10, 99]}
    abilities |= {"items": 100, "context": 400, "limit": None, "batch_size": 10, "storycloze": None}
    model = cost.FetchedModel("s", "m-1b", "m-1b", 1e9, 2e9, 3, 3, 1, True, "float32")
    passes = 2e9 * (1000 * 4 * 130 + 100 * 4 * 100) * (1 + 6) / 15e12
    batches = (4000 + 400) / 10 * 2 * cost.BATCH
    assert cost.evaluation_seconds(
        experiment(abilities=abilities, checkpoints={"suites": ["mini", "s"]}, suites={"s": suite}),
        [model, replace(model, suite="t")],
    ) == pytest.approx(2 * (passes + batches + 2 + cost.LOADING) + 3 * cost.STARTING)


def test_tied_embeddings_by_hand():
    training = {"model": {"width": 16, "layers": 2, "attention_heads": 1}, "batch_size": 3, "sequence_length": 5}
    training |= {"steps": [0, 7], "remedies": ["plain", "swap"], "seeds": [0, 1, 2], "precision": "float32"}
    training |= {"tokenizers": ["bpe-2k", "bpe-4k"], "residual_scales": [0.0], "rate_factors": [1.0, 2.0]}
    tied = {"training": training, "models": {"vocabulary_size": 100}, "remedies": ["plain", "swap"]}
    assert cost.tied_seconds(experiment(tied=tied)) == pytest.approx(
        2 * 2 * (3 + 2 / 2) * 3 * 5 * 7 * 6 * (12 * 16**2 * 2 + 100 * 16) / 15e12
    )


def test_the_table_in_the_docs_is_current(monkeypatch):
    monkeypatch.setattr(cost, "measured", lambda config, stage: "| | ")
    assert cost.page(PAPER) in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_ten_models_of_154_checkpoints_are_planned_in_half_a_minute(tmp_path):
    """All checkpoints of Pythia, and spans of ten, which is twice as many jobs as config/paper.yaml has."""
    steps = "[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, {first: 1000, last: 143000, every: 1000}]"
    models = "[14m, 31m, 70m, 160m, 410m, 1b, 1.4b, 2.8b, 6.9b, 12b]"
    suite = f"{{steps: {steps}, models: {models}, span: 10000}}"
    (tmp_path / "more.yaml").write_text(f"suites: {{pythia: {suite}}}\n")
    start = time.perf_counter()
    jobs = plan(PAPER, tmp_path / "more.yaml")
    assert time.perf_counter() - start < 30
    assert sum(job.rule == "checkpoint_metrics" for job in jobs) >= 10 * 15
