"""Two processes that train together: the first one measures, and the training is that without a probe.

Each has the whole model (DDP), or a part of it (FSDP 2).
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributed.fsdp import FullyShardedDataParallel
from transformers import Trainer, TrainingArguments

from lm_saturation import ProbeCallback, Watch, probe
from lm_saturation.errors import InputError
from tests.conftest import ROOT
from tests.probing.small import TEXTS, small_model, tokenizer

PROGRAM = """
import hashlib, json, sys
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from lm_saturation import Watch, probe
from lm_saturation.errors import InputError
from tests.probing.small import TEXTS, small_model, tokenizer

rank, folder, probed, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "probed", sys.argv[4]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
model = small_model(dropout=0.1)
if kind == "fsdp":
    mesh = init_device_mesh("cpu", (2,))
    for part in (*model.gpt_neox.layers, model):
        fully_shard(part, mesh=mesh)
else:
    model = DistributedDataParallel(model)
options = {"every": 2, "tokens": 100, "sequence_length": 32, "unigram_tokens": 40, "csv": f"{folder}/probe.csv"}
watch = Watch(model, tokenizer(), TEXTS, **options)
torch.manual_seed(rank)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
counts, numbers = [], {}
for step in range(1, 5):
    batch = torch.randint(290, (2, 16))
    model(batch, labels=batch).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    numbers = watch(model, step) if probed else {}
    counts.append(len(numbers))
state = {
    name.removeprefix("module."): getattr(tensor, "full_tensor", lambda tensor=tensor: tensor)()
    for name, tensor in model.state_dict().items()
}
weights = b"".join(tensor.numpy().tobytes() for tensor in state.values())
whole = small_model()
whole.load_state_dict(state)
expected = Watch(whole, tokenizer(), TEXTS, **options | {"csv": None})(whole, 4)
try:
    probe(model, tokenizer(), TEXTS)
    refused = ""
except InputError as error:
    refused = str(error)
print(json.dumps([counts, hashlib.sha256(weights).hexdigest(), numbers == expected, refused]))
torch.distributed.destroy_process_group()
"""


def trained(folder: Path, probed, kind):
    folder.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    both = [subprocess.Popen([*command, str(rank), str(folder), probed, kind], **pipes) for rank in range(2)]
    found = []
    for process in both:
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        found.append(json.loads(output.splitlines()[-1]))
    return found


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_the_first_of_two_processes_measures(tmp_path, kind):
    (counts, weights, as_whole, refused), (others, same, *_) = trained(tmp_path / "probed", "probed", kind)
    assert counts[0] == counts[2] == 0 < counts[1] == counts[3]
    assert others == [0, 0, 0, 0]
    assert weights == same == trained(tmp_path / "alone", "alone", kind)[0][1]
    assert as_whole
    assert ("use Watch or ProbeCallback in all processes" in refused) == (kind == "fsdp")
    assert len((tmp_path / "probed" / "probe.csv").read_text().splitlines()) == 3


def fsdp_1(model, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
    try:
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"), use_orig_params=True)
    finally:
        torch.distributed.destroy_process_group()


def zero_3(model, folder):
    """As DeepSpeed leaves the parameters of a process: marked, and empty."""
    for number, parameter in enumerate(model.parameters()):
        parameter.ds_id = number
        parameter.data = torch.empty(0)
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("split", "way"), [(fsdp_1, "FSDP 1"), (zero_3, "ZeRO-3")])
def test_what_is_not_gathered_is_refused(tmp_path, split, way, caplog):
    message = rf"its parameters are split over processes \({way}\), which are not gathered: probe its saved checkpoints"
    trainer = Trainer(small_model(), TrainingArguments(str(tmp_path), report_to=[], use_cpu=True))
    callback = ProbeCallback(trainer, TEXTS, tokenizer(), tokens=100, sequence_length=32)  # before it is split
    model = split(trainer.model, tmp_path)
    for refuse in (
        lambda: probe(model, tokenizer(), TEXTS),
        lambda: Watch(model, tokenizer(), TEXTS),
        lambda: callback.on_train_begin(trainer.args, trainer.state, trainer.control, model=model),
    ):
        with pytest.raises(InputError, match=message):
            refuse()
    assert callback.watch(model, 500) == {}  # in the midst of a training
    assert "probe at step 500: its parameters are split" in caplog.text
