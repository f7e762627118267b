"""Short trainings, as the rule runs them."""

import runpy
from types import SimpleNamespace

import numpy as np

from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.suites import TrainedModel, TrainingOptions
from lm_saturation.text.token_files import write_tokens
from tests.conftest import ROOT, Items

VOCABULARY = 40
OPTIONS = {"sequence_length": 16, "batch_size": 4}
MODEL = {"width": 16, "layers": 2, "attention_heads": 2, "learning_rate": 1e-2, "seed": 0}
LATER = OPTIONS | {"later_corpus": {"corpus": "d", "after": 0.5}}
STEPS = [0, 1, 2, 4, 8, 16, 24, 30]
HELD_OUT = HeldOut(share=0.2, minimum_documents=1, seed=0)


def write_corpus(folder, documents=60, seed=0):
    rng = np.random.default_rng(seed)
    texts = [rng.integers(VOCABULARY, size=rng.integers(5, 80)).astype(np.uint32) for _ in range(documents)]
    write_tokens(folder / "0.json", texts[: documents // 2], VOCABULARY, {"corpus": "c", "tokenizer": "t"})
    write_tokens(folder / "1.json", texts[documents // 2 :], VOCABULARY, {"corpus": "c", "tokenizer": "t"})


def token_files(corpus):
    """Records, ids and ends of all shards, as the rules' inputs name them."""
    return sorted(str(path) for path in corpus.iterdir() if not path.name.startswith("."))


def run_training(folder, corpus, model=MODEL, options=OPTIONS, steps=STEPS, code="code", later=None):
    """Run the script of rule `checkpoint_train` in this process; its log, which is beside the folder, as a text."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    params = SimpleNamespace(
        options=TrainingOptions(**options), model=TrainedModel(**model), steps=steps, held_out=HELD_OUT, code=code
    )
    mock = SimpleNamespace(
        input=Items(tokens=token_files(corpus), later_tokens=token_files(later) if later else []),
        output=Items(checkpoints=str(folder / "0"), log=str(folder / "training.parquet")),
        params=params,
        wildcards=SimpleNamespace(suite="mini", model="d16"),
        threads=1,
        log=str(log),
    )
    runpy.run_path(str(ROOT / "scripts/checkpoints/checkpoint_train.py"), {"snakemake": mock}, "__main__")
    return log.read_text(encoding="utf-8")


def contents(folder):
    """Every file below `folder`, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
