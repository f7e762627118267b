"""Rule `checkpoint_metrics`: all metrics of the checkpoints of a span of a model, on one held-out sample."""

from typing import TYPE_CHECKING, Any

import torch

from lm_saturation.checkpoints.loading import list_checkpoints
from lm_saturation.config.metrics import HeldOut, MetricOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.devices import find_device
from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.metrics.evaluation_spec import EvaluationFiles, read_spec
from lm_saturation.metrics.measure_span import TABLES, measure_span, read_duplicates, table_parts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(
    files: Any,
    output: Any,
    weights: WeightsOptions,
    options: MetricOptions,
    held_out: HeldOut,
    keys: dict[str, str],
) -> None:
    """Measure all checkpoints of a span and write the four tables, or none of them."""
    device = find_device(options.device, "metrics.device")
    spec_files = EvaluationFiles(files.tokens, files.tokenizer, files.word_tokens, files.word_texts)
    spec = read_spec(spec_files, weights, options, held_out)
    measured = measure_span(list_checkpoints(files.checkpoints), spec, weights, device)
    duplicates = read_duplicates(str(files.audit) if files.audit else None)
    for field, table in TABLES.items():
        parts = table_parts(field, measured, keys, duplicates, weights.tokens_per_step)
        write_tables(table, getattr(output, field), parts)


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        keys = {"suite": snakemake.wildcards.suite, "model": snakemake.wildcards.model}
        params = snakemake.params
        main(snakemake.input, snakemake.output, params.weights, params.options, params.held_out, keys)
