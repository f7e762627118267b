"""The callback of docs/probe.md in Lightning: what it logs, and that the training is the same without it."""

import csv
import re

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lm_saturation import Watch, probe
from tests.conftest import ROOT
from tests.probing.small import TEXTS, small_gpt2, tokenizer

lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed: pip install lightning")

OPTIONS = {"tokens": 200, "sequence_length": 32, "unigram_tokens": 60}
STEPS, ACCUMULATED = 4, 2


def documented_callback():
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "probe.md").read_text(), re.MULTILINE | re.DOTALL)
    (code,) = (block for block in blocks if "lightning" in block)
    names = {}
    exec(code, names)
    return names["Probe"]


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = small_gpt2()  # whose dropout is 0.1

    def training_step(self, batch):
        loss = self.model(batch, labels=batch).loss
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


def trained(folder, probed, precision):
    """The weights of a training, and its module."""
    module = Module()
    watch = Watch(module.model, tokenizer(), TEXTS, every=2, csv=folder / "probe.csv", **OPTIONS)
    rows = torch.from_numpy(np.random.default_rng(0).integers(0, 280, (64, 16)))
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        accumulate_grad_batches=ACCUMULATED,
        precision=precision,
        callbacks=[documented_callback()(watch)] if probed else [],
        logger=lightning.loggers.CSVLogger(folder),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    torch.manual_seed(1)
    trainer.fit(module, DataLoader(rows, batch_size=4, shuffle=True))
    return [tensor.numpy().tobytes() for tensor in module.model.state_dict().values()], module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_training_is_the_same_and_its_logger_has_the_numbers(tmp_path, precision):
    alone, _ = trained(tmp_path / "alone", probed=False, precision=precision)
    weights, module = trained(tmp_path / "probed", probed=True, precision=precision)
    assert weights == alone
    (file,) = (tmp_path / "probed").rglob("metrics.csv")
    with file.open() as metrics:
        rows = [row for row in csv.DictReader(metrics) if row["probe/cross_entropy_nats"]]
    assert [int(row["step"]) for row in rows] == [2, 4]
    health = probe(module.model, tokenizer(), TEXTS, **OPTIONS, unargmaxable=False)
    for name, value in health.values.items():
        assert float(rows[-1][f"probe/{name}"]) == value
    with (tmp_path / "probed" / "probe.csv").open() as table:
        assert [int(row["step"]) for row in csv.DictReader(table)] == [2, 4]
