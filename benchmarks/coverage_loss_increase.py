"""Coverage and power of the interval of the loss increase, where sequences of one document are not independent.

python -m benchmarks.coverage_loss_increase          # the table, on standard output
python -m benchmarks.coverage_loss_increase --write  # also into docs/statistics.md

Simulated losses of checkpoints on sequences of documents, with a known increase. The interval over documents
(`lm_saturation.statistics.loss_increase`) is compared with the same interval over sequences, which takes them for
independent.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lm_saturation.statistics.loss_increase import loss_increase

PAGE = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"
MARKS = "<!-- coverage_loss_increase -->", "<!-- end of coverage_loss_increase -->"
RUNS, PEER_RUNS, BOOTSTRAPS = 1000, 100, 300  # data sets of a row, those judged by the peer, bootstrap samples of each
DOCUMENTS = (27, 50, 200)
INCREASES = (0.0, 0.006, 0.05)  # nats/token: none, and the smallest and nearly the largest of the paper's
CHECKPOINTS, BEST = 20, 11  # number, and place of the minimum
FREEDOM = 5  # degrees of Student's t, of which all effects are: tails heavier than a normal distribution's
PIECES = 8  # mean sequences of a document
TOKENS = 20, 129  # of a sequence in a document


@dataclass(frozen=True)
class Simulation:
    """Losses with effects of documents and sequences, on their level and on its change; deviations in nats/token."""

    documents: int
    increase: float = 0.0  # from the best checkpoint to the last
    curve: str = "flat"  # many checkpoints near the minimum, or "sharp": one far below the others but the last
    document_level: float = 0.6
    sequence_level: float = 0.6
    document_step: float = 0.02  # change of a document from a checkpoint to the next: a random walk
    document_noise: float = 0.03  # of a document at a checkpoint
    sequence_noise: float = 0.05  # of a sequence at a checkpoint

    def expected(self):
        """(checkpoints,) the true losses."""
        if self.curve == "sharp":
            losses = np.linspace(1.5, 0.5, CHECKPOINTS) + self.increase
            losses[BEST], losses[-1] = 0, self.increase
            return losses
        falling = np.linspace(1, 0, BEST - 3) ** 2
        return np.concatenate([falling, np.zeros(3), np.linspace(0, self.increase, CHECKPOINTS - BEST)])

    def draw(self, random):
        """Losses (checkpoints, sequences), tokens (sequences,) and documents (sequences,)."""

        def effect(deviation, *shape):
            return deviation * np.sqrt((FREEDOM - 2) / FREEDOM) * random.standard_t(FREEDOM, shape)

        number = self.documents
        documents = np.repeat(np.arange(number), random.integers(1, 2 * PIECES, number))
        tokens = random.integers(*TOKENS, len(documents)).astype(float)
        by_document = (
            effect(self.document_level, 1, number)
            + effect(self.document_step, CHECKPOINTS, number).cumsum(0)
            + effect(self.document_noise, CHECKPOINTS, number)
        )
        by_sequence = effect(self.sequence_level, 1, len(documents)) + effect(
            self.sequence_noise, CHECKPOINTS, len(documents)
        )
        return self.expected()[:, None] + by_document[:, documents] + by_sequence, tokens, documents


class Rates(NamedTuple):
    """Shares of intervals."""

    covered: float  # that hold the true increase
    positive: float  # that lie above 0: false positives if there is no increase, else power


def judged(simulation, runs, samples=BOOTSTRAPS, by_document=True):
    """The rates of `runs` seeded data sets, with intervals over documents, or over sequences."""
    intervals = []
    for seed in range(runs):
        losses, tokens, documents = simulation.draw(np.random.default_rng([simulation.documents, seed]))
        intervals.append(loss_increase(losses, tokens, documents if by_document else None, samples, seed))
    low, high = np.array(intervals).T
    return Rates(float(np.mean((low <= simulation.increase) & (simulation.increase <= high))), float(np.mean(low > 0)))


def table(runs, peer_runs):
    """The lines of the Markdown table."""
    lines = [
        "| documents | minimum | true increase | coverage | interval above 0 | coverage, sequences as units "
        "| above 0, sequences as units |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    simulations = [Simulation(documents, increase) for documents in DOCUMENTS for increase in INCREASES]
    simulations += [Simulation(documents, INCREASES[-1], "sharp") for documents in DOCUMENTS]
    for simulation in tqdm(simulations):
        ours, peer = judged(simulation, runs), judged(simulation, peer_runs, by_document=False)
        rates = " | ".join(f"{rate:.3f}" for rate in (*ours, *peer))
        lines.append(f"| {simulation.documents} | {simulation.curve} | {simulation.increase} | {rates} |")
    return lines


def write_section(lines):
    """Put the table between its marks in docs/statistics.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
    PAGE.write_text("\n".join([before + MARKS[0], *lines, MARKS[1] + after]), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="also write the table into docs/statistics.md")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"data sets of each row; {RUNS}")
    arguments = parser.parse_args()
    lines = table(arguments.runs, max(1, arguments.runs * PEER_RUNS // RUNS))
    print("\n".join(lines))
    if arguments.write:
        write_section(lines)


if __name__ == "__main__":
    main()
