"""What a configuration takes: jobs, bytes from the hub, disk and GPU time of each stage, without running it.

python -m scripts.workflow.cost config/paper.yaml

Where the configuration has run here, what it took is printed beside: processor time and memory of its jobs, and disk.
With targets, instead, the minutes of all jobs that each of them needs, one job after the other, as they took here:

python -m scripts.workflow.cost config.yaml figure_1a figure_7
"""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from scripts.workflow.configuration import fill_defaults
from scripts.workflow.module import with_defaults
from scripts.workflow.plan import ROOT, Planned, plan
from scripts.workflow.stages import stages, taken
from scripts.workflow.suites import MADE_TASKS, asked_steps, asked_tasks, steps_of, suite_spans
from scripts.workflow.tied import trained_remedies

FLOPS = {"float32": 15e12, "bfloat16": 120e12}  # a second that an A100 reaches: 80 and 40 % of what its maker names
READING = 1e9  # bytes a second from disk to the GPU
STARTING = 15  # seconds until a job has imported torch and transformers
LOADING = 5  # seconds a checkpoint, beside reading its bytes
BYTES = 2  # of a parameter on the hub: float16 or bfloat16
# Names on the hub that do not say how large a model is: its parameters, and bytes of each
SIZES = {"gpt2": (124e6, 4), "gpt2-medium": (355e6, 4), "gpt2-large": (774e6, 4), "gpt2-xl": (1558e6, 4)}
# Of tasks of the harness: items, texts asked of each, tokens of a text by Pythia's tokenizer, rounded up
TASKS = {
    "lambada_openai": (5153, 1, 90),
    "sciq": (1000, 4, 130),
    "arc_easy": (2376, 4, 40),
    "wikitext": (150, 1, 2048),  # windows of its 62 documents
    "storycloze": (1871, 2, 70),
}
CHOICES, LETTERS = 4, 4  # of tasks made here; of a token, about
BATCH = 0.05  # seconds a batch of requests takes beside its operations
SHAPES = {"pythia-410m": (50304, 1024), "pythia-1b": (50304, 2048), "Llama-2-7b-hf": (32000, 4096)}  # rows, width


def size_of(name: str) -> tuple[float, int]:
    """The parameters of a model of the hub, as its name says, and the bytes of each."""
    if name in SIZES:
        return SIZES[name]
    if not (found := re.search(r"(?<![\d.])(\d+(?:\.\d+)?)(m|b)(?![a-z])", name.lower())):
        raise SystemExit(f"error: the name {name} does not say how large the model is; add it to SIZES in {__file__}")
    return float(found[1]) * {"m": 1e6, "b": 1e9}[found[2]], BYTES


