"""What the config says: whether it is valid, and which jobs follow from it."""

import codecs
import difflib
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from scripts.common.jobs import InputError
from scripts.corpus.local_files import find_files
from scripts.corpus.synthetic import SyntheticLanguage

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
# JSON Schema takes 5.0 for an integer; a range, a file name or a seed does not.
WHOLE = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
Validator = validators.extend(Draft202012Validator, type_checker=WHOLE)
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
    errors = sorted(Validator(_schema()).iter_errors(config), key=lambda error: [*map(str, error.path)])
    return _one_line(errors[0]) if errors else None


@cache
def _schema() -> dict[str, Any]:
    return yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))


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
        elif not Path(definition["path"]).is_file():
            raise InputError(f"tokenizers.{name}.path is {definition['path']!r}; there is no such file")
    ngrams = config["ngrams"]
    _check_names("ngrams.corpora", ngrams["corpora"], config["corpora"])
    _check_names("ngrams.tokenizers", ngrams["tokenizers"], config["tokenizers"])
    _check_names("ngrams.controls.tokenizers", ngrams["controls"]["tokenizers"], config["tokenizers"])
    _check_names("report.published", config["report"]["published"], config["tokenizers"])


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


def synthetic_corpora(config: dict[str, Any]) -> list[str]:
    """The corpora that are no natural text."""
    return [name for name, definition in config["corpora"].items() if definition["source"] == "synthetic"]


def ngram_samples(config: dict[str, Any], figure: str) -> list[dict[str, str]]:
    """The samples that `figure_7` or its `controls` show: corpus, tokenizer and sample size of each."""
    ngrams = config["ngrams"]
    chosen = {"tokenizers": ngrams["tokenizers"], "sample_sizes": [ngrams["sample_size"]]}
    if figure == "controls":
        chosen = ngrams["controls"]
    return [
        {"corpus": corpus, "tokenizer": tokenizer, "sample_size": str(size)}
        for corpus in ngrams["corpora"]
        for tokenizer in chosen["tokenizers"]
        for size in chosen["sample_sizes"]
    ]


def sample_seeds(config: dict[str, Any], sample_size: str) -> list[int]:
    """The seeds to draw a sample of that size with: all of them at the size of figure 7, one at other sizes."""
    seeds = config["ngrams"]["seeds"]
    replicated = sample_size == str(config["ngrams"]["sample_size"]) and sample_size != "all"
    return seeds if replicated else seeds[:1]
