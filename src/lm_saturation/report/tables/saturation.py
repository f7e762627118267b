"""Saturation in numbers, one row per model."""

import pandas as pd

from lm_saturation.figures.panels import KEYS, by_size
from lm_saturation.io.tables import table_columns
from lm_saturation.saturation.thresholds import WARM_UP_SHARE

COLUMNS = [*KEYS, "step", "tokens", "duplicate_of", "parameters", "hidden_size"]
COLUMNS += ["loss_on_unigram_text"]  # all of checkpoint_metrics
LOSS = {"best_step": "best_step", "best": "best_loss", "final_step": "final_step", "final": "final_loss"}
INTERVAL = ["difference", "difference_low", "difference_high", "documents", "saturates"]
RISE = ["rise_start_step", "rise_steps", "rise_steps_low"]
LAYERS = [*KEYS, "step", "layer", "state", "anisotropy"]  # of layer_metrics
OTHERS = ["anisotropy", "anisotropy_centred", "singular_entropy", "singular_entropy_centred"]


def saturation_table(saturation: pd.DataFrame, metrics: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """One row per model: its loss, then minimum, last value and onset of every other metric; suites in order."""
    loss = saturation[saturation.metric == "cross_entropy"].rename(columns=LOSS)
    rows = loss[[*KEYS, "parameters", "checkpoints", *LOSS.values(), *INTERVAL]]
    for metric in OTHERS:
        names = {"best": f"{metric}_minimum", "final": f"{metric}_final", "onset_step": f"{metric}_onset_step"}
        columns = saturation[saturation.metric == metric].rename(columns=names)[[*KEYS, *names.values()]]
        rows = rows.merge(columns, on=KEYS)
    entropy = saturation[saturation.metric == "singular_entropy"][[*KEYS, *RISE]]
    rows = rows.merge(entropy.rename(columns={name: f"singular_entropy_{name}" for name in RISE}), on=KEYS)
    rows = rows.merge(facts(metrics), on=KEYS).merge(layer_medians(rows, layers), on=KEYS)
    return by_size(rows.assign(step=0))[list(table_columns("table_saturation"))]


def facts(metrics: pd.DataFrame) -> pd.DataFrame:
    """Of each model: hidden size, tokens/parameter at the end, checkpoints past warm-up, loss on unigram text."""
    own = metrics[metrics.duplicate_of.isna()]
    last = own.groupby(KEYS).step.transform("max")
    own = own.assign(unigram=own.loss_on_unigram_text.astype(float))
    late = own[own.step >= WARM_UP_SHARE * last].groupby(KEYS)
    late = late.agg(late_checkpoints=("step", "size"), loss_on_unigram_text_minimum=("unigram", "min")).reset_index()
    ends = own[own.step == last].drop_duplicates(KEYS)
    ends = ends.assign(
        tokens_per_parameter=ends.tokens.astype(float) / ends.parameters, loss_on_unigram_text_final=ends.unigram
    )
    names = ["hidden_size", "tokens_per_parameter", "loss_on_unigram_text_final"]
    return ends[[*KEYS, *names]].merge(late, on=KEYS)


def layer_medians(models: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """Of each model at its last step: the median anisotropy of its layers, as Fig 2 has them, without the embedding.

    The last layer counts once, after the final norm.
    """
    final = layers.merge(models[[*KEYS, "final_step"]], on=KEYS)
    final = final[(final.step == final.final_step) & (final.layer > 0)]
    ordered = final.sort_values("state", key=lambda state: state == "after_norm", kind="stable")
    drawn = ordered.drop_duplicates([*KEYS, "layer"], keep="last")
    return drawn.groupby(KEYS).anisotropy.median().rename("anisotropy_layers").reset_index()
