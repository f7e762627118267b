"""Parts of G and their eigenvalues on a GPU, by PyTorch: the same as in gram.py and spectrum.py.

PyTorch takes seconds to import, so this module is imported only where the configuration says `device: cuda`.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lm_saturation.ngrams.gram import Layout, leading_windows, window_starts

DEVICE = "cuda"
PAIRS = 1 << 23  # products of two entries that are added at a time: 1 GB


def leading_blocks(rows: Iterable[csr_array], layout: Layout, leading: NDArray[np.int64]) -> list[torch.Tensor]:
    """As gram.leading_blocks, as tensors on the GPU whose upper triangles are filled."""
    windows = leading_windows(leading)
    buffer, starts = accumulate(rows, layout, windows, DEVICE), window_starts(windows)
    blocks = []
    for number in np.flatnonzero(leading):
        size = int(leading[number])
        block = buffer[starts[number] : starts[number + 1]].view(size, size)
        block.diagonal().copy_(torch.tensor(layout.squared_norms[layout.bounds[number] :][:size]))
        blocks.append(block)
    return blocks


def accumulate(
    rows: Iterable[csr_array], layout: Layout, windows: NDArray[np.int64], device: str | torch.device
) -> torch.Tensor:
    """As gram.accumulate, into a tensor on the device.

    index_put_ sorts before it adds, so the order of summation is always the same.
    """
    starts = window_starts(windows)
    buffer = torch.zeros(int(starts[-1]), dtype=torch.float64, device=device)
    arrays = layout.bounds, layout.component, windows, starts
    bounds, component, window, start = (torch.tensor(array).to(device) for array in arrays)
    for block in rows:
        tokens, data = torch.tensor(block.indices.astype(np.int64)).to(device), torch.tensor(block.data).to(device)
        for left, right in _pairs(torch.tensor(block.indptr.astype(np.int64)).to(device)):
            number = component[tokens[left]]
            low, high, top, bottom = window[number].T
            column, row = tokens[left] - bounds[number], tokens[right] - bounds[number]
            inside = (low <= column) & (column < high) & (top <= row) & (row < bottom)
            place = start[number] + (column - low) * (bottom - top) + row - top
            buffer.index_put_((place[inside],), (data[left] * data[right])[inside], accumulate=True)
    return buffer


def _pairs(indptr: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """All pairs of an entry and a later one of its row, about PAIRS at a time."""
    ends = indptr[1:].repeat_interleave(indptr.diff())
    entries = torch.arange(len(ends), device=indptr.device)
    later = ends - entries - 1
    before = later.cumsum(0) - later
    batches = before // PAIRS
    for batch in batches.unique():
        here = entries[batches == batch]
        left = here.repeat_interleave(later[here])
        pair = before[here[0]] + torch.arange(len(left), device=indptr.device)
        yield left, left + 1 + pair - before[left]


def eigenvalues(block: torch.Tensor) -> NDArray[np.float64]:
    """The eigenvalues, rising, of a symmetric tensor (n, n) whose upper triangle is filled."""
    return torch.linalg.eigvalsh(block, UPLO="U").cpu().numpy()
