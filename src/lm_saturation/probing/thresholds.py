"""Thresholds that a user sets on readings: `logit_offset>100`."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lm_saturation.errors import InputError
from lm_saturation.options import suggestion
from lm_saturation.probing.readings import ALL
from lm_saturation.probing.references import short

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Threshold:
    """A reading that fails where it compares so with a number."""

    name: str
    comparison: str
    number: float

    @classmethod
    def of(cls, text: str) -> "Threshold":
        """Raises InputError if the text is not name, comparison, number, or there is no such reading."""
        match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\S+)\s*", text)
        if not match:
            raise InputError(f"--fail-if: {text!r}; allowed: a reading, one of > < >= <=, a number: logit_offset>100")
        name, comparison, number = match.groups()
        if name not in ALL:
            raise InputError(f"--fail-if: no reading {name}{suggestion(name, ALL)}; there are {', '.join(ALL)}")
        try:
            return cls(name, comparison, float(number))
        except ValueError as error:
            raise InputError(f"--fail-if: {text!r}; {number!r} is not a number") from error

    def failure(self, values: Mapping[str, float], where: str) -> str | None:
        """A line that says that a checkpoint's reading fails; None if it does not.

        Raises InputError if the reading was not measured there.
        """
        if self.name not in values:
            raise InputError(f"--fail-if: {self.name} was not measured ({where})")
        value = values[self.name]
        if not COMPARISONS[self.comparison](value, self.number):
            return None
        return f"{where}: {self.name} is {short(value)}, {self.comparison} {short(self.number)}"
