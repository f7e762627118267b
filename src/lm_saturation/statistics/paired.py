"""Standard errors of differences over the same text."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def paired_error(
    differences: NDArray[np.float64], weights: NDArray[np.float64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(steps,) standard errors of weighted means of paired differences (n, steps), NaN with one group.

    Groups (n,), 0 to one less than their number, are documents or sequences and vary as wholes: the linearised
    variance of a ratio of sums over clusters, times G/(G − 1) (Cochran 1977, Sampling Techniques, ch. 11). With equal
    weights and groups of one it is the standard deviation over √n.
    """
    number = int(groups.max()) + 1
    means = weights @ differences / weights.sum()
    sums = np.zeros((number, differences.shape[1]))
    np.add.at(sums, groups, weights[:, None] * (differences - means))
    if number < 2:
        return np.full(differences.shape[1], np.nan)
    return np.sqrt(number / (number - 1) * (sums**2).sum(0)) / weights.sum()


def paired_errors(losses: pd.DataFrame, reference: int) -> pd.Series:
    """The standard error, by step, of the mean loss of one model less that at step `reference`, over the same text.

    `losses` are rows of `sequence_losses`; pairs are of the same sequence and, where the table has it, document. Whole
    documents vary where they are known, else sequences. Text that lacks a checkpoint is left out.
    """
    keys = [key for key in ("sequence", "document") if key in losses]
    table = losses.pivot_table(index=keys, columns="step", values="loss_nats").dropna()
    weights = losses.drop_duplicates(keys).set_index(keys).tokens.reindex(table.index).to_numpy(float)
    groups = pd.factorize(table.index.get_level_values(keys[-1]))[0]
    differences = table.to_numpy() - table[[reference]].to_numpy()
    return pd.Series(paired_error(differences, weights, groups), index=table.columns)
