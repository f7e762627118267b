"""What the config says of suites of checkpoints: their models, steps and spans.

A span is a fixed interval of steps, [k s, (k + 1) s), so that a step added to the config changes one span only.
"""

from typing import Any

from scripts.common.checkpoint_patterns import MARK, folder_files, match_folders
from scripts.common.jobs import InputError


def steps_of(definition: dict[str, Any]) -> list[int] | None:
    """The steps asked for, in order; None for all there are. A suite of single checkpoints has one, 0 by default."""
    steps = definition.get("steps", "all")
    if steps == "all":
        return None if MARK in _pattern(definition) else [0]
    return listed_steps(steps)


def listed_steps(steps: list[Any]) -> list[int]:
    """The steps of a list of steps and of ranges {first, last, every}, in order."""
    listed: set[int] = set()
    for step in steps:
        listed.update([step] if isinstance(step, int) else range(step["first"], step["last"] + 1, step["every"]))
    return sorted(listed)


def _pattern(definition: dict[str, Any]) -> str:
    """What names a checkpoint of the suite; that of a suite trained here always has a step."""
    return str(definition.get("revision") or definition.get("path") or MARK)


def suite_models(config: dict[str, Any], suite: str) -> list[str]:
    """The names of a suite's models."""
    return list(config["suites"][suite]["models"])


