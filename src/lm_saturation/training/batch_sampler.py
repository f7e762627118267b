"""The batches that a model is trained on: a pure function of seed and step, so that training can resume at any step."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lm_saturation.errors import InputError


class Batches(Protocol):
    """What a training asks of a sampler."""

    def batch(self, step: int) -> NDArray[np.int64]:
        """(batch_size, length + 1) ids for the update from `step` to `step` + 1."""

    def tokens(self, step: int) -> int:
        """The tokens predicted in training up to this step."""


class BatchSampler:
    """Batches of sequences of `length` + 1 tokens of `ids` (T,).

    As in Pythia's training data, documents are joined without a separator. A sequence begins with the last token of the
    one before it, so that each token is predicted once per epoch. Every epoch cuts the text at another offset and takes
    its sequences in another order. Raises InputError if the text is too short for one batch.
    """

    def __init__(self, ids: NDArray[Any], length: int, batch_size: int, seed: int) -> None:
        self.ids, self.length, self.batch_size, self.seed = ids, length, batch_size, seed
        self.epoch_size = max(0, len(ids) // length - 1)  # sequences, with any offset below `length`
        if self.epoch_size < batch_size:
            raise InputError(
                f"{len(ids)} tokens to train on; a batch of {batch_size} sequences of {length} needs at least "
                f"{(batch_size + 1) * length}: take more text, or a smaller batch_size or sequence_length"
            )
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def batch(self, step: int) -> NDArray[np.int64]:
        """(batch_size, length + 1) ids for the update from `step` to `step` + 1."""
        first = step * self.batch_size
        epochs, places = np.divmod(np.arange(first, first + self.batch_size), self.epoch_size)
        begins = np.concatenate([self._begins(epoch)[places[epochs == epoch]] for epoch in np.unique(epochs).tolist()])
        return self.ids[begins[:, None] + np.arange(self.length + 1)].astype(np.int64)

    def tokens(self, step: int) -> int:
        """The tokens predicted in training up to this step."""
        return step * self.batch_size * self.length

    def _begins(self, epoch: int) -> NDArray[np.int64]:
        """(epoch_size,) where the sequences of an epoch begin, in its order; the last two epochs are kept in memory."""
        if epoch not in self._epochs:
            rng = np.random.default_rng([self.seed, epoch])
            begins = rng.integers(self.length) + self.length * rng.permutation(self.epoch_size)
            self._epochs = {number: kept for number, kept in self._epochs.items() if number == epoch - 1}
            self._epochs[epoch] = begins
        return self._epochs[epoch]


@dataclass(frozen=True)
class ChangingSampler:
    """Batches of one text before the step `change` and of another, read from its beginning, from then on."""

    before: BatchSampler
    after: BatchSampler
    change: int

    def batch(self, step: int) -> NDArray[np.int64]:
        """(batch_size, length + 1) ids for the update from `step` to `step` + 1."""
        return self.before.batch(step) if step < self.change else self.after.batch(step - self.change)

    def tokens(self, step: int) -> int:
        """The tokens predicted in training up to this step."""
        return self.before.tokens(step)
