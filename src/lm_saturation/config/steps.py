"""Steps of a training, as a configuration lists them, and those of a span."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from lm_saturation.options import Section, allowed, option, refused


class StepRange(Section):
    """The steps `first`, `first` + `every`, ... up to `last`."""

    first: int = option(..., "the first step", ge=0)
    last: int = option(..., "no step is beyond it", ge=0)
    every: int = option(..., "distance between two steps", ge=1)


def _listed(steps: list[Any]) -> list[int]:
    """The steps in order, each once."""
    listed: set[int] = set()
    for place, step in enumerate(steps):
        if isinstance(step, int):
            listed.add(step)
            continue
        if step.first > step.last:
            raise refused(f"[{place}] runs from {step.first} to {step.last}; allowed: first <= last")
        listed.update(range(step.first, step.last + 1, step.every))
    return sorted(listed)


MARK = "{step}"  # stands for the step in names of checkpoints
LISTED = "a list of steps and of {first, last, every}"
if TYPE_CHECKING:
    Steps = list[int]
    StepsOrAll = Literal["all"] | list[int]
else:
    Step = Annotated[Annotated[int, Field(ge=0)] | StepRange, allowed("a step, or {first, last, every}")]
    StepList = Annotated[list[Step], Field(min_length=1), AfterValidator(_listed)]
    Steps = Annotated[StepList, allowed(LISTED)]
    StepsOrAll = Annotated[Literal["all"] | StepList, allowed(f"all, or {LISTED}")]


class SpanSteps(Section):
    """The steps of a span: those listed, or where `steps` is None all there are from `first` to below `last`."""

    steps: list[int] | None
    first: int
    last: int | None

    def holds(self, step: int) -> bool:
        """Whether the step is in the span."""
        if self.steps is not None:
            return step in self.steps
        return self.first <= step and (self.last is None or step < self.last)

    def among(self, available: Iterable[int]) -> list[int]:
        """The steps of the span in order: those listed, be they available or not; else all that are available."""
        if self.steps is not None:
            return sorted(self.steps)
        return sorted(step for step in available if self.holds(step))
