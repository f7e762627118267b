"""The initial loss of a network with tied embeddings: the formula of Su Jianlin 2023 (kexue.fm 9698), and a second.

n tokens have embeddings w_i in R^d with entries N(0, σ²). Residual branches start at zero, so the state of input i is
x_i = w_i / rms(w_i), whose norm is √d, and p(j|i) ∝ exp(x_i · w_j). Assumed of the text: the next token is any of the
n − 1 *other* tokens, equally likely, so that its logit has mean 0 and the loss is that of log Σ_j exp(x_i · w_j).
(If a token could follow itself as often as any other, the loss would be dσ/n lower.)

Su (2023) takes the self-logit x_i · w_i as dσ and every other exp(x_i · w_j) as 1: log(e^{dσ} + n − 1). But given x_i,
the other logits are N(0, dσ²) exactly, since ‖x_i‖² = d, so that the mean of their exp is e^{dσ²/2}:

    L ≈ log(e^{dσ} + (n − 1) e^{dσ²/2}).

At the remedy σ = (log n)/d Su's formula gives log(2n − 1), log 2 above log n, and is up to (log n)²/(2d) nats too low
there: less than 1 % of log n only from d = 50 log n on. The second formula takes the log of a mean for the mean of a
log. That holds while the n − 1 terms average out, dσ² < 2 log n (the freezing point of the random energy model, Derrida
1981); beyond it the largest of them, near σ √(2d log n), dominates the sum. With d > 2 log n the self-logit is larger
still and hides this. Where the self-logit and the rest are about equal, the spread of self-logits, with variance about
dσ²/2, raises the mean of the log a little.
"""

import math

import numpy as np


def su_2023_loss(vocabulary_size: int, width: int, sigma: float) -> float:
    """The approximation of Su (2023), log(e^{dσ} + n − 1), nats."""
    return float(np.logaddexp(width * sigma, math.log(vocabulary_size - 1)))


def expected_loss(vocabulary_size: int, self_logit: float, variance: float) -> float:
    """The second formula, log(e^{self} + (n − 1) e^{variance/2}), nats; `variance` is that of the other logits."""
    return float(np.logaddexp(self_logit, math.log(vocabulary_size - 1) + variance / 2))
