"""Two processes that train together: the first one measures, and the training is that without a probe."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = """
import hashlib, json, sys
import torch
from torch.nn.parallel import DistributedDataParallel
from lm_saturation import Watch
from tests.probing.small import TEXTS, small_model, tokenizer

rank, folder, probed = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "probed"
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
model = DistributedDataParallel(small_model(dropout=0.1))
options = {"every": 2, "tokens": 100, "sequence_length": 32, "unigram_tokens": 40, "csv": f"{folder}/probe.csv"}
watch = Watch(model, tokenizer(), TEXTS, **options)
torch.manual_seed(rank)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
counts = []
for step in range(1, 5):
    batch = torch.randint(290, (2, 16))
    model(batch, labels=batch).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    counts.append(len(watch(model, step)) if probed else 0)
weights = b"".join(tensor.numpy().tobytes() for tensor in model.module.state_dict().values())
print(json.dumps([counts, hashlib.sha256(weights).hexdigest()]))
torch.distributed.destroy_process_group()
"""


def trained(folder: Path, probed):
    folder.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    both = [subprocess.Popen([*command, str(rank), str(folder), probed], **pipes) for rank in range(2)]
    found = []
    for process in both:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        found.append(json.loads(output.splitlines()[-1]))
    return found


def test_the_first_of_two_processes_measures(tmp_path):
    (counts, weights), (others, same) = trained(tmp_path / "probed", "probed")
    assert counts[0] == counts[2] == 0 < counts[1] == counts[3]
    assert others == [0, 0, 0, 0]
    assert weights == same == trained(tmp_path / "alone", "alone")[0][1]
    assert len((tmp_path / "probed" / "probe.csv").read_text().splitlines()) == 3
