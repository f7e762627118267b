"""Rule `head_states`: of a model's final checkpoint, the hidden states of a held-out sample, and its LM head."""

from typing import TYPE_CHECKING, Any

from lm_saturation.heads.frozen_trunk import final_checkpoint, load_trunk
from lm_saturation.heads.states import compute_head_states, draw_head_sample
from lm_saturation.jobs import job
from lm_saturation.text.token_files import open_shards
from lm_saturation.text.tokenizers import load_tokenizer
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, params: Any, threads: int) -> None:
    """Run the trunk over the sample, and write its hidden states and the head."""
    options = params.options
    Precision(options.device, options.precision).prepare(threads, "heads.device")
    shards, tokenizer = open_shards(files.tokens), load_tokenizer(str(files.tokenizer))
    sample = draw_head_sample(shards, tokenizer, options, params.held_out)
    step, path = final_checkpoint(files.checkpoints, params.step)
    trunk = load_trunk(path, params.weights, options, tokenizer)
    compute_head_states(trunk, sample, shards[0].vocabulary_size, step).save(output)


if __name__ == "__main__":
    with job(snakemake):
        main(snakemake.input, snakemake.output[0], snakemake.params, snakemake.threads)
