"""All metrics of a checkpoint: ours against the straightforward script, a span of checkpoints, and a GPU's rate.

python -m benchmarks.metrics          # a checkpoint of Pythia-160m's shape, 50k tokens (half an hour on two cores)
python -m benchmarks.metrics 12000    # the same with fewer tokens
"""

import json
import statistics
import sys
import time

import numpy as np
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from benchmarks.common import measure, scratch, timed, write_results
from lm_saturation.checkpoints.read_ahead import load_models
from lm_saturation.inference.evaluation_sample import EvaluationSample
from lm_saturation.metrics import forward_pass
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.measure import measure as measure_model

TOKENS = 50_000
LENGTH = 2048
BATCH = 8  # sequences
CHECKPOINTS = 20
SPAN_TOKENS = 1_000
PARTS_TOKENS = 10_000  # on a CPU
HEAD_ROWS, VOCABULARY = 50304, 50277
SHAPES = {  # layers, width, heads
    "14m": (6, 128, 4),
    "160m": (12, 768, 12),
    "410m": (24, 1024, 16),
    "1b": (16, 2048, 8),
}
PARTS = {
    "trunk and anisotropy": "_layers",
    "logits and losses": "_logits",
    "states": "gram",
    "head": "head_spectrum",
}


def random_model(shape, device="cpu", seed=0):
    """A model of Pythia's architecture with random weights."""
    layers, width, heads = SHAPES[shape]
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=HEAD_ROWS,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=LENGTH,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPTNeoXForCausalLM(config).eval().to(device)


