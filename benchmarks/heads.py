"""LM heads of 12 ranks and 3 learning rates on one frozen trunk: one pass of ours against 36 plain trainings.

python -m benchmarks.heads    # on a CPU at the size of mini; on a GPU, where there is one, Pythia's 410m and 1b too
"""

import json
import sys
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from benchmarks.common import measure, median_of, peak_mb, write_results
from lm_saturation.heads.sweep import HeadRun, Sweep
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.training.recipe import BETAS, EPSILON, WEIGHT_DECAY, Precision

ROUNDS = 3
RATES = [0.005, 0.02, 0.05]
SHAPES = {  # layers, width, attention heads, intermediate, vocabulary, sequences in a batch, their length, updates
    "mini, batch of the default": (4, 64, 2, 256, 2048, 6, 128, 8),
    "mini, batch of its training": (4, 64, 2, 256, 2048, 32, 128, 3),
    "mini, batch of the paper": (4, 64, 2, 256, 2048, 256, 128, 1),
    "410m": (24, 1024, 16, 4096, 50304, 16, 2048, 1),
    "1b": (16, 2048, 8, 8192, 50304, 16, 2048, 1),
}
MINI = [shape for shape in SHAPES if shape.startswith("mini")]
RANKS = {shape: [1, 2, 4, 6, 8, 12, 16, 24, 32, 40, 48, 64] for shape in MINI} | {
    "410m": [16, 32, 64, 96, 128, 192, 256, 384, 512, 640, 768, 1024],
    "1b": [32, 64, 128, 192, 256, 384, 512, 768, 1024, 1280, 1536, 2048],
}


def make_model(shape, device):
    layers, width, attention_heads, intermediate, vocabulary, _, length, _ = SHAPES[shape]
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=attention_heads,
        intermediate_size=intermediate,
        max_position_embeddings=length,
    )
    return GPTNeoXForCausalLM(config).eval().to(device)


def make_batches(shape, device):
    """A function of the update: its ids (sequences, length + 1)."""
    vocabulary, sequences, length = SHAPES[shape][4:7]
    rng = np.random.default_rng(0)
    batches = [torch.from_numpy(rng.integers(vocabulary, size=(sequences, length + 1))).to(device) for _ in range(2)]
    return lambda update: batches[update % 2]


def initial(shape, rank, device):
    """Aᵀ and B."""
    width, vocabulary = SHAPES[shape][1], SHAPES[shape][4]
    generator = torch.Generator().manual_seed(rank)
    sizes = ((rank, vocabulary), rank), ((rank, width), width)
    return tuple(torch.randn(size, generator=generator).mul_(scale**-0.5).to(device) for size, scale in sizes)


def ours(shape, device):
    """Seconds of an update of all heads, and the losses of the first."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model, batches, updates = make_model(shape, device).to(dtype), make_batches(shape, device), SHAPES[shape][-1]
    runs = [HeadRun("scaled", rank, rate, initial(shape, rank, device)) for rank in RANKS[shape] for rate in RATES]

    def states(update):
        ids = batches(update)
        return trunk_states(model, ids[:, :-1], len(ids)).flatten(0, 1), ids[:, 1:].flatten()

    Sweep(runs, 1).train(states)  # warm-up
    return seconds(lambda: Sweep(runs, updates).train(states), device) / updates, [run.losses[0] for run in runs]


def plain(shape, device):
    """The same by 36 trainings in sequence, each of which runs the trunk again."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model, batches, updates = make_model(shape, device).to(dtype), make_batches(shape, device), SHAPES[shape][-1]
    total, losses = 0.0, []
    for rank in RANKS[shape]:
        for rate in RATES:
            first, right = initial(shape, rank, device)
            left, right = first.T.contiguous().requires_grad_(), right.requires_grad_()
            optimizer = torch.optim.AdamW([left, right], lr=rate, betas=BETAS, eps=EPSILON, weight_decay=WEIGHT_DECAY)

            def step(update, left=left, right=right, optimizer=optimizer):
                ids = batches(update)
                with torch.no_grad():
                    states = model.gpt_neox(ids[:, :-1]).last_hidden_state.flatten(0, 1)
                logits = (states @ right.T.to(dtype)) @ left.T.to(dtype)
                loss = cross_entropy(logits.float(), ids[:, 1:].flatten())
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_([left, right], 1.0)
                optimizer.step()
                return loss

            losses.append(step(0).item())  # warm-up
            total += seconds(lambda step=step: [step(update) for update in range(updates)], device)
    return total / updates, losses


def seconds(work, device):
    """CPU seconds of this process's only thread, which neighbours do not change; seconds on a GPU."""
    if device == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter if device == "cuda" else time.process_time
    begin = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - begin


def flops(shape):
    """Floating-point operations of an update of ours: the trunk once, and three products for each factor."""
    layers, width, _, intermediate, vocabulary, sequences, length, _ = SHAPES[shape]
    trunk = layers * (2 * width * (4 * width + 2 * intermediate) + 4 * length * width)
    heads = sum(6 * rank * (vocabulary + width) - 2 * rank * width for rank in RANKS[shape]) * len(RATES)
    return sequences * length * (trunk + heads)


def run(method, shape, device):
    """One measurement, in this process."""
    Precision().prepare(threads=1)
    found, losses = {"ours": ours, "plain": plain}[method](shape, device)
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak_mb()
    print(json.dumps({"seconds": found, "peak_mb": memory, "losses": losses}))


def main():
    shapes = [(shape, "cpu") for shape in MINI]
    shapes += [(shape, "cuda") for shape in SHAPES] if torch.cuda.is_available() else []
    lines = [
        "An update of 36 LM heads W = AB: 12 ranks at 3 learning rates. CPU: float32, one thread, CPU seconds; GPU:",
        "bfloat16 products, seconds. Plain: for each head a loop of its own, which runs the trunk, multiplies,",
        "cross_entropy, backward, clip_grad_norm_, AdamW. Losses agree.",
        f"Median of {ROUNDS} processes.",
        "",
        "| shape | on | tokens an update | ours, s | plain, s | plain / ours | ours, MB | plain, MB | TFLOP/s |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for shape, device in shapes:
        runs = {"ours": [], "plain": []}
        for _ in range(ROUNDS):
            for method, found in runs.items():
                found.append(measure("benchmarks.heads", method, shape, device))
        here, there = median_of(runs["ours"]), median_of(runs["plain"])
        np.testing.assert_allclose(here["losses"], there["losses"], rtol=1e-4 if device == "cpu" else 2e-2)
        tokens = SHAPES[shape][5] * SHAPES[shape][6]
        lines.append(
            f"| {shape} | {device} | {tokens:,} | {here['seconds']:.3f} | {there['seconds']:.3f} | "
            f"{there['seconds'] / here['seconds']:.1f} | {here['peak_mb']:.0f} | {there['peak_mb']:.0f} | "
            f"{flops(shape) / here['seconds'] / 1e12:.3f} |"
        )
    write_results("Heads of constrained rank", "python -m benchmarks.heads", ["torch", "transformers"], lines)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
