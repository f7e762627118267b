"""Typed options: the pydantic base of every section of the configuration, and the types that sections share.

An option is declared once: its type, its range, its default and one line that says what it is. The error that a user
sees is one line: key, value, what is allowed.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema

from lm_saturation.errors import InputError

Kind = TypeVar("Kind", bound="Section")


class Section(BaseModel):
    """Options that belong together. Unknown keys, and values of another type, are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        validate_default=True,
        defer_build=True,  # until first used: Snakemake starts faster
    )

    @classmethod
    def of(cls, values: Any) -> Self:
        """The section that a mapping describes. Raises InputError: one line with key, value, what is allowed."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(one_line(error, values)) from error

    def part(self, kind: type[Kind], **others: Any) -> Kind:
        """The options of `kind`: those that have the same name here, and `others`.

        A job gets the part that its numbers depend on, so that no other option runs it again.
        """
        here = {name: getattr(self, name) for name in kind.model_fields if name not in others and hasattr(self, name)}
        return kind.model_construct(**here, **others)

    def plain(self) -> dict[str, Any]:
        """The options that are set, for a record: sorted, without those that are None."""
        return _sorted(self.model_dump(exclude_none=True))

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        """Refuse a key that is no option, with the one that was meant."""
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                known = sorted(cls.model_fields)
                raise refused(f".{_dotted([key])}: unknown key{suggestion(key, known)}; allowed: {', '.join(known)}")
        return values


def _sorted(values: Any) -> Any:
    return {key: _sorted(values[key]) for key in sorted(values)} if isinstance(values, dict) else values


def option(default: Any, description: str, **bounds: Any) -> Any:
    """A field of a section: its default (... if it must be named), what it is, its bounds as pydantic calls them."""
    return Field(default, description=description, **bounds)


def refused(message: str) -> PydanticCustomError:
    """An error of a validator, said in its own words. They follow the key: " is ...", ".steps ..." or "[0] ..."."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def allowed(text: str) -> WrapValidator:
    """Say in an error that `text` is allowed, where the type alone would not tell."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            for part in error.errors():
                if part["type"] == "refused":
                    raise refused(part["msg"]) from error
            raise PydanticCustomError("allowed", "{text}", {"text": text}) from error

    return WrapValidator(check)


@dataclass(frozen=True)
class Different:
    """Refuses a list that holds a value twice, or fewer than `minimum` values."""

    what: str
    minimum: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"uniqueItems": True} | ({"minItems": self.minimum} if self.minimum else {})

    def _check(self, values: list[Any]) -> list[Any]:
        if len(values) < self.minimum or any(value in values[:place] for place, value in enumerate(values)):
            raise PydanticCustomError("allowed", "{text}", {"text": f"a list of different {self.what}"})
        return values


def suggestion(word: Any, known: Iterable[Any]) -> str:
    """What to say of a word that is close to one of those known."""
    close = difflib.get_close_matches(str(word), [*map(str, known)], n=1)
    return f", did you mean {close[0]}?" if close else ""


TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "string_too_short": "length at least {min_length}",
    "string_too_long": "length at most {max_length}",
    "too_short": "length at least {min_length}",
}


def one_line(error: ValidationError, values: Any) -> str:
    """The first error, by key, in one line: key, value, what is allowed."""
    lines = [(_place(part, values), part) for part in error.errors(include_url=False)]
    (place, value), part = min(lines, key=lambda line: [*map(str, line[0][0])])
    key, kind, context = _dotted(place), part["type"], part.get("ctx", {})
    if kind == "refused":
        message = part["msg"]
        return f"{key if place else ''}{'' if message.startswith(('.', '[')) or not place else ' '}{message}".lstrip(
            "."
        )
    if kind == "missing":
        return f"{key} is missing"
    if kind == "union_tag_not_found":
        return f"{_dotted([*place, context['discriminator'].strip(chr(39))])} is missing"
    if part["loc"][-1:] == ("[key]",):
        return f"{_dotted(place[:-1])}: {place[-1]!r} is not a name; allowed: {context['text']}"
    if kind in ("literal_error", "union_tag_invalid"):
        known = re.findall(r"'([^']*)'", context.get("expected", context.get("expected_tags", "")))
        if kind == "union_tag_invalid":
            key, value = _dotted([*place, context["discriminator"].strip("'")]), context["tag"]
        return f"{key} is {_shown(value)}{suggestion(value, known)}; allowed: {', '.join(known)}"
    text = context["text"] if kind == "allowed" else TYPES.get(kind) or BOUNDS.get(kind, part["msg"]).format(**context)
    return f"{key} is {_shown(value)}; allowed: {text}{_yaml_hint(kind, value, text)}"


def _yaml_hint(kind: str, value: Any, text: str) -> str:
    """What to write where YAML made another type of a value than was meant: 1e-3 is a text, no is false."""
    if isinstance(value, str) and kind in ("float_type", "int_type"):
        if not re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
            return ""
        if kind == "int_type":
            return f"; write {float(value):.0f}" if float(value).is_integer() else ""
        mantissa, exponent = value.lower().split("e")
        return f"; write {mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent):+d}"
    texts = kind == "string_type" or text.startswith("letters")
    return "; put it in quotes" if texts and isinstance(value, bool | int | float) else ""


def _place(part: ErrorDetails, values: Any) -> tuple[list[Any], Any]:
    """The keys that lead to the value of an error, and that value: pydantic's path less the names of alternatives."""
    place: list[Any] = []
    for key in part["loc"]:
        inside = isinstance(values, Mapping) and key in values
        if inside or (isinstance(values, list) and isinstance(key, int) and key < len(values)):
            place.append(key)
            values = values[key]
        elif part["type"] == "missing" and key == part["loc"][-1]:
            place.append(key)
    return place, values


def _dotted(place: Iterable[Any]) -> str:
    text = ""
    for key in place:
        text += f"[{key}]" if isinstance(key, int) else f".{key if str(key).isprintable() else repr(key)}"
    return text.lstrip(".") or "the config"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64),
    allowed("letters, digits, - and _, beginning with a letter or digit, at most 64 of them"),
]
ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64),
    allowed("letters, digits, ., - and _, beginning with a letter or digit, at most 64 of them"),
]
Folder = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$"),
    allowed("a folder below this one, of letters, digits, - and _; elsewhere with --directory"),
]
Repository = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=96),
    allowed("owner/name, as on the hub"),
]
Revision = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"), allowed("a commit, branch or tag")]
Text = Annotated[str, Field(min_length=1)]
OptionalPath = Annotated[
    Text | None, AfterValidator(lambda path: path and str(Path(path).expanduser())), allowed("null, or a path")
]
Names = Annotated[list[str], Different("names")]
AnyNames = Annotated[list[str], Different("names", minimum=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Seeds = Annotated[list[Seed], Different("whole numbers from 0")]
Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]


class JobOptions(Section):
    """What a job takes of the machine; no number depends on it, but for the last digits on `threads`."""

    threads: int = option(1, "threads of a job; the last digits depend on it", ge=1)
    memory_mb: int = option(4000, "memory of a job, MB; from 1000", ge=1000)
