"""Rule `bottleneck_bound`: the loss that heads of each rank lose, beside what the theory says they lose at most."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scripts.common.intervals import interval, resampled_means
from scripts.common.jobs import job, progress
from scripts.common.recipe import Numerics
from scripts.common.tables import arrow_schema, read_table, write_tables
from scripts.heads.frozen import HeadStates, read_head_states
from scripts.heads.head import Factors, token_losses
from scripts.heads.loss_bounds import Bounds, Sample, bounds, describe
from scripts.heads.refit import refit
from scripts.heads.truncation import CUTS, cut

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

BOUNDS = ["first_order", "second_order", "quadratic", "bound", "paper_bound"]


def sequence_losses(frozen: HeadStates, factors: Factors) -> NDArray[np.float64]:
    """(sequences,) the mean held-out loss of each."""
    losses = token_losses(frozen.hidden_states, frozen.next_tokens.flatten(), factors, frozen.bias).nats
    return losses.reshape(frozen.next_tokens.shape).double().mean(1).cpu().numpy()


def gap_columns(losses: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float]:
    """The loss over that of the reference, with a paired bootstrap interval over sequences."""
    difference = losses - reference
    low, high = interval(resampled_means(difference))
    return {"loss_nats": losses.mean(), "gap_nats": difference.mean(), "gap_low": low, "gap_high": high}


def cut_rows(frozen: HeadStates, sample: Sample, head: str, ranks: list[int]) -> Iterator[dict[str, Any]]:
    """A row for every cut of a head, `pretrained` or `refitted`, to every rank."""
    reference = sequence_losses(frozen, (sample.head.T,))
    for name in progress(CUTS, f"cuts of the {head} head", unit="cut"):
        truncation = cut(name, sample.head, sample.second_moment)
        for rank in ranks:
            factors = truncation.factors(sample.head, rank)
            yield {
                "head": head,
                "method": name,
                "rank": rank,
                "w_error": truncation.error(rank),
                **gap_columns(sequence_losses(frozen, factors), reference),
                **bound_columns(name, bounds(sample, factors)),
            }


def bound_columns(name: str, found: Bounds) -> dict[str, float | None]:
    """The columns BOUNDS of a cut of that name; the paper's theorem is about `truncated` alone."""
    paper = found.paper if name == "truncated" else None
    return dict(zip(BOUNDS, (found.first_order, found.second_order, found.quadratic, found.sharp, paper), strict=True))


def trained_rows(frozen: HeadStates, tables: list[str], w_error: dict[int, float]) -> Iterator[dict[str, Any]]:
    """A row for every chosen head of the sweep: `normal`, `scaled`, `svd`, each also `_unfactored`."""
    reference = sequence_losses(frozen, (frozen.head.T,))
    for path in tables:
        frame = read_table("head_losses", path).to_pandas()
        for (start, rank, factored), losses in frame.groupby(["start", "rank", "factored"], observed=True):
            yield {
                "head": "pretrained",
                "method": str(start) if factored else f"{start}_unfactored",
                "rank": int(rank),
                "w_error": w_error[int(rank)],
                **gap_columns(losses.sort_values("sequence").loss_nats.to_numpy(), reference),
                **dict.fromkeys(BOUNDS),
            }


def main(files: Any, output: str, options: Any, keys: dict[str, str], threads: int) -> None:
    """Measure every cut and every trained head against the pretrained one, and write the table."""
    heads = options.heads
    Numerics(heads["device"]).prepare(threads, "heads.device")
    frozen = read_head_states(files.states).to(heads["device"])
    width = frozen.head.shape[1]
    ranks = [rank for rank in sorted({*heads["ranks"], width}) if rank <= width]
    pretrained = describe(frozen, frozen.head)
    truncation = cut("truncated", frozen.head, pretrained.second_moment)
    rows = list(trained_rows(frozen, list(files.losses), {rank: truncation.error(rank) for rank in ranks}))
    rows += cut_rows(frozen, pretrained, "pretrained", ranks)
    rows += cut_rows(frozen, describe(frozen, refit(frozen, heads["refit_iterations"])), "refitted", ranks)
    whole = {**keys, "step": frozen.step, "hidden_size": width}
    names = [name for name in arrow_schema("bottleneck_bound").names if name not in whole]
    write_tables("bottleneck_bound", output, [{**whole, **{name: [row[name] for row in rows] for name in names}}])


if __name__ == "__main__":
    with job(snakemake):
        main(
            snakemake.input,
            snakemake.output[0],
            snakemake.params,
            {key: snakemake.wildcards[key] for key in ("suite", "model")},
            snakemake.threads,
        )
