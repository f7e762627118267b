"""Rule `ability_tasks`: two tasks made of held-out text, as folders that lm-evaluation-harness reads."""

from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.abilities.made_tasks import item_texts, write_made_task
from lm_saturation.jobs import job
from lm_saturation.text.token_files import open_shards
from lm_saturation.text.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, params = snakemake.input, snakemake.params
        tokenizer = load_tokenizer(files.tokenizer)
        held_out = params.held_out if params.weights.trained_here else None
        texts = item_texts(tokenizer, open_shards(files.tokens), held_out)
        for folder in map(Path, snakemake.output):
            write_made_task(folder, folder.name, texts, params.options, tokenizer, params.reads)
