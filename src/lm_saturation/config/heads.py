"""Options of stage heads: LM heads of constrained rank on frozen trunks, figures 6, 8 and 9."""

from typing import Annotated, Literal

from pydantic import Field

from lm_saturation.options import (
    Count,
    Device,
    Different,
    JobOptions,
    Precision,
    Section,
    Seed,
    allowed,
    option,
)

ModelOfSuite = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$"), allowed("SUITE/MODEL, as below suites")]
Rank = Annotated[int, Field(ge=1)]
Initialisation = Literal["normal", "scaled", "svd", "weighted_svd"]


class TrunkOptions(Section):
    """How the frozen trunk is run."""

    device: Device = option("cpu", "cpu or cuda")
    precision: Precision = option(
        "float32", "float32 or bfloat16, of the trunk and of matrix products; weights and sums are float32"
    )
    seed: Seed = option(0, "seed of initialisations, text and sample")
    sequence_length: Annotated[int, Field(ge=2)] | None = option(
        None, "tokens/sequence, from 2; the suite's or metrics.sequence_length if it is not named"
    )
    trunk_batch_size: Count = option(6, "sequences/batch of the trunk; from 1")

    @property
    def length(self) -> int:
        """`sequence_length`, which the options of a rule always have."""
        if self.sequence_length is None:
            raise ValueError("sequence_length is that of a suite, which is not known here")
        return self.sequence_length


class HeadSampleOptions(TrunkOptions):
    """The held-out sample that heads are judged on."""

    held_out_tokens: int = option(16384, "predicted tokens that heads are evaluated on; from 2", ge=2)


class SweepOptions(TrunkOptions):
    """How heads are trained, but for their ranks."""

    initialisations: Annotated[list[Initialisation], Different("normal, scaled, svd and weighted_svd")] = option(
        ["normal", "scaled", "svd"],
        "normal: N(0, 1) as the paper; scaled: Pythia's variance; svd: truncated head; weighted_svd: the same, "
        "weighted by the hidden states",
    )
    learning_rates: Annotated[list[Annotated[float, Field(gt=0)]], Different("numbers above 0")] = option(
        [0.005, 0.02, 0.05], "peak learning rates, above 0; the best is chosen per initialisation and rank"
    )
    tokens: Count = option(
        219648,
        "training tokens of a head; 286 updates, as in the paper if its sequences have 2048 tokens",
    )
    batch_size: Count = option(6, "sequences/update, each as long as the suite's; from 1")


class BoundOptions(Section):
    """Which heads are cut, to which ranks."""

    device: Device = option("cpu", "cpu or cuda")
    ranks: Annotated[list[Rank], Different("whole numbers from 1")] = option(
        [1, 2, 4, 8, 16, 24, 32, 48, 64], "ranks of the heads W = AB; those above a model's width are left out"
    )
    refit_iterations: Count = option(40, "L-BFGS iterations towards the optimum of the held-out sample; from 1")


class HeadsConfig(HeadSampleOptions, SweepOptions, BoundOptions, JobOptions):
    """Heads of constrained rank."""

    models: Annotated[list[ModelOfSuite], Different("SUITE/MODEL, as below suites", 0)] = option(
        ["mini/d64"], "SUITE/MODEL whose trunk is frozen at its last step; [] for none"
    )
    jobs: Count = option(2, "jobs that the ranks of a model are split over; from 1")
    memory_mb: int = option(2000, "memory of a job, MB; from 1000", ge=1000)

    @property
    def trunks(self) -> list[tuple[str, str]]:
        """Suite and model of each trunk."""
        return [(suite, model) for suite, model in (name.split("/") for name in self.models)]

    def job_numbers(self) -> list[str]:
        """The numbers of the jobs that the ranks of a model are shared out to."""
        return [str(number) for number in range(min(self.jobs, len(self.ranks)))]

    def ranks_of(self, job: str) -> list[int]:
        """The ranks of one of these jobs, so that all take about as long.

        The first job has the unfactored heads beside its ranks. The highest rank goes to the job with least to do, and
        so on; a head takes as long as its rank and softmax, which is worth some 20 ranks.
        """
        ranks, jobs = sorted(self.ranks, reverse=True), self.job_numbers()
        work = {number: ranks[0] * (number == "0") for number in jobs}
        shares: dict[str, list[int]] = {number: [] for number in jobs}
        for rank in ranks:
            idlest = min(jobs, key=lambda number: work[number])
            shares[idlest].append(rank)
            work[idlest] += rank + 20
        return sorted(shares[job])
