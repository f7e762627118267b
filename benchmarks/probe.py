"""What a probe at its default (every 500 steps) costs beside the training alone, at a toy and at a real size.

python -m benchmarks.probe
"""

import json
import sys
import time

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.common import measure, peak_mb, write_results
from lm_saturation import Watch
from lm_saturation.probing.watch import WatchOptions

SIZES = {  # name: model, batch (sequences, tokens), steps between probes here, probes
    "toy": (
        {
            "vocab_size": 2048, "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 4,
        },
        (16, 128), 20, 6,
    ),
    "SmolLM2-135M": (
        {
            "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
            "num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True,
        },
        (2, 256), 1, 3,
    ),
}  # fmt: skip
LIMIT = 0.02  # of the training's time


def run(name):
    """Training steps and probes in turn, in this process: CPU seconds of its only thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config, (sequences, tokens), between, probes = SIZES[name]
    model = LlamaForCausalLM(LlamaConfig(**config)).train()
    ids = np.random.default_rng(0).zipf(1.1, 1_000_000) % config["vocab_size"]
    batch = torch.from_numpy(ids[: sequences * tokens].reshape(sequences, tokens))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    watch = Watch(model, None, ids[100_000:].reshape(-1, 1000), every=between)
    seconds = {"step": [], "probe": []}
    for step in range(1, between * (probes + 1) + 1):
        start = time.process_time()
        model(batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        done = time.process_time()
        found = watch(model, step)
        if found:
            seconds["probe"].append(time.process_time() - done)
        if step > 1:
            seconds["step"].append(done - start)
    medians = {what: float(np.median(values)) for what, values in seconds.items()}
    print(json.dumps({**medians, "first": seconds["probe"][0], "tokens": batch.numel(), "peak_mb": peak_mb()}))


def main():
    every = WatchOptions().every
    lines = [
        f"CPU seconds of one thread, float32; medians, but for the first probe, which also checks the model's kind. "
        f"Share: of the training's time at the default of every {every:,} steps; smaller with larger batches.",
        "",
        "| size | tokens a step | step, s | first probe, s | later probes, s | share |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in SIZES:
        found = measure("benchmarks.probe", name)
        share = found["probe"] / (every * found["step"])
        assert share < LIMIT, name
        lines.append(
            f"| {name} | {found['tokens']:,} | {found['step']:.3f} | {found['first']:.2f} | {found['probe']:.2f} | "
            f"{100 * share:.2f} % |"
        )
    write_results("Probe of a training", "python -m benchmarks.probe", ["torch", "transformers"], lines)


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
