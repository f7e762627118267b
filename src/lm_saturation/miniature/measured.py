"""What stacked models show at a step: the loss of each held-out document, and what is said to come with saturation.

All models read the same held-out sample and the same random text. Losses are of float32 logits, whatever the precision
of the training.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lm_saturation.metrics.anisotropy import anisotropy
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.head_spectrum import head_spectrum
from lm_saturation.metrics.singular_entropy import singular_entropy
from lm_saturation.stacked.head import token_losses
from lm_saturation.stacked.trunk import rotary, trunk_states
from lm_saturation.stacked.weights import HEAD, Layout

AT_ONCE = 1 << 16  # tokens of all models together, so that the states of a pass stay below some 100 MB
SHAPES = ("loss_on_unigram_text", "logit_offset", "singular_entropy", "singular_entropy_centred", "anisotropy")

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """What the models are measured on."""

    inputs: Tensor  # (sequences, tokens)
    targets: Tensor  # (sequences, tokens)
    documents: NDArray[np.int64]  # (sequences · tokens,) the place in `weights` of the document of each target
    weights: Numbers  # (documents,) tokens of each
    unigram: Tensor  # (sequences, tokens + 1)

    @classmethod
    def of(cls, spec: EvaluationSpec) -> "Sample":
        """The sample of a suite of models trained here, with random text."""
        assert spec.random_text is not None
        _, places = np.unique(spec.sample.documents, return_inverse=True)
        return cls(
            torch.from_numpy(spec.sample.inputs),
            torch.from_numpy(spec.sample.targets),
            places.ravel(),
            np.bincount(places.ravel()).astype(np.float64),
            torch.from_numpy(spec.random_text.unigram),
        )


@dataclass(frozen=True)
class Measured:
    """Of M models: the mean losses (M, documents), and the numbers (M,) named in SHAPES."""

    documents: Numbers
    shapes: dict[str, Numbers]


@torch.no_grad()
def measure(layout: Layout, weights: Tensor, sample: Sample) -> Measured:
    """Measure models of weights (M, P)."""
    views = layout.views(weights)
    heads = views[HEAD]
    states, losses = _read(layout, views, sample.inputs, sample.targets)
    _, unigram = _read(layout, views, sample.unigram[:, :-1], sample.unigram[:, 1:])
    by_document = [np.bincount(sample.documents, row) / sample.weights for row in losses.double().numpy()]
    offsets = torch.einsum("mtd,md->mt", states, heads.mean(1)).square().mean(1).sqrt()
    spectra = [head_spectrum(head, len(head)) for head in heads]
    shapes = {
        "loss_on_unigram_text": unigram.double().mean(1).numpy(),
        "logit_offset": offsets.double().numpy(),
        "singular_entropy": np.array([singular_entropy(spectrum.plain, 2) for spectrum in spectra]),
        "singular_entropy_centred": np.array([singular_entropy(spectrum.centred, 2) for spectrum in spectra]),
        "anisotropy": np.array([anisotropy(of_model).raw for of_model in states]),
    }
    return Measured(np.stack(by_document), shapes)


def _read(layout: Layout, views: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The states (M, n, d) after the inputs (sequences, tokens), and the losses (M, n) of the targets."""
    models, turn = len(views[HEAD]), rotary(layout, inputs.shape[1])
    states, losses = [], []
    size = max(1, AT_ONCE // (models * inputs.shape[1]))
    for read, following in zip(inputs.split(size), targets.split(size), strict=True):
        states.append(trunk_states(layout, views, read.expand(models, *read.shape), turn))
        repeated = following.flatten().expand(models, -1)
        losses.append(token_losses(states[-1], views[HEAD], repeated, [False] * models))
    return torch.cat(states, 1), torch.cat(losses, 1)
