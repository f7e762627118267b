"""What the real weights of a published model say about the claims, and a question that they ask.

One checkpoint shows how a trained model is. Claims about what training does are not tested by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import HERE, REAL, Cut, question
from lm_saturation.claims.heads import TRAINED, small_heads_hurt
from lm_saturation.claims.needs import ANY_MODELS, INTERMEDIATE_CHECKPOINTS, PUBLISHED_MODEL
from lm_saturation.claims.saturation import last_layer_dichotomy, most_layers_anisotropic, small_models_saturate

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Decisions

UNSEEN = Cut(0.5, "most of the singular entropy; set after a first look at one real model, which was at .2", twice=0.8)


@question(
    "Is the degeneration of the LM head mostly what softmax cannot see? (here: without the mean row, which adds the "
    "same to every logit, singular entropy is below the cut, a share of what it is with it)",
    unit="share of the singular entropy",
    shown_in=("figure_centred", "real_weights"),
    needs=PUBLISHED_MODEL,
    source=REAL,
    cut=UNSEEN,
)
def degeneration_is_unseen(real_weights: pd.DataFrame, cut: float) -> Decisions:
    """Published models, as they lie."""
    from lm_saturation.evidence.real_weights import quantities
    from lm_saturation.statistics.decisions import below, curves_of

    models = quantities(real_weights)
    models = models.assign(share=models.singular_entropy_centred / models.singular_entropy)
    return below(curves_of(models, "share", name=["model"]), cut)


@degeneration_is_unseen.also_on(HERE, needs=ANY_MODELS)
def _(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Every trained model at its last step."""
    from lm_saturation.claims.saturation import trained_for_use
    from lm_saturation.statistics.decisions import below, curves_of

    models = trained_for_use(saturation)
    models = models.assign(share=models.singular_entropy_centred_final / models.singular_entropy_final)
    return below(curves_of(models, "share", name=["suite", "model"]), cut)


@most_layers_anisotropic.also_on(REAL, needs=PUBLISHED_MODEL)
def _(real_weights: pd.DataFrame, cut: float) -> Decisions:
    from lm_saturation.evidence.real_weights import quantities
    from lm_saturation.statistics.decisions import above, curves_of

    return above(curves_of(quantities(real_weights), "anisotropy_layers", name=["model"]), cut)


@last_layer_dichotomy.also_on(REAL, needs=PUBLISHED_MODEL)
def _(real_weights: pd.DataFrame, cut: float) -> Decisions:
    from lm_saturation.claims.saturation import dichotomy
    from lm_saturation.evidence.real_weights import quantities

    return dichotomy(quantities(real_weights).assign(error=0.0), "anisotropy", ["model"], cut)


@small_models_saturate.also_on(REAL, needs=INTERMEDIATE_CHECKPOINTS)
def _(real_weights: pd.DataFrame, cut: float) -> Decisions:
    """None: one checkpoint has no minimum to rise from."""
    from lm_saturation.statistics.decisions import above, exact

    del real_weights
    return above(exact([], []), 0, cut)


@small_heads_hurt.also_on(REAL, needs=PUBLISHED_MODEL)
def _(real_weights: pd.DataFrame, cut: float) -> Decisions:
    """Trainings whose full-rank head reaches the pretrained one's loss."""
    from lm_saturation.claims.heads import hurt
    from lm_saturation.evidence.real_weights import trained_heads

    heads = trained_heads(real_weights)
    return hurt(heads[heads.full_rank_gap_high <= TRAINED], cut)
