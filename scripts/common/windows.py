"""What a model reads at each step: a pure function of seed and step, so that training can be resumed anywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.common.jobs import InputError


class Windows:
    """Batches of windows of `length` + 1 tokens of `ids` (T,), documents end to end without a token between, as Pythia.

    A window begins with the last token of the one before it, so that each token is foretold once an epoch. Every
    epoch cuts the text at another offset and takes its windows in another order.
    Raises InputError if the text is too short for one batch.
    """

    def __init__(self, ids: NDArray[Any], length: int, batch_size: int, seed: int) -> None:
        self.ids, self.length, self.batch_size, self.seed = ids, length, batch_size, seed
        self.an_epoch = max(0, len(ids) // length - 1)  # with any offset below `length`
        if self.an_epoch < batch_size:
            raise InputError(
                f"{len(ids)} tokens to learn from; a batch of {batch_size} sequences of {length} needs at least "
                f"{(batch_size + 1) * length}: take more text, or a smaller batch_size or sequence_length"
            )
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def batch(self, step: int) -> NDArray[np.int64]:
        """(batch_size, length + 1) ids that the update after `step` updates learns from."""
        first = step * self.batch_size
        epoch, place = np.divmod(np.arange(first, first + self.batch_size), self.an_epoch)
        begins = np.concatenate([self._begins(number)[place[epoch == number]] for number in np.unique(epoch).tolist()])
        return self.ids[begins[:, None] + np.arange(self.length + 1)].astype(np.int64)

    def _begins(self, epoch: int) -> NDArray[np.int64]:
        """(windows,) where the windows of an epoch begin, in its order; the last two epochs are kept at hand."""
        if epoch not in self._epochs:
            rng = np.random.default_rng([self.seed, epoch])
            begins = rng.integers(self.length) + self.length * rng.permutation(self.an_epoch)
            self._epochs = {number: kept for number, kept in self._epochs.items() if number == epoch - 1}
            self._epochs[epoch] = begins
        return self._epochs[epoch]
