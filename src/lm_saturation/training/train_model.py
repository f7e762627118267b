"""Training of a suite's model: from its options and token files to checkpoints on disk and a training log."""

from collections.abc import Sequence

import torch
import transformers

from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.suites import TrainedModel, TrainingOptions
from lm_saturation.errors import InputError
from lm_saturation.io.logs import log
from lm_saturation.options import Section
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import Tokens
from lm_saturation.training.batch_sampler import Batches, BatchSampler, ChangingSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.loop import LogRow, train
from lm_saturation.training.recipe import Precision
from lm_saturation.training.resumable_run import ResumableRun
from lm_saturation.training.resume import compute_fingerprint


def run_fingerprint(shards: Sequence[Tokens], options: Sequence[Section], code: str, **others: str | list[int]) -> str:
    """The fingerprint of everything that decides a training: text, options, versions, threads and code.

    Threads and code belong to it because sums depend on their order.
    """
    return compute_fingerprint(
        tokens=[[shard.record["sha256"], shard.record["ends_sha256"]] for shard in shards],
        options=[section.model_dump_json() for section in options],
        versions=[torch.__version__, transformers.__version__],
        threads=torch.get_num_threads(),
        code=code,
        **others,
    )


def train_model(
    shards: Sequence[Tokens],
    later: Sequence[Tokens],
    held_out: HeldOut,
    model: TrainedModel,
    options: TrainingOptions,
    steps: list[int],
    run: ResumableRun,
    name: str,
) -> list[LogRow]:
    """Train the model on the documents that are not held out, with a checkpoint in `run` at each of the steps.

    `later` are the shards of the corpus that options.later_corpus names; empty if it names none. Returns rows of the
    table `training_log`. Raises InputError if there is too little text, or the loss diverges.
    """
    try:
        sampler = _sampler(shards, held_out, model, options)
        batches: Batches = sampler
        if options.later_corpus:
            change = options.later_corpus.first_step(steps[-1])
            batches = ChangingSampler(sampler, _sampler(later, held_out, model, options), change)
    except InputError as error:
        raise InputError(f"model {name}: {error}") from error
    built = build_model(model, shards[0].vocabulary_size, options.sequence_length)
    epochs = steps[-1] * sampler.batch_size / sampler.epoch_size
    log.info("%s: %d parameters, %.2f epochs", name, built.num_parameters(), epochs)
    return train(built, batches, steps, model.learning_rate, Precision(options.device, options.precision), run, name)


def _sampler(
    shards: Sequence[Tokens], held_out: HeldOut, model: TrainedModel, options: TrainingOptions
) -> BatchSampler:
    """Batches of the documents that are not held out."""
    ids = split_documents(shards, held_out).train.ids
    return BatchSampler(ids, options.sequence_length, options.batch_size, model.seed)
