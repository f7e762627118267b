"""The least loss of d dimensions behind a softmax, by L-BFGS from several starts; from fewer dimensions to more.

Every loss found is certain from above: these H and W have it. That no others have less is not proven, since the problem
is not convex (each half, H given W, is); what the search can do is tested on laws whose answer is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lm_saturation.config.causes import SearchOptions
from lm_saturation.io.logs import log
from lm_saturation.softmax_rank.laws import NextTokenLaws
from lm_saturation.softmax_rank.objective import Problem
from lm_saturation.softmax_rank.starts import STARTS, Start, warm
from lm_saturation.softmax_rank.thresholds import ENOUGH

Numbers = NDArray[np.float64]
MEMORY = 20  # corrections that L-BFGS keeps
LAST = 0.1  # share of the iterations whose gain is reported


@dataclass(frozen=True)
class Optimum:
    """The best logits found: H (C, d), W (V, d), their loss and gap in nats, and how the search ended.

    `gradient_norm` is that of the scaled problem; `last_gain_nats` what the last tenth of the iterations gained;
    `converged` whether the tolerance ended the search; `start` where it began; `spread_nats` how far apart the starts
    were after their trial.
    """

    states: Numbers
    head: Numbers
    loss_nats: float
    gap_nats: float
    start: str
    spread_nats: float
    iterations: int
    gradient_norm: float
    last_gain_nats: float
    converged: bool

    @property
    def dimension(self) -> int:
        """D."""
        return self.head.shape[1]

    @property
    def norm_product(self) -> float:
        """Max ‖h_c‖ · max ‖w_v‖: no logit is larger."""
        return float(np.linalg.norm(self.states, axis=1).max() * np.linalg.norm(self.head, axis=1).max())


def optima(
    laws: NextTokenLaws,
    dimensions: Sequence[int],
    options: SearchOptions,
    norm_product: float | None = None,
    tighter: Mapping[int, Optimum] = MappingProxyType({}),
) -> Iterator[Optimum]:
    """The best found at each of the dimensions, rising; each search also begins at the solution before it.

    `tighter` are solutions by dimension under a tighter bound, where searches begin, too.

    Where the gap is negligible the dimensions end: more cannot cost more.
    """
    before = None
    for dimension in sorted(dimensions):
        before = optimum(laws, dimension, options, norm_product, before, tighter.get(dimension))
        log.info(
            "d = %d: gap %.4f nats, from %s, %d iterations, last gain %.1e",
            *(dimension, before.gap_nats, before.start, before.iterations, before.last_gain_nats),
        )
        yield before
        if before.gap_nats <= ENOUGH:
            return


def optimum(
    laws: NextTokenLaws,
    dimension: int,
    options: SearchOptions,
    norm_product: float | None = None,
    narrower: Optimum | None = None,
    tighter: Optimum | None = None,
) -> Optimum:
    """The best found at one dimension; `narrower` is a solution of fewer, `tighter` one under a tighter bound.

    It is not worse than either, but for the small noise in the dimensions added to the narrower one.
    """
    rng = np.random.default_rng([options.seed, dimension])
    begun: dict[str, Start] = {name: STARTS[name](laws, dimension, rng) for name in options.starts}
    if narrower is not None:
        begun["warm"] = warm(narrower.states, narrower.head, dimension, rng)
    if tighter is not None:
        begun["bounded"] = tighter.states, tighter.head
    problem = Problem(laws, dimension, norm_product)
    tried = options.trial_iterations
    trials = {name: _search(problem, problem.vector(*start), options, tried) for name, start in begun.items()}
    best = min(trials, key=lambda name: trials[name].losses[-1])
    spread = max(trial.losses[-1] for trial in trials.values()) - trials[best].losses[-1]
    found = trials[best]
    if not found.converged and options.iterations > tried:
        more = _search(problem, found.vector, options, options.iterations - tried)
        found = _Search(more.vector, found.losses + more.losses[1:], more.gradient_norm, more.converged)
    states, head = problem.parameters(found.vector)
    return Optimum(
        states=states,
        head=head,
        loss_nats=found.losses[-1],
        gap_nats=found.losses[-1] - laws.entropy_nats,
        start=best,
        spread_nats=spread,
        iterations=len(found.losses) - 1,
        gradient_norm=found.gradient_norm,
        last_gain_nats=found.losses[-1 - round(LAST * (len(found.losses) - 1))] - found.losses[-1],
        converged=found.converged,
    )


@dataclass(frozen=True)
class _Search:
    """Where a search ended: the loss at its start and after each iteration, the norm of the last gradient."""

    vector: Numbers
    losses: list[float]
    gradient_norm: float
    converged: bool


def _search(problem: Problem, vector: Numbers, options: SearchOptions, iterations: int) -> _Search:
    losses = [problem(vector)[0]]
    found = minimize(
        problem,
        vector,
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(float(intermediate_result.fun)),
        options={
            "maxiter": iterations,
            "maxfun": 2 * iterations + 20,
            "maxcor": MEMORY,
            "ftol": options.tolerance / max(1.0, losses[0]),
            "gtol": 0.0,
        },
    )
    return _Search(found.x, losses, float(np.linalg.norm(found.jac)), bool(found.status == 0))
