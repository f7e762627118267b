"""config.yaml, the models and the JSON schema for editors say the same of every key: value, range and description."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from lm_saturation.config.schema import config_schema
from tests.config.defaults import CONFIG, changed, error_of
from tests.conftest import ROOT

SCHEMA = config_schema()
FILES = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
MODE_LINE = "# yaml-language-server: $schema="
KEY = re.compile(r"(?P<indent> *)(?P<key>[^\s:#]+):")
NAMED = ("corpora", "tokenizers", "suites")  # sections of entries that a user names
RANGES = [
    (r"\bfrom (\d+)", ("minimum",)),
    (r"\bat most (\d+)", ("maximum",)),
    (r"\babove (\d+)", ("exclusiveMinimum",)),
    (r"\b(\d+) to (\d+)", ("minimum", "maximum")),
    (r"\bbetween (\d+) and (\d+)", ("exclusiveMinimum", "exclusiveMaximum")),
]
UNSAID = {("minimum", 0), ("minimum", 1), ("maximum", 2**32 - 1), ("maximum", 2**32)}  # need not be said


def test_the_schema_is_up_to_date():
    """Run python -m lm_saturation.config.schema > schemas/config.schema.json."""
    assert json.loads((ROOT / "schemas" / "config.schema.json").read_text()) == SCHEMA
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_config_files_name_the_schema_and_fit_it(file):
    text = file.read_text()
    first = text.splitlines()[0]
    assert first.startswith(MODE_LINE)
    assert (file.parent / first.removeprefix(MODE_LINE)).resolve() == ROOT / "schemas" / "config.schema.json"
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ngrms", {}),
        ("ngrams/sampel_size", 5),
        ("ngrams/order", 6),
        ("ngrams/sample_size", "al"),
        ("ngrams/seeds", [1, 1]),
        ("ngrams/tokenizers", []),
        ("held_out/share", 1),
        ("corpora/..", {"source": "python-docs"}),
        ("corpora/x", {"source": "locla"}),
        ("corpora/x", {"source": "python-docs", "paths": ["a"]}),
        ("tokenizers/bpe-4k/algorithm", "bpe"),
        ("suites/mini/steps", []),
        ("suites/mini/steps", "all"),
        ("suites/mini/steps", [{"first": 1, "lst": 2}]),
        ("suites/mini/models/d64/heads", 1),
        ("abilities/steps", "al"),
        ("abilities/limit", 1),
        ("tied/training/remedies", ["swapp"]),
        ("report/published/bpe-4k", "gpt2"),
        ("pathvars/results", "../x"),
    ],
)
def test_editors_mark_what_is_refused(path, value):
    config = changed(path, value)
    assert error_of(config)
    assert not Draft202012Validator(SCHEMA).is_valid(config)


def test_every_option_is_described():
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    options = [(part, name, option) for part in parts for name, option in part["properties"].items()]
    assert [name for _, name, option in options if name != "source" and not option.get("description")] == []


def commented(text):
    """Every key of config.yaml with its comment, which is '' if it has none."""
    place = []
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            definition, _, comment = line.partition("  # ")
            match = KEY.match(definition)
            place = [*place[: len(match["indent"]) // 2], match["key"]]
            yield tuple(place), comment


COMMENTS = dict(commented((ROOT / "config.yaml").read_text()))


def resolved(node):
    """A part of the schema, and what it refers to."""
    return SCHEMA["$defs"][node["$ref"].split("/")[-1]] | node if "$ref" in node else node


def option_at(path):
    """What the schema says of the key at a path of config.yaml."""
    node, value = SCHEMA, CONFIG
    for key in path:
        node, value = resolved(node), value[key]
        if key in node.get("properties", {}):
            node = node["properties"][key]
        else:
            node = (
                next(iter(node["patternProperties"].values()))
                if "patternProperties" in node
                else node["additionalProperties"]
            )
        if kinds := [resolved(kind) for kind in node.get("anyOf", ()) if "$ref" in kind]:
            node = next((kind for kind in kinds if _is_of_kind(value, kind)), node)
    return resolved(node)


def _is_of_kind(value, kind):
    source = kind["properties"].get("source", {}).get("const")
    return isinstance(value, dict) and source == value.get("source")


def bounds(node):
    """The bounds of numbers in an option: its own and those of what a list, mapping or alternative holds."""
    node = resolved(node)
    inside = [node.get("items"), node.get("additionalProperties"), *node.get("anyOf", ())]
    own = {(name, node[name]) for _, names in RANGES for name in names if name in node}
    return own.union(
        *(bounds(part) for part in inside if isinstance(part, dict) and "properties" not in resolved(part))
    )


def literals(node):
    """The words that an option may be, or that it may hold."""
    inside = [node.get("items"), node.get("additionalProperties")]
    return {*node.get("enum", ())}.union(*(literals(part) for part in inside if isinstance(part, dict)))


def test_every_key_has_a_comment():
    bare = {path for path, comment in COMMENTS.items() if not comment}
    assert bare == {("suites", "mini"), *(("tokenizers", name) for name in CONFIG["tokenizers"])}
    assert {path[0] for path in COMMENTS} == set(CONFIG)


@pytest.mark.parametrize("path", COMMENTS, ids=".".join)
def test_every_key_is_an_option(path):
    option = option_at(path)
    value = CONFIG
    for key in path:
        value = value[key]
    if path[0] not in NAMED and "default" in option and "properties" not in option:
        assert option["default"] == value


def is_about_the_option(path):
    """Whether the comment at a key is about the option, not about an entry that the user named."""
    entry = ("suites", "mini") if path[0] == "suites" else ("tokenizers", "bpe-4k")
    if path[:2] == ("report", "published"):
        return len(path) == 2
    return path[0] not in NAMED or len(path) == 1 or (path[:2] == entry and len(path) == 3 and path[2] != "source")


DESCRIBED = [path for path in COMMENTS if is_about_the_option(path)]


@pytest.mark.parametrize("path", DESCRIBED, ids=".".join)
def test_the_comment_is_the_description(path):
    assert option_at(path)["description"] == COMMENTS[path]


OPTIONS = {
    f"{kind}.{name}": option for kind, part in SCHEMA["$defs"].items() for name, option in part["properties"].items()
}


@pytest.mark.parametrize("name", OPTIONS)
def test_descriptions_say_ranges_as_they_are(name):
    option = OPTIONS[name]
    said = {
        (bound, int(number))
        for pattern, names in RANGES
        for match in re.finditer(pattern, option.get("description", ""))
        for bound, number in zip(names, match.groups(), strict=True)
    }
    assert said <= bounds(option)
    assert bounds(option) - UNSAID <= said


@pytest.mark.parametrize("name", OPTIONS)
def test_descriptions_name_what_can_be_chosen(name):
    description = OPTIONS[name].get("description", "")
    missing = {word for word in literals(OPTIONS[name]) if not re.search(rf"\b{re.escape(word)}\b", description)}
    assert not missing or "tied.remedies" in description or name == "TiedConfig.remedies"
