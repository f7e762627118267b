"""A training run on disk: its checkpoints so far, and the state from which a killed run resumes.

{folder}/checkpoints/step{n}/   checkpoints, each complete
{folder}/state.pt               step, weights, optimizer, log; and the fingerprint of what decides them
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from lm_saturation.training.resume import read_state, write_state


@dataclass
class TrainingState:
    """The state of a training after `step` updates; `rows` are those of the table `training_log` so far."""

    step: int = -1
    model: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)


class ResumableRun:
    """The folder of a run. What a run of another fingerprint left there is discarded."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self.checkpoints, self.state_file = folder / "checkpoints", folder / "state.pt"

    def restore(self, steps: list[int]) -> TrainingState:
        """The last state that was kept, or an empty one (step -1).

        Checkpoints later than the state, half-written ones among them, are removed: training makes them again.
        """
        state = TrainingState(**(read_state(self.state_file, self.fingerprint) or {}))
        kept = [step for step in steps if step <= state.step]
        if not all((self.checkpoints / f"step{step}").is_dir() for step in kept):
            state, kept = TrainingState(), []
        if state.step < 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        for path in self.checkpoints.iterdir():
            if path.name not in {f"step{step}" for step in kept}:
                shutil.rmtree(path)
        return state

    def keep(self, model: PreTrainedModel, state: TrainingState) -> None:
        """Write the checkpoint, then the state. A kill at any instruction leaves the state before, or this one."""
        checkpoint = self.checkpoints / f"step{state.step}"
        partial = checkpoint.with_name(f".{checkpoint.name}.partial")
        try:
            model.save_pretrained(partial)
            partial.replace(checkpoint)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        write_state(self.state_file, self.fingerprint, vars(state))

    def finish(self, target: Path) -> None:
        """Move the checkpoints to the folder `target`, and remove the state."""
        shutil.rmtree(target, ignore_errors=True)
        self.checkpoints.replace(target)
        shutil.rmtree(self.folder)
