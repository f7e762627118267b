"""A training run on disk while it goes on: its checkpoints so far, and all that is needed to go on from the last.

{folder}/checkpoints/step{n}/   checkpoints, each whole
{folder}/state.pt               step, weights, optimizer, log; and the fingerprint of what decides them
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from scripts.common.resume import read_state, write_state


@dataclass
class State:
    """Where training stands after `step` updates; `rows` are those of the table `training_log` so far."""

    step: int = -1
    model: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)


class Unfinished:
    """The folder of a run. What another fingerprint left there is discarded."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self.checkpoints, self.state_file = folder / "checkpoints", folder / "state.pt"

    def restore(self, steps: list[int]) -> State:
        """The state to go on from: the last that was kept, or an empty one (step -1).

        Checkpoints later than the state, half-written ones among them, are removed: they are made again.
        """
        state = State(**(read_state(self.state_file, self.fingerprint) or {}))
        if any(not (self.checkpoints / f"step{step}").is_dir() for step in steps if step <= state.step):
            state = State()
        if state.step < 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        whole = {f"step{step}" for step in steps if step <= state.step}
        for left in self.checkpoints.iterdir():
            if left.name not in whole:
                shutil.rmtree(left)
        return state

    def keep(self, model: PreTrainedModel, state: State) -> None:
        """Write the checkpoint, then the state; a kill between any two instructions loses neither the one before."""
        whole = self.checkpoints / f"step{state.step}"
        partial = whole.with_name(f".{whole.name}.partial")
        try:
            model.save_pretrained(partial)
            partial.replace(whole)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        write_state(self.state_file, self.fingerprint, vars(state))

    def finish(self, target: Path) -> None:
        """Move the checkpoints to the folder `target`, and remove the rest."""
        shutil.rmtree(target, ignore_errors=True)
        self.checkpoints.replace(target)
        shutil.rmtree(self.folder)
