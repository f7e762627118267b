"""What a configuration takes: jobs, bytes from the hub, disk and GPU time of each stage, without running it.

python -m lm_saturation_workflow.cost config/paper.yaml

Where the configuration has run here, what it took is printed beside: processor time and memory of its jobs, and disk.
With targets, instead, the minutes of all jobs that each of them needs, one job after the other, as they took here:

python -m lm_saturation_workflow.cost config.yaml figure_1a figure_7
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from lm_saturation.config import Experiment, read_experiment
from lm_saturation.config.abilities import MADE_TASKS
from lm_saturation.config.suites import HubSuite
from lm_saturation.report.job_times import STAGES, job_times
from lm_saturation_workflow.plan import ROOT, Planned, plan
from lm_saturation_workflow.project import with_defaults

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


@dataclass(frozen=True)
class FetchedModel:
    """A model of the hub that is fetched."""

    suite: str
    model: str
    name: str  # on the hub, without owner
    parameters: float
    bytes_per_checkpoint: float
    checkpoints: int  # fetched in all
    spans: int
    checkpoints_per_span: int  # at most
    measured: bool
    dtype: str

    @property
    def reading_seconds(self) -> float:
        """To bring a checkpoint to the GPU."""
        return self.bytes_per_checkpoint / READING + LOADING


def models_used(experiment: Experiment, jobs: list[Planned]) -> list[FetchedModel]:
    """Every model of the hub that is fetched."""
    downloading = [job.wildcards for job in jobs if job.rule == "checkpoint_download"]
    spans = Counter((wildcards["suite"], wildcards["model"]) for wildcards in downloading)
    measured = {(job.wildcards["suite"], job.wildcards["model"]) for job in jobs if job.rule == "checkpoint_metrics"}
    models = []
    for suite, model in sorted(spans):
        definition = experiment.suites[suite]
        if not isinstance(definition, HubSuite):
            continue
        name, steps = definition.repository.format(model=model).split("/")[1], definition.step_list
        if steps is None:
            raise SystemExit(f"error: suites.{suite}.steps is all; how many that is only its audit says")
        parameters, width = size_of(name)
        in_span = -(-len(steps) // len(definition.spans()))
        models.append(
            FetchedModel(
                suite=suite,
                model=model,
                name=name,
                parameters=parameters,
                bytes_per_checkpoint=parameters * width,
                checkpoints=len(steps) if spans[suite, model] > 1 or len(steps) == 1 else in_span,
                spans=spans[suite, model],
                checkpoints_per_span=in_span,
                measured=(suite, model) in measured,
                dtype=definition.dtype,
            )
        )
    return models


def downloads(experiment: Experiment, models: list[FetchedModel]) -> tuple[float, float]:
    """Bytes of weights fetched in all, and on disk at once: `prefetch` spans of every model, which go side by side."""
    prefetch = experiment.checkpoints.prefetch
    fetched = sum(model.bytes_per_checkpoint * model.checkpoints for model in models)
    spans = [(model, min(prefetch, model.spans)) for model in models]
    return fetched, sum(model.bytes_per_checkpoint * model.checkpoints_per_span * number for model, number in spans)


def measuring_seconds(experiment: Experiment, models: list[FetchedModel]) -> float:
    """GPU seconds of checkpoint_metrics: for each checkpoint a forward pass over the sample, and reading weights."""
    words = experiment.metrics.word_perplexity
    tokens = experiment.metrics.tokens + 2 * experiment.metrics.random_text_tokens + (words.tokens if words else 0)
    return sum(
        model.checkpoints * (2 * model.parameters * tokens / FLOPS[model.dtype] + model.reading_seconds)
        + model.spans * STARTING
        for model in models
        if model.measured
    )


def head_operations(experiment: Experiment, name: str, parameters: float) -> float:
    """Floating-point operations of all heads of a model: 6 per weight, token and head; the trunk's 2, once per job."""
    heads, (rows, width) = experiment.heads, SHAPES[name]
    ranks = sum(rank for rank in heads.ranks if rank <= width)
    trained = ranks * len(heads.initialisations) * len(heads.learning_rates)
    return float(heads.tokens) * (6 * (rows + width) * trained + 2 * parameters * heads.jobs)


def head_seconds(experiment: Experiment, models: list[FetchedModel]) -> float:
    """GPU seconds of the heads."""
    trunks = [model for model in models if (model.suite, model.model) in experiment.heads.trunks]
    operations = sum(head_operations(experiment, model.name, model.parameters) for model in trunks)
    return operations / FLOPS[experiment.heads.precision]