def models_used(config: dict[str, Any], jobs: list[Planned]) -> list[dict[str, Any]]:
    """Every model of the hub that is fetched: its suite, name and size, the checkpoints fetched, the most in a span."""
    downloading = [job.wildcards for job in jobs if job.rule == "checkpoint_download"]
    spans = Counter(
        (one["suite"], one["model"]) for one in downloading if config["suites"][one["suite"]]["source"] == "hub"
    )
    measured = {(job.wildcards["suite"], job.wildcards["model"]) for job in jobs if job.rule == "checkpoint_metrics"}
    found = []
    for suite, model in sorted(spans):
        definition = config["suites"][suite]
        name = definition["repository"].format(model=model).split("/")[1]
        steps = steps_of(definition)
        if steps is None:
            raise SystemExit(f"error: suites.{suite}.steps is all; how many that is only its audit says")
        parameters, width = size_of(name)
        in_span = -(-len(steps) // len(suite_spans(config, suite)))
        found.append(
            {
                "suite": suite,
                "model": model,
                "name": name,
                "parameters": parameters,
                "bytes": parameters * width,
                "checkpoints": len(steps) if spans[suite, model] > 1 or len(steps) == 1 else in_span,
                "spans": spans[suite, model],
                "in_span": in_span,
                "measured": (suite, model) in measured,
                "dtype": definition.get("dtype", "float32"),
            }
        )
    return found


def downloads(config: dict[str, Any], models: list[dict[str, Any]]) -> tuple[float, float]:
    """Bytes of weights fetched in all, and on disk at once: `prefetch` spans of every model, which go side by side."""
    prefetch = config["checkpoints"]["prefetch"]
    fetched = sum(one["bytes"] * one["checkpoints"] for one in models)
    return fetched, sum(one["bytes"] * one["in_span"] * min(prefetch, one["spans"]) for one in models)


def measuring_seconds(config: dict[str, Any], models: list[dict[str, Any]]) -> float:
    """GPU seconds of checkpoint_metrics: for each checkpoint a forward pass over the sample, and reading weights."""
    words = (config["metrics"].get("word_perplexity") or {}).get("tokens", 0)
    tokens = config["metrics"]["tokens"] + words
    return sum(
        one["checkpoints"] * (2 * one["parameters"] * tokens / FLOPS[one["dtype"]] + one["bytes"] / READING + LOADING)
        + one["spans"] * STARTING
        for one in models
        if one["measured"]
    )


def head_operations(config: dict[str, Any], name: str, parameters: float) -> float:
    """Floating-point operations of all heads of a model: 6 a weight, token and head; the trunk's 2, once a job."""
    heads, (rows, width) = config["heads"], SHAPES[name]
    ranks = sum(rank for rank in heads["ranks"] if rank <= width)
    trained = ranks * len(heads["starts"]) * len(heads["learning_rates"])
    return float(heads["tokens"]) * (6 * (rows + width) * trained + 2 * parameters * heads["jobs"])


def head_seconds(config: dict[str, Any], models: list[dict[str, Any]]) -> float:
    """GPU seconds of the heads."""
    names = {f"{one['suite']}/{one['model']}": one for one in models}
    chosen = [names[name] for name in config["heads"]["models"] if name in names]
    operations = sum(head_operations(config, one["name"], one["parameters"]) for one in chosen)
    return operations / FLOPS[config["heads"]["precision"]]


def asking_seconds(config: dict[str, Any], models: list[dict[str, Any]]) -> float:
    """GPU seconds of ability_evaluation: for each checkpoint asked a forward pass over every text, and its batches."""
    abilities = config["abilities"]
    texts = tokens = 0
    for task in abilities["tasks"]:
        if task not in MADE_TASKS and task not in TASKS:
            raise SystemExit(f"error: how long the texts of {task} are is not known; add it to TASKS in {__file__}")
        made = (abilities["items"], CHOICES, abilities["context"] // LETTERS)
        items, choices, length = made if task in MADE_TASKS else TASKS[task]
        if task in MADE_TASKS or task in asked_tasks(config):
            items = min(items, abilities["limit"] or items)
            texts += items * choices
            tokens += items * choices * length
    shots = sum(1 + shots for shots in abilities["num_fewshot"])  # a text with k examples is 1 + k times as long
    batches = texts / abilities["batch_size"] * len(abilities["num_fewshot"]) * BATCH
    total, wanted = 0.0, asked_steps(config)
    for one in models:
        if one["suite"] in abilities["suites"]:
            steps = steps_of(config["suites"][one["suite"]]) or []
            asked = len(steps if wanted is None else set(wanted) & set(steps))
            passes = 2 * one["parameters"] * tokens * shots / FLOPS[one["dtype"]]
            total += asked * (passes + batches + one["bytes"] / READING + LOADING) + one["spans"] * STARTING
    return total


def tied_seconds(config: dict[str, Any]) -> float:
    """GPU seconds of tied_training: 6 operations a weight, but for the embedding, and token of every model."""
    training = config["tied"]["training"]
    width, layers = training["model"]["width"], training["model"]["layers"]
    vocabulary = config["tied"]["models"]["vocabulary_size"]  # what the tokenizer has is known only when it is there
    tokens = training["batch_size"] * training["sequence_length"] * max(steps_of(training) or [0])
    models = len(trained_remedies(config)) * len(training["seeds"])
    return models * tokens * 6 * (12 * width**2 * layers + vocabulary * width) / FLOPS[training["precision"]]


def measured(config: dict[str, Any], stage: str) -> str:
    """Processor minutes and largest memory of a stage's jobs that ran here, and the disk it takes."""
    folders = {"results": "results", "logs": "logs"} | config.get("pathvars", {})
    if not (jobs := taken((ROOT / folders["logs"] / stage).rglob("*.tsv"))):
        return "| | "
    kept = sum(file.stat().st_size for file in (ROOT / folders["results"] / stage).rglob("*") if file.is_file())
    return f"{jobs.processor_seconds / 60:.1f} | {jobs.memory_mb:,.0f} | {kept / 1e6:,.0f}"


def wall_minutes(config_file: Path, target: str) -> float:
    """The wall minutes of all jobs that the target needs, those that ran here."""
    jobs = plan(config_file, targets=(target,))
    found = taken(ROOT / job.benchmark for job in jobs if job.benchmark)
    return found.seconds / 60 if found else 0.0


def page(config_file: Path) -> str:
    """The table of a configuration."""
    jobs = plan(config_file)
    config = with_defaults(yaml.safe_load(config_file.read_text(encoding="utf-8")))
    fill_defaults(config)
    models = models_used(config, jobs)
    fetched, at_once = downloads(config, models)
    estimates = {"checkpoints": (fetched, at_once, 0.0)}
    if config["metrics"]["device"] == "cuda":
        estimates["metrics"] = (0.0, 0.0, measuring_seconds(config, models))
    if config["heads"]["device"] == "cuda":
        estimates["heads"] = (0.0, 0.0, head_seconds(config, models))
    if config["abilities"]["device"] == "cuda":
        estimates["abilities"] = (0.0, 0.0, asking_seconds(config, models))
    if config["tied"]["training"]["device"] == "cuda":
        estimates["tied"] = (0.0, 0.0, tied_seconds(config))
    lines = [
        "| stage | jobs | of them here | on a GPU | GPU hours | fetched, GB | on disk at once, GB "
        "| measured: CPU minutes | most memory, MB | results, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for stage, here in stages(jobs).items():
        gigabytes, most, seconds = estimates.get(stage, (0.0, 0.0, 0.0))
        numbers = [len(here), sum(job.local for job in here), sum("gpu" in job.resources for job in here)]
        estimated = [f"{value:,.{digits}f}" if value else "" for value, digits in
                     ((seconds / 3600, 1), (gigabytes / 1e9, 0), (most / 1e9, 0))]  # fmt: skip
        lines.append(
            f"| {stage} | {' | '.join(map(str, numbers))} | {' | '.join(estimated)} | {measured(config, stage)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    chosen, *targets = sys.argv[1:] or ["config.yaml"]
    for name in targets:
        print(f"{wall_minutes(Path(chosen), name):6.1f}  {name}")
    if not targets:
        print(page(Path(chosen)), end="")
