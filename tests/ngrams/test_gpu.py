"""The code for a GPU, run on torch's CPU."""

import sys

import numpy as np
import pytest
import torch

from lm_saturation.config.ngrams import SpectrumOptions
from lm_saturation.errors import InputError
from lm_saturation.ngrams import gpu, gram
from lm_saturation.ngrams.spectrum import Limits, exact_spectrum, find_spectrum
from lm_saturation.ngrams.spectrum_tables import spectrum_limits
from tests.ngrams.matrices import real_matrix, survey_of


@pytest.fixture
def gpu_code_on_cpu(monkeypatch):
    monkeypatch.setattr(gpu, "DEVICE", "cpu")


@pytest.mark.parametrize("order", [2, 5])
@pytest.mark.parametrize("limit", [200, np.inf])
def test_equal_to_numba(gpu_code_on_cpu, monkeypatch, order, limit):
    monkeypatch.setattr(gpu, "PAIRS", 1000)  # many batches
    matrix = real_matrix(order, tokens=10_000)
    blocks = [matrix[:1], matrix[1:1], matrix[1:500], matrix[500:]]
    on_gpu, on_cpu = (
        find_spectrum(
            lambda: blocks, survey_of(*blocks), Limits(exact=limit, tolerance=0.0, memory_bytes=1e8, device=device)
        )
        for device in ("cuda", "cpu")
    )
    np.testing.assert_allclose(on_gpu.w_error, on_cpu.w_error, atol=1e-7)
    np.testing.assert_allclose(on_gpu.w_error_high, on_cpu.w_error_high, atol=1e-7)
    np.testing.assert_array_equal(on_gpu.component_sizes, on_cpu.component_sizes)
    if limit == np.inf:
        assert on_gpu.rank == on_cpu.rank


def test_windows_away_from_the_corner():
    matrix = real_matrix(3, tokens=3000)
    layout = gram.lay_out(survey_of(matrix))
    rows = list(gram.coupling_rows([matrix], layout))
    windows = np.zeros((len(layout.sizes), 4), np.int64)
    windows[0] = 10, 40, 60, layout.sizes[0]
    window = gpu.accumulate(rows, layout, windows, torch.device("cpu")).numpy()
    np.testing.assert_allclose(window, gram.accumulate(rows, layout, windows, 1), atol=1e-12)


def test_without_a_gpu_there_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"^ngrams\.device is cuda, but there is no GPU here .* allowed here is cpu$"):
        spectrum_limits(SpectrumOptions(device="cuda"), 100, memory_mb=4000, threads=1)


def test_the_cpu_does_not_wait_for_torch_to_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert exact_spectrum(real_matrix(5, tokens=1000)).rank > 0
