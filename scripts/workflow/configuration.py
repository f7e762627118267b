"""What the config says: whether it is valid, and which jobs follow from it."""

import codecs
import copy
import difflib
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from scripts.common.jobs import InputError
from scripts.corpus.local_files import find_files
from scripts.corpus.synthetic import SyntheticLanguage
from scripts.workflow.suites import check_suite, head_texts, suite_models, task_folders
from scripts.workflow.tied import check_tied, tied_text

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
# JSON Schema takes 5.0 for an integer; a range, a file name or a seed does not.
WHOLE = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
Validator = validators.extend(Draft202012Validator, type_checker=WHOLE)
MOST_VALUES = 100_000
TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def schema_error(config: dict[str, Any]) -> str | None:
    """The config's first breach of its schema in one line: key, value, what is allowed. None if there is none."""
    if _values(config) > MOST_VALUES:
        return f"the config holds more than {MOST_VALUES:,} values; are there YAML aliases of aliases in it?"
    errors = sorted(Validator(_schema()).iter_errors(config), key=lambda error: [*map(str, error.path)])
    return _one_line(errors[0]) if errors else None


def _values(config: Any) -> int:
    """How many values a config holds, as far as it is worth counting; aliases make them more than the file's."""
    waiting, count = [config], 0
    while waiting and count <= MOST_VALUES:
        value = waiting.pop()
        count += 1
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return count


def fill_defaults(config: dict[str, Any]) -> None:
    """Add the keys that a valid config leaves out and for which the schema has a default, in place.

    As Snakemake's `validate` does, which reads the schema anew: a tenth of the time that Snakemake takes to start.
    """
    for _ in Filling(_schema()).iter_errors(config):
        pass


