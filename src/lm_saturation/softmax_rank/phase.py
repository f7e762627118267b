"""The table `softmax_rank_transformers`: small transformers on languages of known logit rank, beside the ideal gap.

What a trained model loses above the entropy has three parts: the ideal gap of its width (the bottleneck); what the best
states of its own head lose above that (the head is not the best one); what its own states lose above those (the trunk
does not give them). The last two are the training's, and the architecture's: a final LayerNorm keeps states of width d
on a sphere in d − 1 dimensions, so that a language of logit rank r can only be expressed from r + 2 on.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from lm_saturation.config.causes import LanguageOptions, TransformerOptions
from lm_saturation.io.logs import progress
from lm_saturation.softmax_rank.laws import NextTokenLaws
from lm_saturation.softmax_rank.logit_language import logit_language
from lm_saturation.softmax_rank.objective import loss_and_gradients
from lm_saturation.softmax_rank.transformers import Shape, Weights, hidden_states, initial_weights, losses, train

Numbers = NDArray[np.float64]
REFIT_ITERATIONS = 500  # of L-BFGS, at most; the problem is convex


def transformer_rows(
    languages: LanguageOptions, options: TransformerOptions, ideal: pd.DataFrame, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of the table, from `softmax_rank_languages`: a width, rank and seed of weights each, at its best rate."""
    laws = {rank: logit_language(languages.contexts, languages.vocabulary_size, rank, seed) for rank in languages.ranks}
    models = [(rank, weights_seed) for rank in laws for weights_seed in options.seeds]
    joint = torch.from_numpy(np.stack([laws[rank].joint.toarray() for rank, _ in models]))
    for width in progress(options.widths, "widths", len(options.widths), "training transformers"):
        shape = Shape(languages.contexts, languages.vocabulary_size, width, options.layers)
        start = initial_weights(shape, [weights_seed for _, weights_seed in models])
        runs = [train(start, joint.float(), options.steps, rate) for rate in options.learning_rates]
        weights = [{name: weight.double() for name, weight in trained.items()} for trained, _ in runs]
        found = torch.stack([losses(each, joint) for each in weights])
        for place, (rank, weights_seed) in enumerate(models):
            best = int(found[:, place].argmin())
            yield {
                "rank": rank,
                "seed": seed,
                "width": width,
                "layers": options.layers,
                "weights_seed": weights_seed,
                "steps": options.steps,
                "learning_rate": options.learning_rates[best],
                **_gaps(laws[rank], weights[best], place, float(found[best, place])),
                "ideal_gap_nats": _ideal_gap(ideal, rank, width),
                "last_gain_nats": float(runs[best][1][place]),
            }


def _gaps(laws: NextTokenLaws, weights: Weights, place: int, loss: float) -> dict[str, Any]:
    contexts, types = laws.shape
    states, head = hidden_states(weights)[place].numpy(), weights["head"][place].T.numpy()
    return {
        "contexts": contexts,
        "types": types,
        "entropy_nats": laws.entropy_nats,
        "unigram_gap_nats": laws.unigram_gap_nats,
        "trained_gap_nats": max(0.0, loss - laws.entropy_nats),
        "refitted_gap_nats": max(0.0, refitted_loss(laws, states, head) - laws.entropy_nats),
    }


def _ideal_gap(ideal: pd.DataFrame, rank: int, width: int) -> float:
    """The least gap found at no more dimensions: where it is negligible, more were not tried."""
    return float(ideal[(ideal["rank"] == rank) & (ideal.dimension <= width)].gap_nats.min())


def refitted_loss(laws: NextTokenLaws, states: Numbers, head: Numbers) -> float:
    """The loss of the best states for a head (V, d), from these states (C, d); a convex problem in each context."""
    scale = np.sqrt(laws.context_share)[:, None]

    def problem(vector: Numbers) -> tuple[float, Numbers]:
        loss, by_states, _ = loss_and_gradients(laws, vector.reshape(states.shape) / scale, head)
        return loss, (by_states / scale).ravel()

    limits = {"maxiter": REFIT_ITERATIONS, "maxfun": 2 * REFIT_ITERATIONS, "ftol": 1e-10, "gtol": 0.0}
    return float(minimize(problem, (states * scale).ravel(), jac=True, method="L-BFGS-B", options=limits).fun)
