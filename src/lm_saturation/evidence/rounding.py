"""What rounding logits with a common offset must cost, and what published trainings with large offsets lost.

In exact arithmetic an offset that all logits share changes nothing. A float of p bits keeps a logit l to |l|·2^−p
only, so a large offset rounds away the differences that make the prediction.

resources/output_embeddings.csv: 140 GPTs of 5 sizes, trained in bfloat16 at 7 peak learning rates with four treatments
of the output embedding (arXiv 2601.02031). Their baseline grows offsets that the μ-loss prevents, so the difference of
their losses can be held against what rounding alone would cost.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

VOCABULARY = 50_304  # of these models
OFFSETS = 16  # within the rounding of the logged offset itself, over which the cost is averaged
FACTOR, NOISE = 2.0, 0.02  # a pair fits within a factor, or what seeds of such small models differ by (nats)
FLOATS = {"float16": 11, "bfloat16": 8}  # bits of precision
PAIR = ["size_millions", "peak_learning_rate"]

Numbers = NDArray[np.float64]


def rounded(values: Numbers, kind: str) -> Numbers:
    """The values in float16 or bfloat16, rounded to nearest, ties to even; none may overflow or be subnormal."""
    unit = np.exp2(np.floor(np.log2(np.maximum(np.abs(values), np.finfo(float).tiny))) + 1 - FLOATS[kind])
    return np.rint(values / unit) * unit


def rounding_cost(offset: float, spread: float, kind: str, vocabulary_size: int = VOCABULARY) -> float:
    """The expected increase of the loss, nats, when Gaussian logits of this spread and offset are rounded to `kind`.

    The logits are the (i + ½)/V quantiles; the next token is drawn from their softmax, so without rounding the loss is
    their entropy.
    """
    logits = spread * stats.norm.ppf((np.arange(vocabulary_size) + 0.5) / vocabulary_size)
    p = np.exp(logits)
    total = p.sum()
    error = rounded(logits + offset, kind) - offset - logits
    most = error.max()  # no exponential overflows
    return float(most + np.log((p / total) @ np.exp(error - most)) - (p / total) @ error)


def rounding_pairs(trainings: pd.DataFrame) -> pd.DataFrame:
    """One row per size and peak learning rate: the loss against training with μ-loss, and what rounding would cost.

    Columns size_millions, peak_learning_rate, logit_offset, logit_spread (of the training with μ-loss, whose logits
    have no offset that could have widened it), lost and predicted (nats/token), and fits: 1 if they agree within
    FACTOR or NOISE. The cost is averaged over the offsets that the logged one, a bfloat16 number, may stand for.
    """
    baseline, without = (trainings[trainings.method == method] for method in ("baseline", "muloss"))
    pairs = baseline.merge(without, on=PAIR, suffixes=("", "_without"), validate="one_to_one")
    pairs = pairs.assign(
        logit_offset=pairs.logits_mean_mean,
        logit_spread=pairs.logits_mean_std_without,
        lost=pairs.test_loss_nats - pairs.test_loss_nats_without,
    )
    predicted = [_averaged_cost(row.logit_offset, row.logit_spread) for row in pairs.itertuples()]
    pairs = pairs.assign(predicted=predicted)
    far = np.maximum(pairs.lost, pairs.predicted) > FACTOR * np.minimum(pairs.lost, pairs.predicted)
    pairs["fits"] = (~far | ((pairs.lost - pairs.predicted).abs() <= NOISE)).astype(int)
    columns = [*PAIR, "logit_offset", "logit_spread", "lost", "predicted", "fits"]
    return pairs[columns].sort_values(PAIR).reset_index(drop=True)


def _averaged_cost(offset: float, spread: float) -> float:
    half = abs(offset) * 2.0 ** -FLOATS["bfloat16"]
    places = offset + half * (2 * (np.arange(OFFSETS) + 0.5) / OFFSETS - 1)
    return float(np.mean([rounding_cost(float(place), spread, "bfloat16") for place in places]))


def head_collapse(trainings: pd.DataFrame) -> pd.DataFrame:
    """Of each size and peak learning rate, the most and the least degenerate head among the four treatments.

    Columns of PAIR, most and least (their treatments), most_share and least_share (σ_min/σ_max, percent), difference
    (loss with the most less that with the least degenerate head, nats/token).
    """
    rows = []
    for key, group in trainings.groupby(PAIR):
        ordered = group.sort_values("head_sigma_min_over_max_percent")
        most, least = ordered.iloc[0], ordered.iloc[-1]
        rows.append(
            dict(zip(PAIR, key, strict=True))
            | {
                "most": most.method,
                "least": least.method,
                "most_share": most.head_sigma_min_over_max_percent,
                "least_share": least.head_sigma_min_over_max_percent,
                "difference": most.test_loss_nats - least.test_loss_nats,
            }
        )
    return pd.DataFrame(rows)
