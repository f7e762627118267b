"""A probe every n steps in transformers' Trainer, logged by the trainer's own loggers.

trainer.add_callback(ProbeCallback(trainer, held_out_texts))
"""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lm_saturation.errors import InputError
from lm_saturation.probing.split_models import check_gathers, way_of_splitting
from lm_saturation.probing.watch import Watch

FILE = "probe.csv"


class ProbeCallback(TrainerCallback):
    """Measures before the first step, every n steps and after the last one, and leaves the training as it was.

    The numbers go where the trainer logs to (TensorBoard, Weights & Biases, its state), and to probe.csv in its output
    folder. Only the first process measures. A resumed training goes on with the same sample, and rows of steps that it
    does again are written anew.
    """

    def __init__(self, trainer: Any, texts: Any, tokenizer: Any = None, **options: Any) -> None:
        """`texts` as of `probe`; the tokenizer is the trainer's unless named; options as of `Watch` (`every=500`).

        Raises InputError if the model or the text cannot be measured.
        """
        self.trainer = trainer
        tokenizer = tokenizer or getattr(trainer, "processing_class", None)
        if tokenizer is None and _is_text(texts):
            raise InputError(
                "texts: text, and the trainer has no processing_class; allowed: name a tokenizer, or give ids"
            )
        options = {"csv": Path(trainer.args.output_dir) / FILE, **options}
        self.watch = Watch(trainer.model, tokenizer if _is_text(texts) else None, texts, **options)

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,
        **others: Any,
    ) -> None:
        """Measure a model that is not trained yet; a resumed training was measured before.

        Raises InputError if the trainer has split its parameters over processes in a way that is not gathered.
        """
        check_gathers(others["model"])
        if state.global_step == 0:
            self._measure(state, control, others["model"])

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,
        **others: Any,
    ) -> None:
        """Measure after every n steps, and after the last one."""
        if state.global_step % self.watch.options.every == 0 or state.global_step >= state.max_steps:
            self._measure(state, control, others["model"])

    def _measure(self, state: TrainerState, control: TrainerControl, model: Any) -> None:
        if not state.is_world_process_zero:
            if way_of_splitting(model):  # this process has a part of it
                self.watch.measure(model, state.global_step)
            return
        should_log = control.should_log
        if numbers := self.watch.measure(model, state.global_step):
            self.trainer.log(numbers)
        control.should_log = should_log  # which logging sets back, so that the trainer's own loss would be left out


def _is_text(texts: Any) -> bool:
    return isinstance(texts, str) or (isinstance(texts, list | tuple) and bool(texts) and isinstance(texts[0], str))
