"""Every metric of a model: when it sets in and by how much it changes after its best step.

Saturation of the loss is what arXiv 2404.07647 (section 3, Fig 1a) calls so: the held-out loss has a minimum and
increases again before training ends. Onsets of the other metrics are those that one reads off its Figs 3 and 5; all
definitions are in docs/method/saturation.md. Checkpoints marked as duplicates are left out, for nobody knows at which
step they were saved.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.io.logs import log
from lm_saturation.saturation.onsets import Numbers, anisotropy_saturation, entropy_saturation, loss_saturation
from lm_saturation.saturation.thresholds import ENOUGH_DOCUMENTS

ANISOTROPY = ["anisotropy", "anisotropy_centred"]
PIECE = ["sequence", "document"]
ENTROPY = ["singular_entropy", "singular_entropy_centred"]


def saturation_rows(metrics: pd.DataFrame, losses: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of table saturation of all models, from their checkpoint_metrics and sequence_losses.

    Raises InputError if the checkpoints of a model were not measured on the same sequences.
    """
    by_model = dict(iter(losses.groupby("model")))
    groups = metrics.groupby("model", sort=False)
    rows = [row for model, group in groups for row in model_rows(group, by_model[model])]
    documents = min((row["documents"] for row in rows if row["documents"]), default=ENOUGH_DOCUMENTS)
    if documents < ENOUGH_DOCUMENTS:
        log.warning(
            "intervals of the loss increase rest on %d documents only; with fewer than %d small increases may not be "
            "seen: take more text, a larger held_out.minimum_documents or a larger metrics.tokens",
            documents,
            ENOUGH_DOCUMENTS,
        )
    return rows


def model_rows(metrics: pd.DataFrame, losses: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per metric of one model, from its checkpoint_metrics and sequence_losses; none if all are duplicates.

    Raises InputError if its checkpoints were not measured on the same sequences.
    """
    metrics = metrics[metrics.duplicate_of.isna()].sort_values("step")
    if metrics.empty:
        return []
    steps = metrics.step.to_numpy()
    rows = {"cross_entropy": loss_saturation(steps, *_loss_matrix(losses, metrics))}
    rows |= {name: anisotropy_saturation(steps, metrics[name].to_numpy()) for name in ANISOTROPY}
    width = int(metrics.hidden_size.iloc[0])
    rows |= {name: entropy_saturation(steps, metrics[name].to_numpy(), width) for name in ENTROPY}
    names = {key: metrics[key].iloc[0] for key in ("suite", "model", "parameters")}
    return [{**names, "metric": metric, **row} for metric, row in rows.items()]


def _loss_matrix(losses: pd.DataFrame, metrics: pd.DataFrame) -> tuple[Numbers, Numbers, NDArray[np.int64]]:
    """(steps, pieces) the losses of the checkpoints in `metrics`, the tokens of each piece, and its document.

    A piece of text is what of a document is in a sequence.
    """
    losses = losses[losses.step.isin(metrics.step)]
    table = losses.pivot_table(index="step", columns=PIECE, values="loss_nats")
    tokens = losses.groupby(PIECE).tokens.agg(["min", "max"])
    same = len(table) == len(metrics) and not table.isna().any(axis=None) and (tokens["min"] == tokens["max"]).all()
    if not same or (metrics.sample_sha256 != metrics.sample_sha256.iloc[0]).any():
        name = "/".join(metrics[["suite", "model"]].iloc[0])
        raise InputError(
            f"metrics of {name}: its checkpoints were not all measured on the same sequences; "
            "delete the tables of that model and run again"
        )
    documents = table.columns.get_level_values("document").to_numpy(np.int64)
    return table.to_numpy(), tokens["min"].to_numpy(float), documents
