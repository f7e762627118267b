"""Loss on random text that has the right frequencies of tokens, or of pairs of tokens, and nothing else.

Tokens are drawn one by one from the unigram law of the suite's corpus, or each from what follows the one before it in
that corpus (bigram law). No model can do better than the law's entropy. A model that answers text unlike its own with
extreme predictions loses far more: in published trainings of Pythia this loss rises by whole nats where a model
saturates, the loss on real text by thousandths (docs/method/metrics.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.inference.evaluation_sample import Text
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.metrics.cross_entropy import target_losses
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

MOST = 1 << 22  # tokens of the corpus that pairs are taken from: bounds memory to some 100 MB
PIECES = 256  # runs of tokens, evenly spaced over a corpus that holds more

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]  # (n,) tokens, and (n,) the token after each


@dataclass(frozen=True)
class RandomText:
    """Sequences of random tokens (sequences, tokens), the same for every checkpoint."""

    unigram: NDArray[np.int64]
    bigram: NDArray[np.int64]


def draw_random_text(counts: NDArray[np.int64], pairs: Pairs, tokens: int, length: int, seed: int) -> RandomText | None:
    """Sequences of `length` tokens, about `tokens` of them predicted, by each law; None if none are asked for.

    `counts` (V,) say how often the corpus holds each token, `pairs` which tokens follow one another in it.
    """
    if not tokens or not counts.any():
        return None
    number = max(1, round(tokens / (length - 1)))
    unigram, bigram = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(2))
    return RandomText(
        draw_unigram(counts, (number, length), unigram), draw_bigram(counts, pairs, (number, length), bigram)
    )


def draw_unigram(
    counts: NDArray[np.int64], shape: int | tuple[int, ...], random: np.random.Generator
) -> NDArray[np.int64]:
    """Tokens of that shape, each with probability counts / Σ counts."""
    cumulated = np.cumsum(counts)
    return np.searchsorted(cumulated, random.integers(0, cumulated[-1], shape), side="right")


def draw_bigram(
    counts: NDArray[np.int64], pairs: Pairs, shape: tuple[int, int], random: np.random.Generator
) -> NDArray[np.int64]:
    """Sequences (sequences, tokens): each token is what follows an occurrence of the one before it, drawn at random.

    The first, and one after a token that nothing follows, is drawn by the unigram law.
    """
    tokens, following = pairs
    following = following[np.argsort(tokens, kind="stable")]
    numbers = np.bincount(tokens, minlength=len(counts))  # of the occurrences of each token
    begins = np.cumsum(numbers) - numbers
    drawn = np.empty(shape, np.int64)
    drawn[:, 0] = draw_unigram(counts, shape[0], random)
    for at in range(1, shape[1]):
        before = drawn[:, at - 1]
        afresh = draw_unigram(counts, shape[0], random)
        place = begins[before] + random.integers(0, np.maximum(1, numbers[before]))
        known = numbers[before] > 0
        drawn[:, at] = afresh
        drawn[known, at] = following[place[known]]
    return drawn


def corpus_pairs(texts: Sequence[Text], most: int = MOST, pieces: int = PIECES) -> Pairs:
    """Neighbours within documents, of `pieces` evenly spaced runs of tokens that hold `most` together, or of all."""
    total = sum(len(text.ids) for text in texts)
    found = [np.empty((2, 0), np.int64)]
    for text in texts:
        size = len(text.ids)
        share = 1.0 if total <= most else size / total
        number = 1 if total <= most else max(1, round(pieces * share))
        run = size if total <= most else max(1, int(most * share) // number)
        for begin in np.linspace(0, size - run, number).astype(np.int64).tolist():
            ids = np.asarray(text.ids[begin : begin + run], np.int64)
            within = np.ones(max(0, len(ids) - 1), np.bool_)
            low, high = np.searchsorted(text.ends, [begin + 1, begin + len(ids)])
            within[text.ends[low:high] - begin - 1] = False
            found.append(np.stack([ids[:-1][within], ids[1:][within]]))
    tokens, following = np.concatenate(found, axis=1)
    return tokens, following


def random_text_losses(model: Any, ids: NDArray[np.int64], batch_size: int, first: int | None) -> torch.Tensor:
    """(sequences × (tokens − 1),) nats of each token of `ids` (sequences, tokens) but the first of a sequence.

    The token `first`, if any, is put before every sequence.
    """
    prefix = np.full((len(ids), 0 if first is None else 1), first or 0, np.int64)
    inputs, targets = np.hstack([prefix, ids[:, :-1]]), torch.from_numpy(ids[:, 1:]).to(model.device)
    states = trunk_states(model, torch.from_numpy(inputs).to(model.device), batch_size)
    return target_losses(model, states[:, prefix.shape[1] :].flatten(0, 1), targets.flatten())


@metric
def columns(forward: "ForwardPass") -> dict[str, float | None]:
    """On the text of each law, if there is any. Raises InputError if a loss is not finite."""
    spec = forward.spec
    if spec.random_text is None:
        return {"loss_on_unigram_text": None, "loss_on_bigram_text": None}
    ids = np.concatenate([spec.random_text.unigram, spec.random_text.bigram])
    losses = random_text_losses(forward.model, ids, spec.batch_size, spec.first)
    unigram, bigram = losses.double().view(2, -1).mean(1).tolist()
    if not np.isfinite([unigram, bigram]).all():
        raise InputError("a loss on random text that is not finite")
    return {"loss_on_unigram_text": unigram, "loss_on_bigram_text": bigram}
