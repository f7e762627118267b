"""Training the models of `mini`: tokens a second, ours against a plain loop around transformers' model.

python -m benchmarks.training
"""

import json
import sys
import time

import numpy as np
import torch
import yaml

from benchmarks.common import HERE, measure, median_of, peak_mb, write_results
from lm_saturation.config.suites import TrainedModel
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.loop import batch_loss, make_optimizer, update
from lm_saturation.training.recipe import Precision

SUITE = yaml.safe_load((HERE.parent / "config.yaml").read_text(encoding="utf-8"))["suites"]["mini"]
VOCABULARY = 2048
ROUNDS = 3  # of every method in turn
WARM_UP, SECONDS = 3, 5.0  # steps that are not counted; then as many as fit
METHODS = ["ours", "plain"]


def our_step(model):
    """A function of a batch: one update as the rule does it."""
    optimizer, numerics = make_optimizer(model), Precision()
    numerics.prepare(threads=1)
    return lambda batch: update(model, optimizer, batch_loss(model, batch, numerics), 1e-3)


def plain_step(model):
    """A function of a batch: one update as in transformers' documentation."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    torch.set_num_threads(1)

    def step(batch):
        optimizer.zero_grad()
        model(input_ids=batch[:, :-1], labels=batch[:, :-1]).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def run(method, name):
    """One measurement, in this process: CPU seconds a token of its only thread, which neighbours do not change."""
    ids = (np.random.default_rng(0).zipf(1.1, 1_000_000) % VOCABULARY).astype(np.uint16)
    windows = BatchSampler(ids, SUITE["sequence_length"], SUITE["batch_size"], seed=0)
    model = build_model(TrainedModel(**SUITE["models"][name]), VOCABULARY, windows.length).train()
    step = {"ours": our_step, "plain": plain_step}[method](model)
    done, start = -WARM_UP, time.process_time()
    while done < 1 or time.process_time() - start < SECONDS:
        if done == 0:
            start = time.process_time()
        step(torch.from_numpy(windows.batch(done + WARM_UP)))
        done += 1
    seconds = (time.process_time() - start) / (done * windows.batch_size * windows.length)
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "parameters": model.num_parameters()}))


def main():
    runs = {(name, method): [] for name in SUITE["models"] for method in METHODS}
    for _ in range(ROUNDS):
        for name, method in runs:
            runs[name, method].append(measure("benchmarks.training", method, name))
    lines = [
        f"Batches of {SUITE['batch_size']} sequences of {SUITE['sequence_length']} tokens, V = {VOCABULARY:,}, "
        "float32, one thread; CPU seconds.",
        "Plain: model(input_ids, labels).loss.backward(), clip_grad_norm_, torch.optim.AdamW as it comes.",
        f"Median of {ROUNDS} processes.",
        "",
        "| model | parameters | ours, tokens/s | plain, tokens/s | ours / plain | ours, peak MB | plain, peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in SUITE["models"]:
        ours, plain = (median_of(runs[name, method]) for method in METHODS)
        lines.append(
            f"| {name} | {ours['parameters']:,} | {1 / ours['seconds']:,.0f} | {1 / plain['seconds']:,.0f} | "
            f"{plain['seconds'] / ours['seconds']:.2f} | {ours['peak_mb']:.0f} | {plain['peak_mb']:.0f} |"
        )
    write_results("Training of mini", "python -m benchmarks.training", ["torch", "transformers"], lines)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