def suite_spans(config: dict[str, Any], suite: str) -> list[str]:
    """The numbers of a suite's spans, in order. A training is one span."""
    definition = config["suites"][suite]
    width, steps = definition.get("span"), steps_of(definition)
    if not width:
        return ["0"]
    if steps is None:
        return [str(number) for number in range(definition["last_step"] // width + 1)]
    return [str(number) for number in sorted({step // width for step in steps})]


def span_steps(config: dict[str, Any], suite: str, span: str) -> dict[str, Any]:
    """What belongs to a span: `steps`, None for all there are from `first` to below `last`, which may be None."""
    definition = config["suites"][suite]
    width, steps = definition.get("span"), steps_of(definition)
    if not width:
        return {"steps": steps, "first": 0, "last": None}
    first, last = int(span) * width, (int(span) + 1) * width
    return {"steps": steps and [step for step in steps if first <= step < last], "first": first, "last": last}


def earlier_span(config: dict[str, Any], suite: str, span: str) -> list[str]:
    """The span that must be measured, and gone from disk, before this one is fetched; none before the first ones."""
    spans = suite_spans(config, suite)
    place = spans.index(span) - config["checkpoints"]["prefetch"]
    return spans[place : place + 1] if place >= 0 else []


def span_served(config: dict[str, Any], suite: str, model: str, span: str) -> list[str]:
    """What all rules make of the span that must be gone before this one is fetched."""
    made = [f"<results>/metrics/{suite}/{model}/{{}}/checkpoint_metrics.parquet"]
    if suite in config["abilities"]["suites"]:
        made.append(f"<results>/abilities/{suite}/{model}/{{}}/ability_scores.parquet")
    return [path.format(earlier) for earlier in earlier_span(config, suite, span) for path in made]


def suites_from(config: dict[str, Any], *sources: str) -> str:
    """A regular expression for the names of the suites that come from these sources."""
    names = [name for name, definition in config["suites"].items() if definition["source"] in sources]
    return "|".join(names) or "(?!)"  # which nothing matches


def hub_names(config: dict[str, Any]) -> dict[str, str]:
    """By "suite/model", the names that models have on the hub, without their owner."""
    return {
        f"{suite}/{model}": definition["repository"].format(model=model).split("/")[1]
        for suite, definition in config["suites"].items()
        if definition["source"] == "hub"
        for model in definition["models"]
    }


def tokens_per_step(definition: dict[str, Any]) -> int | None:
    """Tokens that a training step sees, where that is known."""
    if definition["source"] == "train":
        return int(definition["batch_size"] * definition["sequence_length"])
    return definition.get("tokens_per_step")


def check_suite(key: str, definition: dict[str, Any]) -> None:
    """Raise InputError if a suite, which fits the schema, cannot be: key, value, what is allowed."""
    for number, step in enumerate(definition["steps"] if definition["steps"] != "all" else []):
        if isinstance(step, dict) and step["first"] > step["last"]:
            raise InputError(
                f"{key}.steps[{number}] runs from {step['first']} to {step['last']}; allowed: first <= last"
            )
    if definition["source"] == "train":
        _check_models(key, definition)
        return
    name = "repository" if definition["source"] == "hub" else "path"
    if len(definition["models"]) > 1 and "{model}" not in definition[name] + definition.get("revision", ""):
        raise InputError(
            f"{key}.{name} is {definition[name]!r} for several models; allowed: a name with {{model}} in it"
        )
    single = MARK not in _pattern(definition)
    if single and len(steps_of(definition) or []) > 1:
        raise InputError(
            f"{key}.steps names several steps, but {_pattern(definition)!r} has no {MARK}; allowed: one step"
        )
    if definition["steps"] == "all" and "span" in definition and "last_step" not in definition and not single:
        raise InputError(f"{key}.last_step is missing; it is needed where steps is all and there is a span")


def _check_models(key: str, definition: dict[str, Any]) -> None:
    for name, model in definition["models"].items():
        if model["width"] % (8 * model["heads"]):
            raise InputError(
                f"{key}.models.{name} has width {model['width']} and {model['heads']} heads; allowed: a width that is "
                "a multiple of 8 x heads (a quarter of each head turns, in pairs)"
            )


def training_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """What decides the weights of a training, beside the model and its steps."""
    return _part(config["suites"][suite], "batch_size", "device", "precision", "sequence_length")


def source_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """Where the checkpoints of a suite lie."""
    definition = config["suites"][suite]
    single = {} if MARK in _pattern(definition) else {"steps": steps_of(definition)}
    return _part(definition, "source", "repository", "revision", "path") | single


def fetched_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """Where the checkpoints of a suite lie, and what to do with bad ones."""
    return source_of(config, suite) | _part(config["suites"][suite], "bad_checkpoints")


def measured_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """What decides how the checkpoints of a suite are read."""
    definition = config["suites"][suite]
    kept = _part(definition, "source", "dtype", "first_token", "bad_checkpoints")
    return kept | {"tokens_per_step": tokens_per_step(definition)}


def measuring_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """The section `metrics` as it holds for a suite, without what does not change a number."""
    kept = {key: value for key, value in config["metrics"].items() if key not in ("memory_mb", "threads")}
    return kept | _part(config["suites"][suite], "sequence_length")


def _part(definition: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: definition[key] for key in keys if key in definition}


def suite_tokens(config: dict[str, Any], suite: str, kind: str) -> list[str]:
    """The token files, of a kind (their suffix), of the text that a suite is trained or measured on."""
    definition = config["suites"][suite]
    return token_paths(config, definition["corpus"], definition["tokenizer"], kind)


def word_tokens(config: dict[str, Any], suite: str, kind: str) -> list[str]:
    """The token files of the text whose words' perplexity is measured; none if the config names none."""
    words = config["metrics"]["word_perplexity"]
    return token_paths(config, words["corpus"], config["suites"][suite]["tokenizer"], kind) if words else []


def word_texts(config: dict[str, Any]) -> list[str]:
    """That text itself."""
    words = config["metrics"]["word_perplexity"]
    return [f"<results>/corpus/text/{words['corpus']}/{shard}.parquet" for shard in _shards(config)] if words else []


def token_paths(config: dict[str, Any], corpus: str, tokenizer: str, kind: str) -> list[str]:
    """The token files, of a kind (their suffix), of a corpus and tokenizer."""
    return [f"<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.{kind}" for shard in _shards(config)]


def _shards(config: dict[str, Any]) -> list[str]:
    return [str(number) for number in range(config["ngrams"]["shards"])]


def suite_tokenizer(config: dict[str, Any], suite: str) -> str:
    """The tokenizer.json of a suite."""
    return f"<results>/corpus/tokenizers/{config['suites'][suite]['tokenizer']}.json"


def suite_audit(config: dict[str, Any], suite: str, model: str) -> list[str]:
    """The audit of a model; none if it is trained here."""
    trained = config["suites"][suite]["source"] == "train"
    return [] if trained else [f"<results>/checkpoints/{suite}/{model}/audit.parquet"]


def suite_tables(config: dict[str, Any], suite: str, table: str) -> list[str]:
    """A table of every span of every model of a suite."""
    return [
        f"<results>/metrics/{suite}/{model}/{span}/{table}.parquet"
        for model in suite_models(config, suite)
        for span in suite_spans(config, suite)
    ]


def measured_tables(config: dict[str, Any], table: str) -> list[str]:
    """A table of every span of every model of every suite that is measured."""
    return [path for suite in config["checkpoints"]["suites"] for path in suite_tables(config, suite, table)]


def suite_files(config: dict[str, Any], suite: str, model: str) -> list[str]:
    """The files of a model's checkpoints that lie on disk; none for those of the hub, none if the audit will fail."""
    definition = config["suites"][suite]
    if definition["source"] != "local":
        return []
    try:
        folders = match_folders(definition["path"].replace("{model}", model), 0)
    except InputError:  # which stops the audit of this model, and no other job
        return []
    return [str(file) for folder in folders.values() for file in folder_files(folder)]


def head_models(config: dict[str, Any]) -> list[list[str]]:
    """Suite and model of each trunk that heads are trained on."""
    return [name.split("/") for name in config["heads"]["models"]]


def head_texts(config: dict[str, Any]) -> list[dict[str, str]]:
    """The corpus and tokenizer that those models read."""
    return [config["suites"][suite] for suite, _ in head_models(config)]


SHARED = ("device", "precision", "seed", "trunk_batch_size")
SAMPLED = (*SHARED, "held_out_tokens")
SWEPT = (*SHARED, "starts", "learning_rates", "tokens", "batch_size")


def held_out_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """What decides the held-out sample that a suite's heads are judged on."""
    return _heads_of(config, suite, SAMPLED)


def swept_of(config: dict[str, Any], suite: str) -> dict[str, Any]:
    """What decides how a suite's heads learn, but for their ranks."""
    return _heads_of(config, suite, SWEPT)


def bounded_of(config: dict[str, Any]) -> dict[str, Any]:
    """What decides which heads are cut, and to which rank."""
    return _part(config["heads"], "device", "ranks", "refit_iterations")


def _heads_of(config: dict[str, Any], suite: str, keys: tuple[str, ...]) -> dict[str, Any]:
    length = config["suites"][suite].get("sequence_length", config["metrics"]["sequence_length"])
    return {"sequence_length": length} | _part(config["heads"], "sequence_length", *keys)


def head_jobs(config: dict[str, Any]) -> list[str]:
    """The numbers of the jobs that the ranks of a model are shared out to."""
    return [str(number) for number in range(min(config["heads"]["jobs"], len(config["heads"]["ranks"])))]


def ranks_of(config: dict[str, Any], job: str) -> list[int]:
    """The ranks of one of these jobs, so that all take about as long.

    The first job has the unfactored heads beside its ranks. The greatest rank goes to the job with least to do, and so
    on; a head takes as long as its rank and softmax, which is worth some 20 ranks.
    """
    ranks, jobs = sorted(config["heads"]["ranks"], reverse=True), head_jobs(config)
    work = {one: ranks[0] * (one == "0") for one in jobs}
    shares: dict[str, list[int]] = {one: [] for one in jobs}
    for rank in ranks:
        least = min(jobs, key=lambda one: work[one])
        shares[least].append(rank)
        work[least] += rank + 20
    return sorted(shares[job])


def final_step(config: dict[str, Any], suite: str) -> int | None:
    """The last step of a suite; None if that is to be seen on disk."""
    steps = steps_of(config["suites"][suite])
    return steps[-1] if steps else None


def final_span(config: dict[str, Any], suite: str, model: str) -> str:
    """The folder of the span that holds it."""
    return f"<results>/checkpoints/{suite}/{model}/{suite_spans(config, suite)[-1]}"


def head_tables(config: dict[str, Any], table: str) -> list[str]:
    """A table of every job of the sweep of every model."""
    return [
        f"<results>/heads/{suite}/{model}/{job}/{table}.parquet"
        for suite, model in head_models(config)
        for job in head_jobs(config)
    ]


MADE_TASKS = ["cloze", "next_sentence"]  # of held-out text; others are the harness's
ASKED = ("batch_size", "device", "limit", "num_fewshot")


def asked_of(config: dict[str, Any]) -> dict[str, Any]:
    """What decides how a checkpoint is asked."""
    return _part(config["abilities"], *ASKED)


def asked_steps(config: dict[str, Any]) -> list[int] | None:
    """The steps whose checkpoints are asked; None for all."""
    steps = config["abilities"]["steps"]
    return None if steps == "all" else listed_steps(steps)


def made_items(config: dict[str, Any]) -> dict[str, Any]:
    """What decides the items of the tasks that are made here."""
    return _part(config["abilities"], "items", "context", "seed")


def asked_tasks(config: dict[str, Any]) -> list[str]:
    """The tasks of the harness that can be had: without its file, StoryCloze is left out."""
    abilities = config["abilities"]
    named = [task for task in abilities["tasks"] if task not in MADE_TASKS]
    return [task for task in named if abilities["storycloze"] or not task.startswith("storycloze")]


def task_folders(config: dict[str, Any], suite: str) -> list[str]:
    """The folders of the tasks that a suite is asked."""
    made = [task for task in config["abilities"]["tasks"] if task in MADE_TASKS]
    return [
        *(f"<results>/abilities/tasks/{suite}/{task}" for task in made),
        *(f"<results>/abilities/data/{task}" for task in asked_tasks(config)),
    ]


def ability_tables(config: dict[str, Any], table: str) -> list[str]:
    """A table of every span of every model that is asked."""
    return [
        f"<results>/abilities/{suite}/{model}/{span}/{table}.parquet"
        for suite in config["abilities"]["suites"]
        for model in suite_models(config, suite)
        for span in suite_spans(config, suite)
    ]
