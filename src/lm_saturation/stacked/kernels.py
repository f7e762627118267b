"""The loss of narrow LM heads and its gradient, one token at a time in a core's first cache, compiled by numba.

A library's matrix products are slow with a handful of columns, and logits that leave the cache cost more than the
arithmetic. Here nothing of size tokens × vocabulary exists. Loops run along the vocabulary, which lies contiguous.
"""

import math

import numba
import numpy as np

LEAST = np.float32(-87.0)  # below it exp is 0 in float32 but for denormal numbers
LOG2_E = np.float32(1.44269504088896341)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # ln 2 in two parts (Cody & Waite)
# exp(r) = 1 + r + r²·polynomial on [−ln 2 / 2, ln 2 / 2], of Cephes' expf (Moshier): relative error below 2e-7
P0, P1, P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P3, P4, P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
HALF, ONE = np.float32(0.5), np.float32(1.0)
ANY_ORDER = {"reassoc", "contract", "nsz"}  # of sums, for vector instructions; NaN and infinity stay what they are


@numba.njit(cache=True, fastmath=ANY_ORDER)
def add_gradients(states, heads, next_tokens, rounded, with_gradient, losses, to_states, to_heads):
    """Write the loss of each token in nats, and the gradients of the sum of them.

    `states` (M, T, d), `heads` (M, d, V), `next_tokens` (M, T); `rounded` (M,) says whose logits are bfloat16, whose
    states and heads must be already. `losses` (M, T) and `to_states` (M, T, d) are overwritten, to `to_heads`
    (M, d, V) is added; the last two are left alone unless `with_gradient`.
    """
    vocabulary = heads.shape[2]
    logits, powers = np.empty(vocabulary, np.float32), np.empty(vocabulary, np.float32)
    logit_bits, power_bits = logits.view(np.uint32), powers.view(np.int32)
    for model in range(len(states)):
        for token in range(states.shape[1]):
            state, target = states[model, token], next_tokens[model, token]
            largest = _products(state, heads[model], logits, logit_bits, rounded[model])
            known = logits[target]
            total = _exponentials(logits, powers, power_bits, largest)
            losses[model, token] = np.float32(math.log(total)) + (largest - known)
            if with_gradient:
                _scale(logits, ONE / total)
                logits[target] -= ONE
                if rounded[model]:
                    _round(logit_bits)
                _spread(logits, state, heads[model], to_states[model, token], to_heads[model])


@numba.njit(cache=True, fastmath=ANY_ORDER, inline="always")
def _products(state, head, logits, bits, half):
    """Fill in the logits (V,) of a state (d,), rounded to bfloat16 if `half`; returns the largest."""
    logits[:] = np.float32(0)
    for column in range(len(state)):
        factor, row = state[column], head[column]
        for at in range(len(logits)):
            logits[at] += factor * row[at]
    if half:
        _round(bits)
    largest = logits[0]
    for at in range(len(logits)):
        largest = max(largest, logits[at])
    return largest


@numba.njit(cache=True, fastmath=ANY_ORDER, inline="always")
def _spread(residual, state, head, to_state, to_head):
    """From the gradient in the logits (V,), write that in the state (d,), and add that in the head (d, V)."""
    for column in range(len(state)):
        factor, row, gradient = state[column], head[column], to_head[column]
        product = np.float32(0)
        for at in range(len(residual)):
            product += residual[at] * row[at]
        for at in range(len(residual)):
            gradient[at] += factor * residual[at]
        to_state[column] = product


@numba.njit(cache=True, fastmath=ANY_ORDER, inline="always")
def _scale(numbers, factor):
    for at in range(len(numbers)):
        numbers[at] *= factor


@numba.njit(cache=True, fastmath=ANY_ORDER, inline="always")
def _exponentials(logits, powers, power_bits, largest):
    """Replace logits (V,) by exp(logit − largest), and return their sum. `powers` is room, `power_bits` the same."""
    for at in range(len(logits)):
        value = max(logits[at] - largest, LEAST)
        exponent = np.floor(value * LOG2_E + HALF)
        rest = value - exponent * LN2_HIGH - exponent * LN2_LOW
        series = ((((P0 * rest + P1) * rest + P2) * rest + P3) * rest + P4) * rest + P5
        logits[at] = series * rest * rest + rest + ONE
        power_bits[at] = (np.int32(exponent) + np.int32(127)) << np.int32(23)  # 2^exponent as a float32
    total = np.float32(0)
    for at in range(len(logits)):
        logits[at] *= powers[at]
        total += logits[at]
    return total


@numba.njit(cache=True, inline="always")
def _round(bits):
    """Round float32 numbers, given by their bits (n,), to bfloat16: to the nearest, ties to even."""
    for at in range(len(bits)):
        value = bits[at]
        bits[at] = (value + np.uint32(0x7FFF) + ((value >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