def _fill(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for name, below in properties.items():
        if "default" in below and isinstance(instance, dict):
            instance.setdefault(name, copy.deepcopy(below["default"]))
    yield from Validator.VALIDATORS["properties"](validator, properties, instance, schema)


Filling = validators.extend(Validator, {"properties": _fill})


@cache
def _schema() -> dict[str, Any]:
    return yaml.load(SCHEMA_FILE.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _one_line(error: ValidationError) -> str:
    key = _dotted(error.path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = next(name for name in error.instance if name not in known)
        return f"{_dotted([*error.path, unknown])}: unknown key{_suggest(unknown, known)}; allowed: {', '.join(known)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{_dotted([*error.path, missing])} is missing"
    if "propertyNames" in error.schema_path:
        return f"{key}: {error.instance!r} is not a name; allowed: {error.schema.get('allowed')}"
    suggestion = _suggest(error.instance, error.validator_value) if error.validator == "enum" else ""
    return f"{key} is {_shown(error.instance)}{suggestion}; allowed: {_allowed(error)}"


def _allowed(error: ValidationError) -> str:
    rule, value = error.validator, error.validator_value
    if "allowed" in error.schema:
        return str(error.schema["allowed"])
    if rule == "enum":
        return ", ".join(map(str, value))
    if rule == "type":
        return TYPE_NAMES[value]
    bounds = {"minimum": "at least", "maximum": "at most", "minLength": "length at least", "minProperties": "at least"}
    return f"{bounds.get(str(rule), rule)} {value}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _dotted(path: Iterable[Any]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part if str(part).isprintable() else repr(part)}"
    return text.lstrip(".") or "the config"


def _suggest(word: Any, known: Iterable[Any]) -> str:
    close = difflib.get_close_matches(str(word), [*map(str, known)], n=1)
    return f", did you mean {close[0]}?" if close else ""


def sort_keys(config: dict[str, Any]) -> None:
    """Bring the keys of a config and of all mappings in it into alphabetical order, in place."""
    for key in sorted(config):
        config[key] = config.pop(key)
        if isinstance(config[key], dict):
            sort_keys(config[key])


def reference_error(config: dict[str, Any]) -> str | None:
    """In one line, the first name, file or encoding in the config that does not exist. It has its defaults by now."""
    try:
        _check_references(config)
    except InputError as error:
        return str(error)
    return None


def _check_references(config: dict[str, Any]) -> None:
    for name, definition in config["corpora"].items():
        _check_corpus(f"corpora.{name}", definition)
    for name, definition in config["tokenizers"].items():
        if definition["source"] == "train":
            _check_names(f"tokenizers.{name}.corpora", definition["corpora"], config["corpora"])
        elif definition["source"] == "local" and not Path(definition["path"]).is_file():
            raise InputError(f"tokenizers.{name}.path is {definition['path']!r}; there is no such file")
    ngrams = config["ngrams"]
    _check_names("ngrams.corpora", ngrams["corpora"], config["corpora"])
    _check_names("ngrams.tokenizers", ngrams["tokenizers"], config["tokenizers"])
    _check_names("ngrams.controls.tokenizers", ngrams["controls"]["tokenizers"], config["tokenizers"])
    if ngrams["cross_documents"] and ngrams["shards"] > 1:
        raise InputError(f"ngrams.cross_documents is true with {ngrams['shards']} ngrams.shards; allowed: one shard")
    for name, definition in config["suites"].items():
        _check_names(f"suites.{name}.corpus", [definition["corpus"]], config["corpora"])
        _check_names(f"suites.{name}.tokenizer", [definition["tokenizer"]], config["tokenizers"])
        check_suite(f"suites.{name}", definition)
    _check_names("checkpoints.suites", config["checkpoints"]["suites"], config["suites"])
    if words := config["metrics"]["word_perplexity"]:
        _check_names("metrics.word_perplexity.corpus", [words["corpus"]], config["corpora"])
    models = [f"{suite}/{model}" for suite in config["suites"] for model in suite_models(config, suite)]
    _check_names("heads.models", config["heads"]["models"], models)
    _check_names("scaling.suites", config["scaling"]["suites"], config["checkpoints"]["suites"])
    _check_names("scaling.fit_from", config["scaling"]["fit_from"], config["scaling"]["suites"])
    _check_abilities(config)
    _check_names("tied.training.corpus", [config["tied"]["training"]["corpus"]], config["corpora"])
    _check_names("tied.training.tokenizer", [config["tied"]["training"]["tokenizer"]], config["tokenizers"])
    check_tied(config)
    _check_names("report.published", config["report"]["published"], config["tokenizers"])


def _check_abilities(config: dict[str, Any]) -> None:
    abilities = config["abilities"]
    _check_names("abilities.suites", abilities["suites"], config["checkpoints"]["suites"])
    for number, step in enumerate(abilities["steps"] if abilities["steps"] != "all" else []):
        if isinstance(step, dict) and step["first"] > step["last"]:
            raise InputError(
                f"abilities.steps[{number}] runs from {step['first']} to {step['last']}; allowed: first <= last"
            )
    if abilities["suites"] and not [task for suite in abilities["suites"] for task in task_folders(config, suite)]:
        raise InputError("abilities.tasks holds no task that can be asked; allowed: tasks, or no abilities.suites")
    for key, exists in (("storycloze", Path.is_file), ("pythia_checkout", Path.is_dir)):
        if abilities[key] is not None and not exists(Path(abilities[key])):
            raise InputError(f"abilities.{key} is {abilities[key]!r}; there is nothing of that name")


def _check_corpus(key: str, definition: dict[str, Any]) -> None:
    try:
        if definition["source"] == "synthetic":
            SyntheticLanguage(definition["vocabulary_size"], definition["rank"])
        if definition["source"] == "local":
            codecs.lookup(definition["encoding"])
            find_files(definition["paths"])
    except (ValueError, LookupError, InputError) as error:
        raise InputError(f"{key}: {error}") from error


def _check_names(key: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{key} names {name!r}{_suggest(name, known)}; allowed: {', '.join(known)}")


def corpus_files(config: dict[str, Any], corpus: str) -> list[str]:
    """The files that the corpus is read from; none for corpora that are not on disk."""
    definition = config["corpora"][corpus]
    return find_files(definition["paths"]) if definition["source"] == "local" else []


def corpus_python(config: dict[str, Any], corpus: str) -> str | None:
    """The version of Python, for corpora that are its own text."""
    return platform.python_version() if config["corpora"][corpus]["source"].startswith("python-") else None


def corpus_shards(config: dict[str, Any]) -> list[str]:
    """The parts that each corpus is read and tokenised in."""
    return [str(number) for number in range(config["ngrams"]["shards"])]


def from_hub(config: dict[str, Any], section: str) -> str:
    """A regular expression for the names of the `corpora` or `tokenizers` that come from the hub."""
    names = [name for name, definition in config[section].items() if definition["source"] == "hub"]
    return "|".join(names) or "(?!)"  # which nothing matches


def synthetic_corpora(config: dict[str, Any]) -> list[str]:
    """The corpora that are no natural text."""
    return [name for name, definition in config["corpora"].items() if definition["source"] == "synthetic"]


def ngram_samples(config: dict[str, Any], use: str) -> list[dict[str, str]]:
    """The samples of a use: `figure_7`, its `controls`, or the `smoothed` control among them.

    Corpus, tokenizer, order and sample size of each.
    """
    ngrams, controls = config["ngrams"], config["ngrams"]["controls"]
    samples = [(ngrams["order"], ngrams["sample_size"])]
    if use == "controls":
        samples += [(ngrams["order"], size) for size in controls["sample_sizes"]]
        samples += [(order, ngrams["sample_size"]) for order in controls["orders"]]
    return [
        {"corpus": corpus, "tokenizer": tokenizer, "order": str(order), "sample_size": str(size)}
        for corpus in ngrams["corpora"]
        for tokenizer in (ngrams if use == "figure_7" else controls)["tokenizers"]
        for order, size in dict.fromkeys(samples)
    ]


def language_models(config: dict[str, Any]) -> list[dict[str, str]]:
    """The corpus and tokenizer of each language model: every one of figure 7, its controls and the suites."""
    samples = ngram_samples(config, "figure_7") + ngram_samples(config, "controls")
    samples += [config["suites"][suite] for suite in config["checkpoints"]["suites"]]
    pairs = dict.fromkeys((sample["corpus"], sample["tokenizer"]) for sample in samples)
    return [{"corpus": corpus, "tokenizer": tokenizer} for corpus, tokenizer in pairs]


def texts_used(config: dict[str, Any]) -> list[dict[str, str]]:
    """The corpus and tokenizer of each text that any result comes from."""
    words = config["metrics"]["word_perplexity"]
    suites = [config["suites"][suite] for suite in config["checkpoints"]["suites"]] if words else []
    pairs = [(model["corpus"], model["tokenizer"]) for model in (*language_models(config), *head_texts(config))]
    pairs += [(text["corpus"], text["tokenizer"]) for text in tied_text(config)]
    pairs += [(words["corpus"], suite["tokenizer"]) for suite in suites]
    return [{"corpus": corpus, "tokenizer": tokenizer} for corpus, tokenizer in dict.fromkeys(pairs)]


def count_partitions(config: dict[str, Any], sample_size: str) -> list[str]:
    """The partitions that counts lie in: as many as shards if all of a corpus is counted, one for a sample."""
    return [str(number) for number in range(config["ngrams"]["shards"] if sample_size == "all" else 1)]


def counted_at_once(config: dict[str, Any]) -> str:
    """A regular expression for the sample sizes that are counted from token files; others are merged from shards."""
    return r"\d+" if config["ngrams"]["shards"] > 1 else r"\d+|all"


def sample_seeds(config: dict[str, Any], order: str, sample_size: str) -> list[int]:
    """The seeds to draw a sample with: all of them for n-grams as in figure 7, one for others."""
    ngrams = config["ngrams"]
    replicated = (order, sample_size) == (str(ngrams["order"]), str(ngrams["sample_size"])) and sample_size != "all"
    return ngrams["seeds"] if replicated else ngrams["seeds"][:1]


def matrix_variants(config: dict[str, Any], order: str) -> list[list[Any]]:
    """Weighting and least context count of each W: the paper's first, the controls only for n-grams as in figure 7."""
    ngrams = config["ngrams"]
    controls = [["count", 1], *(["unit", least] for least in ngrams["min_counts"])]
    return [["unit", 1], *(controls if order == str(ngrams["order"]) else [])]
