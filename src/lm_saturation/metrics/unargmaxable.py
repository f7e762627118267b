"""Tokens that can never be the most likely (Grivas, Bogoychev & Lopez 2022, arXiv 2203.06462).

Token i can, if some hidden state h gives (w_i − w_j)·h + b_i − b_j > 0 for all other rows j. That is a linear program:
maximise the margin t over (h, s) in a box, s ≥ 0 standing for the 1 that the bias is multiplied with; i can if t > 0.
Most tokens need no program: they are the argmax of a hidden state seen, or of their own row's direction, or of one that
a screen finds: the shortest that wins by the same margin against each of the rows that beat the last one. To win, in
float32, by more than float32 can be wrong is a proof. The others get a program with few constraints, to which the rows
that win against them are added until none does, or no margin is left: a program with fewer constraints that leaves none
shows that all leave none.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog

from lm_saturation.inference.logits import head_of
from lm_saturation.io.logs import progress
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

MARGIN = 1e-7  # of rows scaled to norm 1: below it the solver's tolerance decides
ADDED = 32  # rows added to a program at a time
SCREENED = 16  # rows added to the screen at a time
ROUNDS = 12  # of the screen
RIDGE = 1e-4  # on the products of unit vectors, so that rows in one plane do no harm
AT_ONCE = 1 << 24  # products of directions and rows in memory at a time: 64 MB


def count_unargmaxable(
    head: NDArray[np.float64], bias: NDArray[np.float64] | None, vocabulary_size: int, seen: NDArray[np.bool_]
) -> int:
    """How many of the first `vocabulary_size` rows of the head (V, d) are never the only argmax of h·Wᵀ + b.

    `seen` (V,) says which tokens are known to be the argmax of some state. All V rows compete.
    """
    bias_column = np.zeros((len(head), 0)) if bias is None else bias[:, None]
    rows = np.hstack([head - head.mean(0), bias_column - bias_column.mean(0)])  # softmax does not see the mean row
    rows /= max(np.linalg.norm(rows, axis=1).max(), np.finfo(float).tiny)
    low = np.full(rows.shape[1], -1.0)
    low[head.shape[1] :] = 0
    candidates = _screened(rows, low, np.flatnonzero(~seen[:vocabulary_size]))
    return sum(
        not _argmaxable(rows, low, int(token)) for token in progress(candidates, "unargmaxable tokens: programs")
    )


def _screened(rows: NDArray[np.float64], low: NDArray[np.float64], tokens: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those of the tokens (n,) of which neither their own direction nor the screen finds that they are argmaxable."""
    inputs, floor = torch.from_numpy(rows).float(), torch.from_numpy(low).float()
    left = torch.from_numpy(tokens)
    for rounds, what in ((1, "own directions"), (ROUNDS, "screen")):
        blocks = left.split(max(1, AT_ONCE // len(rows)))
        parts = [_search(inputs, floor, block, rounds) for block in progress(blocks, f"unargmaxable tokens: {what}")]
        left = torch.cat(parts)
    return left.numpy()


def _search(rows: torch.Tensor, low: torch.Tensor, tokens: torch.Tensor, rounds: int) -> torch.Tensor:
    """Those of the tokens (n,) for which `rounds` directions, the first their own, leave some other row ahead."""
    directions, rivals = rows[tokens], tokens[:, None]
    for number in range(rounds):
        if number:
            directions = _equal_margins(rows, tokens, rivals[:, 1:])
        directions = torch.nn.functional.normalize(directions.maximum(low), dim=1)
        scores = directions @ rows.T
        own = scores.gather(1, tokens[:, None])[:, 0]
        scores.scatter_(1, rivals[:, :1], -torch.inf)
        left = ~(own - scores.amax(1) > _proof(rows.shape[1]))
        if not left.any() or rivals.shape[1] > len(rows) - SCREENED:
            return tokens[left]
        tokens, rivals = tokens[left], rivals[left]
        ahead = scores[left].scatter_(1, rivals, -torch.inf).topk(SCREENED).indices
        rivals = torch.cat([rivals, ahead], 1)
    return tokens


def _proof(width: int) -> float:
    """A lead in float32 that is one of over MARGIN in truth, too, for unit directions and rows of norm 1 at most."""
    return (width + 4) * torch.finfo(torch.float32).eps + 2 * MARGIN


def _equal_margins(rows: torch.Tensor, tokens: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    """(n, d) the shortest x with (w_i − w_j)·x / ‖w_i − w_j‖ = 1 for each token i (n,) and its rivals j (n, k)."""
    differences = torch.nn.functional.normalize(rows[tokens, None] - rows[rivals], dim=2)
    products = differences @ differences.mT
    products.diagonal(dim1=1, dim2=2).add_(RIDGE)
    weights = torch.linalg.solve(products, products.new_ones(rivals.shape))
    return (differences.mT @ weights[:, :, None])[:, :, 0]


def _argmaxable(rows: NDArray[np.float64], low: NDArray[np.float64], token: int) -> bool:
    """Whether some direction gives row `token` the largest product of all, alone."""
    differences = rows[token] - rows
    norms = np.linalg.norm(differences, axis=1)
    norms[token] = np.inf
    if norms.min() <= MARGIN:  # its twin always scores the same
        return False
    differences /= norms[:, None]
    direction, kept = np.maximum(rows[token], low), np.zeros(len(rows), np.bool_)
    while True:
        margins = differences @ direction
        margins[token] = np.inf
        if margins.min() > MARGIN:
            return True
        margins[kept] = np.inf
        worst = np.argsort(margins)[:ADDED]
        worst = worst[margins[worst] <= MARGIN]
        if not len(worst):
            return False
        kept[worst] = True
        direction, margin = _best_direction(differences[kept], low)
        if margin <= MARGIN:
            return False


def _best_direction(differences: NDArray[np.float64], low: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The x from `low` to 1 (d,) of largest min(D x), and that margin."""
    number, width = differences.shape
    goal = np.append(np.zeros(width), -1.0)
    bounds = [*((float(bound), 1.0) for bound in low), (None, 1.0)]
    found = linprog(goal, np.hstack([-differences, np.ones((number, 1))]), np.zeros(number), bounds=bounds)
    if not found.success:
        raise RuntimeError(f"linear program of an unargmaxable token: {found.message}")
    return found.x[:-1], -float(found.fun)


def seen_argmax(logits: torch.Tensor) -> NDArray[np.bool_]:
    """(V,) which tokens are the argmax of some row of logits (n, V)."""
    found = np.zeros(logits.shape[1], np.bool_)
    found[logits.argmax(1).unique().cpu().numpy()] = True
    return found


@metric
def columns(forward: "ForwardPass") -> dict[str, int | None]:
    """Their number, if asked for: it takes long."""
    if not forward.spec.unargmaxable:
        return {"unargmaxable_tokens": None}
    head = head_of(forward.model)
    weight = head.weight.detach().double().cpu().numpy()
    bias = None if head.bias is None else head.bias.detach().double().cpu().numpy()
    number = count_unargmaxable(weight, bias, len(forward.spec.counts), forward.argmax_seen)
    return {"unargmaxable_tokens": number}
