"""EleutherAI's lm-evaluation-harness (Gao et al. 2024, doi 10.5281/zenodo.12608602), through its Python API.

scorer = Scorer(load_tasks(folders, workspace), tokenizer, first_token, options)
evaluation = scorer.evaluate(model, num_fewshot=0)

The harness must not (docs/method/abilities.md): cache answers across checkpoints, for its cache is not keyed by model;
take the softmax in half precision; draw other few-shot examples for each checkpoint.
"""

from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from lm_saturation.config.abilities import EvaluationOptions
from lm_saturation.errors import InputError
from lm_saturation.inference.blocks import halved
from lm_saturation.inference.logits import head_of
from lm_saturation.inference.start_token import first_token as first_token_id
from lm_saturation.inference.start_token import start_token

FEWSHOT_SEED = 1234  # the harness's default


class Scorer:
    """Evaluates models on the same tasks, all with the same tokenizer; a text is tokenised once.

    first_token is the text of the token that stands before every text, or None.
    """

    def __init__(
        self, tasks: dict[str, Any], tokenizer: Tokenizer, first_token: str | None, options: EvaluationOptions
    ) -> None:
        self.tasks, self.limit, self.first_token = tasks, options.limit, first_token
        self.batch_size = options.batch_size
        self.tokenizer = make_tokenizer(tokenizer, first_token)
        self._encode = cache(self.tokenizer.encode)
        self.tokenizer.encode = self._known_tokens
        self._rows = 0  # of the model that is evaluated

    def evaluate(self, model: Any, num_fewshot: int) -> dict[str, Any]:
        """The harness's evaluation of a model: `results` by task, and `samples`, its log of each item, by task.

        All is evaluated again with half the batch size if CUDA is out of memory. Raises InputError if the model cannot
        read an answer at once or has no row for a token, torch.OutOfMemoryError if not even a batch of one fits.
        """
        self._rows = min(len(model.get_input_embeddings().weight), len(head_of(model).weight))
        while True:
            try:
                return self._evaluate(model, num_fewshot)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
            self.batch_size = halved(self.batch_size)  # outside of `except`, which keeps the failed tensors alive

    def _known_tokens(self, text: str, **options: Any) -> list[int]:
        """The ids of a text. Raises InputError if the model has no row for one, as for added tokens."""
        ids: list[int] = self._encode(text, **options)
        self._check_rows(max(ids, default=-1))
        return ids

    def _check_rows(self, largest_id: int) -> None:
        if largest_id >= self._rows:
            raise InputError(
                f"a task's text holds token {largest_id}, the model has {self._rows} rows: another tokenizer, or one "
                "with tokens added"
            )

    def _evaluate(self, model: Any, num_fewshot: int) -> dict[str, Any]:
        from lm_eval.evaluator import evaluate

        for task in self.tasks.values():
            task.set_config(key="num_fewshot", value=num_fewshot)
            task.set_fewshot_seed(seed=FEWSHOT_SEED)  # so that each checkpoint sees the same examples
        with redirect_stderr(StringIO()):  # progress bars that the harness draws whatever it is told
            harness_model = self._harness_model(model)
            # no intervals of the harness: those here are paired over items
            settings = {"limit": self.limit, "bootstrap_iters": 0, "log_samples": True}
            try:
                return evaluate(harness_model, {"tasks": self.tasks}, **settings)
            except AssertionError as error:  # all that the harness says of it
                raise InputError(
                    f"an answer to {' or '.join(self.tasks)} is longer than the {harness_model.max_length} tokens that "
                    "the model reads; allowed in abilities.tasks are shorter ones"
                ) from error

    def _harness_model(self, model: Any) -> Any:
        from lm_saturation.abilities.harness_model import HarnessModel

        return HarnessModel(
            model,
            self.tokenizer,
            self._check_rows,
            batch_size=self.batch_size,
            softmax_dtype="float32",
            add_bos_token=self.first_token is not None,
            prefix_token_id=self.prefix_token(model),
        )

    def prefix_token(self, model: Any) -> int:
        """The token before a text that nothing else precedes: first_token, the model's BOS or EOS, or token 0."""
        first = None if self.first_token is None else self.tokenizer.convert_tokens_to_ids(self.first_token)
        return start_token(model, first) or 0


def make_tokenizer(tokenizer: Tokenizer, first_token: str | None) -> Any:
    """The tokenizer as the harness takes it: it puts `first_token`, if any, before a text, and nothing else.

    Raises InputError if the tokenizer has no such token.
    """
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.post_processor = TemplateProcessing(single="$A")
    if first_token is not None:
        special = [(first_token, first_token_id(plain, first_token))]
        plain.post_processor = TemplateProcessing(single=f"{first_token} $A", special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=plain)
