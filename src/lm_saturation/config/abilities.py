"""Options of stage abilities: what checkpoints can do."""

from typing import Annotated

from pydantic import Field

from lm_saturation.config.steps import StepsOrAll
from lm_saturation.options import (
    AnyNames,
    Count,
    Device,
    Different,
    JobOptions,
    OptionalPath,
    Section,
    Seed,
    allowed,
    option,
)

TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"), allowed("a name of a task")]
Shots = Annotated[int, Field(ge=0, le=64)]
MADE_TASKS = ("cloze", "next_sentence")  # of held-out text; others are the harness's


class ItemOptions(Section):
    """The tasks that are made of held-out text."""

    items: int = option(400, "items of each task made here; from 2", ge=2)
    context: int = option(160, "maximum characters of a passage in tasks made here; from 60", ge=60)
    seed: Seed = option(0, "seed of the choice of items")


class EvaluationOptions(Section):
    """How a checkpoint is evaluated."""

    num_fewshot: Annotated[list[Shots], Different("whole numbers from 0 to 64")] = option(
        [0], "few-shot examples/item; 0 to 64"
    )
    limit: Annotated[Annotated[int, Field(ge=2)] | None, allowed("null, or a whole number from 2")] = option(
        None, "items of each task that are used, from 2; null: all"
    )
    batch_size: Count = option(16, "requests/batch; from 1")
    device: Device = option("cpu", "cpu or cuda")


class AbilitiesConfig(ItemOptions, EvaluationOptions, JobOptions):
    """Evaluations by lm-evaluation-harness, beside the published ones of Pythia."""

    suites: AnyNames = option(["mini"], "suites whose checkpoints are evaluated; [] for none")
    steps: StepsOrAll = option(
        [0, 16, 64, {"first": 200, "last": 1000, "every": 200}], "steps whose checkpoints are evaluated, or all"
    )
    tasks: Annotated[list[TaskName], Different("names", 0)] = option(
        ["cloze", "next_sentence"],
        "cloze and next_sentence are made of held-out text; others are tasks of the harness",
    )
    storycloze: OptionalPath = option(
        None, "path of the CSV of StoryCloze's test set, which is released on request only; null: left out"
    )
    pythia_checkout: OptionalPath = option(
        None, "folder of a checkout of EleutherAI/pythia to read evaluations from; null: those shipped"
    )
    bootstraps: int = option(
        200, "bootstrap samples for intervals of tipping points and of pairs at equal loss; from 2", ge=2
    )

    @property
    def step_list(self) -> list[int] | None:
        """The steps whose checkpoints are evaluated; None for all."""
        return None if self.steps == "all" else self.steps

    @property
    def made_tasks(self) -> list[str]:
        """The tasks that are made of held-out text."""
        return [task for task in self.tasks if task in MADE_TASKS]

    @property
    def harness_tasks(self) -> list[str]:
        """The tasks of the harness that can be had: without its file, StoryCloze is left out."""
        named = [task for task in self.tasks if task not in MADE_TASKS]
        return [task for task in named if self.storycloze or not task.startswith("storycloze")]
