"""A language whose true rank, entropy and unigram law are known exactly, to test every number against.

Order 4: the next token depends on the four tokens before it. The tokens fall into G classes; the four classes
of a context are looked up in a random table that names one of r states; each state k has its own distribution
B_k over the V tokens. So the matrix of conditional distributions, one row for each of the V^4 contexts, has
exactly the r rows of B, and rank r.

Every B_k gives a class the same total probability. Classes are then independent of the past, every state has the
known stationary probability rho_k, and the state-weighted mean of B is, by construction, exactly the Zipf law.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.text.sources.synthetic import CONTEXT, maximum_rank, token_classes

SPREAD = 0.9  # how far a state's distribution departs from the unigram law, relative to it; below 1


@dataclass(frozen=True)
class SyntheticLanguage:
    """The language. `rank` r, `vocabulary_size` V; `zipf_exponent` s gives unigram probabilities ~ 1/i^s.

    Raises ValueError if r is not between 1 and V - classes + 1, the highest that the construction can reach.
    """

    vocabulary_size: int
    rank: int
    zipf_exponent: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        highest = maximum_rank(self.vocabulary_size, self.rank)
        if not 1 <= self.rank <= highest:
            raise ValueError(f"rank is {self.rank}; with {self.vocabulary_size} tokens it can be 1 to {highest}")

    @property
    def classes(self) -> int:
        """G, the smallest number of classes with at least r different contexts of four."""
        return token_classes(self.rank)

    @cached_property
    def unigram(self) -> NDArray[np.float64]:
        """(V,) stationary probability of each token: Zipf's law."""
        law = np.arange(1, self.vocabulary_size + 1) ** -float(self.zipf_exponent)
        return law / law.sum()

    @cached_property
    def token_class(self) -> NDArray[np.int64]:
        """(V,) class of each token: dealt out in turn, so that every class has frequent and rare ones."""
        return np.arange(self.vocabulary_size) % self.classes

    @cached_property
    def class_probability(self) -> NDArray[np.float64]:
        """(G,) stationary probability of each class."""
        return np.bincount(self.token_class, self.unigram).astype(np.float64)

    @cached_property
    def state_of_classes(self) -> NDArray[np.int64]:
        """(G,)*4 the state that each four classes lead to; every state occurs."""
        states = np.resize(np.arange(self.rank), self.classes**CONTEXT)
        self._rng("states").shuffle(states)
        return states.reshape((self.classes,) * CONTEXT)

    @cached_property
    def state_probability(self) -> NDArray[np.float64]:
        """(r,) stationary probability rho of each state."""
        p = self.class_probability
        context_probability = np.einsum("a,b,c,d->abcd", p, p, p, p)
        return np.bincount(self.state_of_classes.ravel(), context_probability.ravel(), self.rank).astype(np.float64)

    @cached_property
    def conditional(self) -> NDArray[np.float64]:
        """(r, V) B: the distinct rows of the true conditional matrix."""
        if self.rank == 1:
            return self.unigram[None]
        departure = np.cbrt(self._rng("departure").uniform(-1, 1, (self.rank, self.vocabulary_size)))
        for group in range(self.classes):  # keep every class's total probability
            members = self.token_class == group
            departure[:, members] -= (departure[:, members] @ self.unigram[members] / self.unigram[members].sum())[
                :, None
            ]
        departure -= self.state_probability @ departure  # keep the unigram law
        return self.unigram * (1 + SPREAD / np.abs(departure).max() * departure)

    @cached_property
    def entropy_nats(self) -> float:
        """True entropy of the next token given its context, nats/token."""
        rows = self.conditional
        return float(-self.state_probability @ (rows * np.log(rows)).sum(1))

    def states(self, contexts: NDArray[Any]) -> NDArray[np.int64]:
        """The state, so the row of `conditional`, of each context; contexts (n, 4) are token ids."""
        return self.state_of_classes[tuple(self.token_class[contexts].T)]

    def sample(self, length: int, document: int) -> NDArray[np.int64]:
        """`length` tokens of the document with that number, begun from the stationary law."""
        rng = self._rng(f"document {document}")
        groups = rng.choice(self.classes, size=length + CONTEXT, p=self.class_probability)
        states = self.state_of_classes[tuple(groups[i : i + length] for i in range(CONTEXT))]
        uniform = rng.random(length)
        tokens = np.empty(length, np.int64)
        for state, group in {*zip(states.tolist(), groups[CONTEXT:].tolist(), strict=True)}:
            here = (states == state) & (groups[CONTEXT:] == group)
            members = np.flatnonzero(self.token_class == group)
            law = np.cumsum(self.conditional[state, members])
            tokens[here] = members[np.searchsorted(law, uniform[here] * law[-1], side="right")]
        return tokens

    def documents(self, tokens: int, document_length: int) -> Iterator[str]:
        """`tokens` tokens as documents of words "w0", "w1", ... of at most `document_length` words."""
        words = np.array([f"w{token}" for token in range(self.vocabulary_size)])
        for number, start in enumerate(range(0, tokens, document_length)):
            yield " ".join(words[self.sample(min(document_length, tokens - start), number)])

    def _rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])
