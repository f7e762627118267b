"""Rule `bottleneck_bound`: the loss gap of LM heads of each rank, cut or trained, beside the bounds of the theory."""

from typing import TYPE_CHECKING, Any

from lm_saturation.heads.bottleneck import bottleneck_rows
from lm_saturation.heads.states import read_head_states
from lm_saturation.io.tables import read_table, write_rows
from lm_saturation.jobs import job
from lm_saturation.training.recipe import Precision

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: str, params: Any, model: dict[str, str], threads: int) -> None:
    """Measure every cut and every trained head against the pretrained one, and write the table."""
    options = params.options
    Precision(options.device).prepare(threads, "heads.device")
    frozen = read_head_states(files.states).to(options.device)
    trained = [read_table("head_losses", path).to_pandas() for path in files.losses]
    keys = {**model, "step": frozen.step, "hidden_size": frozen.head.shape[1]}
    rows = [{**keys, **row} for row in bottleneck_rows(frozen, trained, options)]
    write_rows("bottleneck_bound", output, rows)


if __name__ == "__main__":
    with job(snakemake):
        model = {key: snakemake.wildcards[key] for key in ("suite", "model")}
        main(snakemake.input, snakemake.output[0], snakemake.params, model, snakemake.threads)