def random_spec(tokens, length=LENGTH):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, VOCABULARY, (-(-tokens // (length - 1)), length))
    sample = EvaluationSample(ids[:, :-1], ids[:, 1:], np.zeros_like(ids[:, 1:]), "none", 4 * ids.size)
    return EvaluationSpec(sample, rng.integers(0, 100, VOCABULARY), BATCH, unargmaxable=False, text=None, first=None)


def ours(model, spec):
    found = measure_model(model, spec)
    anisotropy = found.layers["anisotropy"][:-2].tolist() + found.layers["anisotropy"][-1:].tolist()
    return {
        "loss": found.metrics["cross_entropy_nats"],
        "anisotropy": anisotropy,
        "first": float(found.spectrum["singular_value"][0]),
    }


@torch.no_grad()
def straightforward(model, spec):
    """Every layer's hidden states, full logits, all pairs' cosines in blocks, the head's singular values."""
    ids = torch.from_numpy(np.hstack([spec.sample.inputs, spec.sample.targets[:, -1:]])).to(model.device)
    losses, layers = [], []
    for batch in ids.split(BATCH):
        found = model(batch, labels=batch, output_hidden_states=True)
        losses.append(float(found.loss) * len(batch))
        layers.append([states[:, :-1].flatten(0, 1) for states in found.hidden_states])
    anisotropy = [pairwise(torch.cat(states)) for states in zip(*layers, strict=True)]
    values = torch.linalg.svdvals(model.lm_head.weight[:VOCABULARY].double())
    return {"loss": sum(losses) / len(ids), "anisotropy": anisotropy, "first": float(values[0])}


def pairwise(states, block=4096):
    """The mean cosine of all pairs, some rows of the matrix of cosines at a time."""
    states = torch.nn.functional.normalize(states, dim=1)
    total = sum(float((rows @ states.T).sum(dtype=torch.float64)) for rows in states.split(block))
    return (total - len(states)) / (len(states) ** 2 - len(states))


def run(method, shape, tokens, device):
    """One measurement in this process, which prints it as JSON."""
    model, spec = random_model(shape, device), random_spec(int(tokens))
    work = {"ours": ours, "straightforward": straightforward}[method]
    if device == "cuda":
        work(model, random_spec(100, 100))  # warm up
        torch.cuda.reset_peak_memory_stats()
    found, cost = timed(lambda: work(model, spec))
    if device == "cuda":
        cost["peak_mb"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps({**found, **cost}))


def run_parts(shape, tokens, device):
    """Where the time of one checkpoint goes, and the rate reached: prints seconds of the parts and TFLOP/s as JSON."""
    model, spec = random_model(shape, device), random_spec(int(tokens))
    measure_model(model, random_spec(100, 100))
    seconds = {}
    for part, name in PARTS.items():
        setattr(forward_pass, name, _timing(getattr(forward_pass, name), part, seconds))
    start = time.perf_counter()
    measure_model(model, spec)
    total = time.perf_counter() - start
    print(json.dumps({"seconds": total, "parts": seconds, "tflops": flops(model, spec) / total / 1e12}))


def _timing(function, part, seconds):
    def timing(*args):
        start = time.perf_counter()
        found = function(*args)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds[part] = seconds.get(part, 0) + time.perf_counter() - start
        return found

    return timing


def flops(model, spec):
    """Of the matrix products of trunk, attention (half of it is masked) and head; metrics not counted."""
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    tokens, length = spec.sample.inputs.size, spec.sample.inputs.shape[1]
    return 2 * tokens * (12 * layers * width**2 + HEAD_ROWS * width + layers * length * width)


def matrix_rate(device):
    """TFLOP/s of a float32 matrix product."""
    size = 8192 if device == "cuda" else 2048
    matrix = torch.randn(size, size, device=device)
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e12)
    return max(rates)


def run_span(tokens):
    """A span of checkpoints on disk: seconds a checkpoint after the first, of reading alone and of measuring alone."""
    with scratch() as folder:
        paths = [folder / f"step{step}" for step in range(CHECKPOINTS)]
        for step, path in enumerate(paths):
            random_model("14m", seed=step).save_pretrained(path)
        spec, reading, measuring, spans = random_spec(int(tokens), 128), [], [], []
        for path in paths:
            model, cost = timed(lambda path=path: next(load_models([path], torch.float32)))
            reading.append(cost["seconds"])
        measuring += [timed(lambda: measure_model(model, spec))[1]["seconds"] for _ in range(5)]
        start = time.perf_counter()
        for model in load_models(paths, torch.float32):
            measure_model(model, spec)
            spans.append(time.perf_counter() - start)
            start = time.perf_counter()
    print(json.dumps({"span": _after_first(spans), "read": _after_first(reading), "measure": _after_first(measuring)}))


def _after_first(seconds):
    return statistics.mean(seconds[1:])


def checkpoint_lines(tokens, device, threads):
    """(a): the table of the two methods."""
    found = {
        method: measure("benchmarks.metrics", "run", method, "160m", str(tokens), device, threads=threads)
        for method in ("ours", "straightforward")
    }
    one, other = found.values()
    np.testing.assert_allclose(one["loss"], other["loss"], atol=1e-4)
    np.testing.assert_allclose(one["anisotropy"], other["anisotropy"], atol=1e-5)
    np.testing.assert_allclose(one["first"], other["first"], rtol=1e-6)
    lines = [
        f"A checkpoint of Pythia-160m's shape, random weights, {tokens:,} tokens, sequences of {LENGTH}, on {device}.",
        "Ours also measures what the straightforward script does not: centred states and heads, effective ranks and",
        "losses of rounded logits. Loss, anisotropy of every layer and largest singular value of both agree.",
        "",
        "| method | seconds | peak memory, MB | time / ours | memory / ours |",
        "|---|---:|---:|---:|---:|",
    ]
    for method, cost in found.items():
        ratios = cost["seconds"] / one["seconds"], cost["peak_mb"] / one["peak_mb"]
        lines.append(
            f"| {method} | {cost['seconds']:.1f} | {cost['peak_mb']:.0f} | {ratios[0]:.1f} | {ratios[1]:.1f} |"
        )
    return [*lines, ""]


def parts_lines(shapes, tokens, device, threads):
    """(c): the rate reached, and where the time goes."""
    lines = [
        f"Rate in float32, {tokens:,} tokens; a matrix product alone reaches {matrix_rate(device):.2f} TFLOP/s.",
        "",
        f"| shape | seconds | TFLOP/s | {' | '.join(f'{part}, s' for part in PARTS)} |",
        "|---|" + "---:|" * (2 + len(PARTS)),
    ]
    for shape in shapes:
        found = measure("benchmarks.metrics", "parts", shape, str(tokens), device, threads=threads)
        parts = " | ".join(f"{found['parts'][part]:.2f}" for part in PARTS)
        lines.append(f"| {shape} | {found['seconds']:.2f} | {found['tflops']:.2f} | {parts} |")
    return [*lines, ""]


def span_lines(threads):
    """(b): a span."""
    found = measure("benchmarks.metrics", "span", str(SPAN_TOKENS), threads=threads)
    return [
        f"A span of {CHECKPOINTS} checkpoints of Pythia-14m's shape, {SPAN_TOKENS:,} tokens, on the CPU: "
        f"{found['span']:.2f} s a checkpoint after the first; reading its weights alone {found['read']:.2f} s, "
        f"measuring alone {found['measure']:.2f} s."
    ]


def main(tokens):
    threads = torch.get_num_threads()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = ["160m", "410m", "1b"] if device == "cuda" else ["160m"]
    lines = [
        *checkpoint_lines(tokens, device, threads),
        *parts_lines(shapes, tokens if device == "cuda" else min(tokens, PARTS_TOKENS), device, threads),
        *span_lines(threads),
    ]
    write_results("Metrics of a checkpoint", "python -m benchmarks.metrics", ["torch", "transformers"], lines)


if __name__ == "__main__":
    commands = {"run": run, "parts": run_parts, "span": run_span}
    if sys.argv[1:] and sys.argv[1] in commands:
        commands[sys.argv[1]](*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS)
