"""Work in pieces: rows of a matrix a few at a time, and batches that halve when a GPU is out of memory."""

from collections.abc import Callable, Iterator

import torch

from lm_saturation.io.logs import log

ELEMENTS = 1 << 18  # numbers in a block: 2 MB in float64, which a core's cache holds


def row_blocks(states: torch.Tensor, elements: int | None = None) -> Iterator[torch.Tensor]:
    """The rows of `states` (..., d) in float64, as blocks (m, d) of about `elements` numbers."""
    flat = states.reshape(-1, states.shape[-1])
    limit = elements or (ELEMENTS if states.device.type == "cpu" else ELEMENTS << 6)
    for block in flat.split(max(1, limit // flat.shape[1])):
        yield block.double()


def in_batches(total: int, size: int, work: Callable[[slice], None]) -> int:
    """Do `work` on slices of range(total), `size` long; halve them each time CUDA is out of memory.

    Returns the size that fitted. `work` is done again on what failed, so it must not add up anything.
    Raises torch.OutOfMemoryError if not even a slice of one fits.
    """
    begin = 0
    while begin < total:
        try:
            work(slice(begin, min(begin + size, total)))
            begin += size
            continue
        except torch.OutOfMemoryError:
            if size == 1:
                raise
        size = halved(size)  # outside of `except`, which keeps the failed tensors alive
    return size


def halved(size: int) -> int:
    """Half the batch, after CUDA was out of memory; what it keeps for later is given back."""
    log.warning("out of GPU memory: batches of %d from here on", size // 2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return size // 2