def evaluation_seconds(experiment: Experiment, models: list[FetchedModel]) -> float:
    """GPU seconds of ability_evaluation: for each checkpoint a forward pass over every text, and its batches."""
    abilities = experiment.abilities
    texts = tokens = 0
    for task in [*abilities.made_tasks, *abilities.harness_tasks]:
        if task not in MADE_TASKS and task not in TASKS:
            raise SystemExit(f"error: how long the texts of {task} are is not known; add it to TASKS in {__file__}")
        made = (abilities.items, CHOICES, abilities.context // LETTERS)
        items, choices, length = made if task in MADE_TASKS else TASKS[task]
        items = min(items, abilities.limit or items)
        texts += items * choices
        tokens += items * choices * length
    shots = sum(1 + shots for shots in abilities.num_fewshot)  # a text with k examples is 1 + k times as long
    batches = texts / abilities.batch_size * len(abilities.num_fewshot) * BATCH
    total, wanted = 0.0, abilities.step_list
    for model in models:
        if model.suite in abilities.suites:
            steps = experiment.suites[model.suite].step_list or []
            evaluated = len(steps if wanted is None else set(wanted) & set(steps))
            passes = 2 * model.parameters * tokens * shots / FLOPS[model.dtype]
            total += evaluated * (passes + batches + model.reading_seconds) + model.spans * STARTING
    return total


def tied_seconds(experiment: Experiment) -> float:
    """GPU seconds of tied_training: 6 operations per weight, but for the embedding, and token of every model."""
    training = experiment.tied.training
    width, layers = training.model.width, training.model.layers
    vocabulary = experiment.tied.models.vocabulary_size  # what the tokenizer has is known only when it is there
    tokens = training.batch_size * training.sequence_length * max(training.steps)
    trainings = len(training.seeds) + len(training.rate_factors) / 2  # those have half of the steps
    settings = len(training.tokenizers) * len(training.residual_scales)
    models = len(experiment.tied.trained_remedies) * settings * trainings
    return models * tokens * 6 * (12 * width**2 * layers + vocabulary * width) / FLOPS[training.precision]


def measured(experiment: Experiment, stage: str) -> str:
    """Processor minutes and largest memory of a stage's jobs that ran here, and the disk it takes."""
    folders = experiment.pathvars
    if not (jobs := job_times((ROOT / folders.logs / stage).rglob("*.tsv"))):
        return "| | "
    kept = sum(file.stat().st_size for file in (ROOT / folders.results / stage).rglob("*") if file.is_file())
    return f"{jobs.processor_seconds / 60:.1f} | {jobs.memory_mb:,.0f} | {kept / 1e6:,.0f}"


def wall_minutes(config_file: Path, target: str) -> float:
    """The wall minutes of all jobs that the target needs, those that ran here."""
    jobs = plan(config_file, targets=(target,))
    times = job_times(ROOT / job.benchmark for job in jobs if job.benchmark)
    return times.seconds / 60 if times else 0.0


def page(config_file: Path) -> str:
    """The table of a configuration."""
    jobs = plan(config_file)
    experiment = read_experiment(with_defaults(yaml.safe_load(config_file.read_text(encoding="utf-8"))))
    models = models_used(experiment, jobs)
    fetched, at_once = downloads(experiment, models)
    estimates = {"checkpoints": (fetched, at_once, 0.0)}
    if experiment.metrics.device == "cuda":
        estimates["metrics"] = (0.0, 0.0, measuring_seconds(experiment, models))
    if experiment.heads.device == "cuda":
        estimates["heads"] = (0.0, 0.0, head_seconds(experiment, models))
    if experiment.abilities.device == "cuda":
        estimates["abilities"] = (0.0, 0.0, evaluation_seconds(experiment, models))
    if experiment.tied.training.device == "cuda":
        estimates["tied"] = (0.0, 0.0, tied_seconds(experiment))
    lines = [
        "| stage | jobs | local | on a GPU | GPU hours | fetched, GB | on disk at once, GB "
        "| measured: CPU minutes | maximum memory, MB | results, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for stage in STAGES:
        if not (here := [job for job in jobs if job.stage == stage]):
            continue
        gigabytes, most, seconds = estimates.get(stage, (0.0, 0.0, 0.0))
        numbers = [len(here), sum(job.local for job in here), sum("gpu" in job.resources for job in here)]
        estimated = [f"{value:,.{digits}f}" if value else "" for value, digits in
                     ((seconds / 3600, 1), (gigabytes / 1e9, 0), (most / 1e9, 0))]  # fmt: skip
        lines.append(
            f"| {stage} | {' | '.join(map(str, numbers))} | {' | '.join(estimated)} | {measured(experiment, stage)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    chosen, *targets = sys.argv[1:] or ["config.yaml"]
    for name in targets:
        print(f"{wall_minutes(Path(chosen), name):6.1f}  {name}")
    if not targets:
        print(page(Path(chosen)), end="")
