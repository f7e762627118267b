"""Short trainings, as the rule runs them."""

from types import SimpleNamespace

import numpy as np

from scripts.common.token_files import write_tokens

VOCABULARY = 40
DEFINITION = {"source": "train", "sequence_length": 16, "batch_size": 4}
MODEL = {"width": 16, "layers": 2, "heads": 2, "learning_rate": 1e-2, "seed": 0}
STEPS = [0, 1, 2, 4, 8, 16, 24, 30]
HELD_OUT = {"share": 0.2, "seed": 0}


def write_corpus(folder, documents=60, seed=0):
    rng = np.random.default_rng(seed)
    texts = [rng.integers(VOCABULARY, size=rng.integers(5, 80)).astype(np.uint32) for _ in range(documents)]
    write_tokens(folder / "0.json", texts[: documents // 2], VOCABULARY, {"corpus": "c", "tokenizer": "t"})
    write_tokens(folder / "1.json", texts[documents // 2 :], VOCABULARY, {"corpus": "c", "tokenizer": "t"})


def arguments(folder, corpus, model=MODEL, definition=DEFINITION, steps=STEPS):
    records = [str(corpus / "0.json"), str(corpus / "1.json")]
    options = SimpleNamespace(definition=definition, model=model, steps=steps, held_out=HELD_OUT)
    output = SimpleNamespace(checkpoints=str(folder / "0"), log=str(folder / "training.parquet"))
    return records, options, 1, {"suite": "mini", "model": "d16"}, output


def contents(folder):
    """Every file below `folder`, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
