"""Rule `head_states`: of a model's final checkpoint, the hidden states of a held-out sample, and its head."""

from typing import TYPE_CHECKING, Any

import torch

from scripts.common.held_out import split_documents
from scripts.common.jobs import InputError, job, log
from scripts.common.recipe import Numerics
from scripts.common.token_files import open_tokens
from scripts.common.tokenizer_files import load_tokenizer
from scripts.heads.frozen import HeadStates, Trunk, final_checkpoint, in_dtype
from scripts.metrics.sample import draw_sample, first_token, token_sizes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, definition: dict[str, Any], options: Any, threads: int) -> None:
    """Run the trunk over the sample, and write what all that follows needs."""
    heads, held_out = options.heads, options.held_out
    numerics = Numerics(heads["device"], heads["precision"])
    numerics.prepare(threads, "heads.device")
    shards, tokenizer = [open_tokens(record) for record in files.records], load_tokenizer(str(files.tokenizer))
    vocabulary_size = shards[0].vocabulary_size
    documents = [split_documents(shards, held_out["share"], held_out["seed"]).test.ids]
    first = first_token(tokenizer, definition.get("first_token"))
    sizes, length = token_sizes(tokenizer, vocabulary_size), heads["sequence_length"] + 1
    try:
        sample = draw_sample(documents, heads["held_out_tokens"], length, heads["seed"], sizes, None)
    except InputError as error:
        raise InputError(str(error).replace("metrics.tokens", "heads.held_out_tokens")) from error
    step, path = final_checkpoint(files.checkpoints, options.step)
    trunk = Trunk(path, in_dtype(definition, heads["precision"]), heads["device"], first, heads["trunk_batch_size"])
    head, bias = trunk.linear_head(vocabulary_size)
    if (largest := int(sample.targets.max())) >= len(head):
        raise InputError(f"{path}: the text holds token {largest}, the LM head has {len(head)} rows: another tokenizer")
    states = trunk.states(sample.inputs).flatten(0, 1).float()
    if not torch.isfinite(states).all():
        raise InputError(f"{path}: hidden states that are not finite")
    log.info("%s: %d hidden states of width %d, a head of %d rows", path, *states.shape, len(head))
    HeadStates(states, torch.from_numpy(sample.targets), head, bias, step, sample.sha256).save(output)


if __name__ == "__main__":
    with job(snakemake):
        main(
            snakemake.input,
            snakemake.output[0],
            snakemake.params.definition,
            snakemake.params,
            snakemake.threads,
        )
