"""The claims about saturation, judged on the tables of checkpoints, on the paper's own curves and on evaluations.

Thresholds and their reasons were written down before any suite was measured; docs/claims.md says which with the paper's
numbers at hand, and how its own curves fare.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lm_saturation.claims.base import HERE, PAPER, PUBLISHED, Cut, claim, question
from lm_saturation.claims.needs import (
    ANISOTROPIC_MODELS,
    ANY_MODELS,
    FIVE_MODELS,
    LONG_TRAINING,
    NARROW_AND_WIDE,
    PAPER_CURVES,
    PUBLISHED_EVALUATIONS,
    SATURATING_MODELS,
)
from lm_saturation.saturation.thresholds import ANISOTROPY_ONSET, ENTROPY_INCREASE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from lm_saturation.statistics.decisions import Decisions

MINIMUM_CHECKPOINTS = 10  # past warm-up; with fewer, neither a minimum nor an onset can be seen
SMALL_MODEL = 410e6  # parameters, "up to 410M"
SMALL_HEAD, LARGE_HEAD = 768, 1024  # hidden sizes: the largest that degenerates in Fig 5, the smallest that does not
WIDE = 1000  # hidden dimensions, "less than 1000"
SMALLEST_INCREASE = 0.005  # nats/token: just below the least of the paper's saturating models, .0055 of 14M
# Parameters of the paper's models, and the tokens/parameter that they had seen at their best steps in Fig 1a.
PAPER_PARAMETERS = [14_067_712, 30_494_720, 70_426_624, 162_322_944, 405_334_016]
PAPER_BEST_STEPS = [35_000, 50_000, 50_000, 75_000, 140_000]
PAPER_TOKENS = [2_097_152 * step / size for step, size in zip(PAPER_BEST_STEPS, PAPER_PARAMETERS, strict=True)]
ONSET_METRICS = ("cross_entropy", "anisotropy", "singular_entropy")
LOST_ACCURACY_TASKS = ("lambada_openai", "sciq", "arc_easy")  # of Table 1, in the published evaluations
TRAINED = 20  # tokens/parameter, compute-optimal (Hoffmann et al. 2022): layers of models that saw less are unfinished
NAMES = ["suite", "model"]

SATURATES = Cut(SMALLEST_INCREASE, "just below the least increase of the models that the paper counts, .0055 of 14M")
NEAR = Cut(2, "half or twice the training; the paper says it by eye", half=2**0.5, twice=4)
FULL_RECOVERY = Cut(0.01, "1 % of the perplexity: a model that comes so near has recovered")  # nats/word


@claim(
    "Models of up to 410M parameters saturate: late in training their loss increases again (here: from its minimum to "
    f"the end, by more than 0; it does not where it is certainly below {SMALLEST_INCREASE} nats)",
    published="14M to 410M; read off Fig 1a: by 0.006 to 0.066 in 14M to 160M, 410M not",
    unit="nats/token",
    shown_in=("figure_1a", "saturation"),
    needs=LONG_TRAINING,
    cut=SATURATES,
)
def small_models_saturate(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Small models that were trained long enough."""
    seen = _seen(saturation)
    return _increases(seen[(seen.parameters <= SMALL_MODEL) & trained_enough(seen)], cut)


@small_models_saturate.also_on(PAPER)
def _(figure_1a: pd.DataFrame, cut: float) -> Decisions:
    """Fig 1a, with the errors of reading it off and of the paper's sample of 50,000 tokens."""
    return _figure_1a_increases(figure_1a, cut)


@claim(
    "On WikiText, the performance of models that saturate never fully recovers (here: in models whose last layer "
    "becomes anisotropic, log word perplexity ends above its minimum)",
    published="Fig 3: by 9 % to 13 % in 14M to 160M",
    unit="nats/word",
    shown_in=("figure_3",),
    needs=PAPER_CURVES,
    source=PAPER,
    cut=FULL_RECOVERY,
)
def never_recovers(figure_3: pd.DataFrame, cut: float) -> Decisions:
    """The models of Fig 3 whose colour passes the threshold."""
    from lm_saturation.evidence.paper_saturation import word_perplexities

    models = word_perplexities(figure_3)
    return _increases(models[models.anisotropy_onset_step.notna()], cut)


@question(
    "Does the held-out loss of models whose last layer becomes anisotropic end above its minimum? (14M's, in Fig 1a, "
    "comes back from 4.471 to 4.363, its minimum being 4.357)",
    unit="nats/token",
    shown_in=("figure_1a", "saturation"),
    needs=ANISOTROPIC_MODELS,
    cut=SATURATES,
)
def anisotropic_models_end_higher(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Models in which anisotropy sets in."""
    seen = _seen(saturation)
    return _increases(seen[seen.anisotropy_onset_step.notna()], cut)


@anisotropic_models_end_higher.also_on(PAPER)
def _(figure_1a: pd.DataFrame, figure_3: pd.DataFrame, cut: float) -> Decisions:
    """Those that Fig 3 shows to become anisotropic, on the held-out text of Fig 1a."""
    from lm_saturation.evidence.paper_saturation import word_perplexities

    models = word_perplexities(figure_3)
    anisotropic = models[models.anisotropy_onset_step.notna()].model
    return _figure_1a_increases(figure_1a[figure_1a.model.isin(anisotropic)], cut)


@claim(
    "Most layers of Transformer models are anisotropic to some extent, whatever the scale (here: the median over the "
    "layers of a model is above the cut)",
    published="Fig 2, by eye, 20 models",
    unit="mean cosine",
    shown_in=("figure_2", "saturation"),
    needs=ANY_MODELS,
    cut=Cut(0.2, "the last layers that the paper calls nearly isotropic reach .20"),
)
def most_layers_anisotropic(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Every trained model at its last step."""
    from lm_saturation.statistics.decisions import above, curves_of

    return above(curves_of(trained_for_use(saturation), "anisotropy_layers", name=NAMES), cut)


@most_layers_anisotropic.also_on(PAPER)
def _(figure_2: pd.DataFrame, cut: float) -> Decisions:
    """Fig 2 without the output of the embedding, within the errors of reading it off."""
    from lm_saturation.statistics.decisions import above, curves_of

    layers = figure_2[figure_2.layer > 0]
    layers = layers.assign(
        low=layers.anisotropy - layers.anisotropy_uncertainty, high=layers.anisotropy + layers.anisotropy_uncertainty
    )
    models = layers.groupby("model", sort=False)[["anisotropy", "low", "high"]].median().reset_index()
    return above(curves_of(models, "anisotropy", "low", "high", name=["model"]), cut)


@claim(
    "The last layer is either nearly isotropic or highly anisotropic (here: its mean cosine is within the cut of 0 or "
    "of 1)",
    published="Fig 2, by eye, 20 models",
    unit="mean cosine",
    shown_in=("figure_2", "saturation"),
    needs=ANY_MODELS,
    cut=Cut(0.25, "the outer quarters of the range are near its ends, the middle half is neither", twice=0.4),
)
def last_layer_dichotomy(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Every trained model at its last step."""
    return dichotomy(trained_for_use(saturation).assign(error=0.0), "anisotropy_final", NAMES, cut)


@last_layer_dichotomy.also_on(PAPER)
def _(figure_2: pd.DataFrame, cut: float) -> Decisions:
    """The last points of Fig 2."""
    last = figure_2.sort_values("layer", kind="stable").drop_duplicates("model", keep="last")
    return dichotomy(last.assign(error=last.anisotropy_uncertainty), "anisotropy", ["model"], cut)


def dichotomy(models: pd.DataFrame, value: str, name: list[str], cut: float) -> Decisions:
    """By the distance from the nearer end, within `error`; the curves are the values themselves."""
    import numpy as np

    from lm_saturation.statistics.decisions import below, curves_of

    at = models[value].astype(float)
    distance = np.minimum(at, 1 - at)
    models = models.assign(at_low=at - models.error, at_high=at + models.error)
    models = models.assign(distance=distance, low=distance - models.error, high=distance + models.error)
    decisions = below(curves_of(models, "distance", "low", "high", name=name), cut)
    return replace(decisions, curves=curves_of(models, value, "at_low", "at_high", name=name))


@claim(
    "Last-layer anisotropy separates the models that saturate from the others (here: at the end it is above the cut "
    "where the loss certainly increases again, and below where it certainly does not)",
    published="Fig 2: 0.98 to 0.99 in Pythia 14M to 160M, 0.14 to 0.20 above",
    unit="mean cosine",
    shown_in=("figure_2", "figure_3", "saturation"),
    needs=SATURATING_MODELS,
    cut=Cut(ANISOTROPY_ONSET, "the middle of the range", half=0.25, twice=0.75),
)
def anisotropy_separates(saturation: pd.DataFrame, cut: float) -> Decisions:
    """All models, if some certainly saturate and others certainly do not."""
    return _separates(_seen(saturation), cut, SMALLEST_INCREASE)


@anisotropy_separates.also_on(PAPER)
def _(figure_3: pd.DataFrame, cut: float) -> Decisions:
    """Fig 3: word perplexity of WikiText and the colour of its last step."""
    from lm_saturation.evidence.paper_saturation import word_perplexities

    return _separates(word_perplexities(figure_3), cut, FULL_RECOVERY.value)


def _separates(models: pd.DataFrame, cut: float, effect: float) -> Decisions:
    """Of models of which one certainly increases by more than 0 and another certainly by less than `effect`."""
    from lm_saturation.statistics.decisions import curves_of, decided

    status = _increases(models, effect)
    tested = (status.agrees | status.contradicts) & bool(status.agrees.any() and status.contradicts.any())
    models, saturates = models[tested], status.agrees[tested]
    curves = curves_of(models, "anisotropy_final", name=NAMES)
    return decided(curves, (models.anisotropy_final > cut).to_numpy() == saturates)


@claim(
    "Anisotropy increases abruptly near the saturation point (here: in every model that certainly saturates it passes "
    f"{ANISOTROPY_ONSET} within a factor of the step of lowest loss, the cut; and over the models nearer to it than a "
    "step that is drawn evenly from the training, p below .025)",
    published="Fig 3: 0.79 to 1.58; with the best steps of Fig 1a 1.17 to 1.22",
    unit="of the best step",
    shown_in=("figure_3", "saturation"),
    needs=SATURATING_MODELS,
    cut=NEAR,
)
def anisotropy_rises_at_saturation(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Models that saturate, or may, and in which anisotropy sets in."""
    return _at_saturation(_seen(saturation), "anisotropy_onset_step", cut, SMALLEST_INCREASE)


@anisotropy_rises_at_saturation.also_on(PAPER)
def _(figure_3: pd.DataFrame, cut: float) -> Decisions:
    """Fig 3."""
    from lm_saturation.evidence.paper_saturation import word_perplexities

    return _at_saturation(word_perplexities(figure_3), "anisotropy_onset_step", cut, FULL_RECOVERY.value)


@claim(
    "In models that saturate, the singular values of the head flatten and then spike (here: singular entropy falls to "
    f"a minimum, ends more than {ENTROPY_INCREASE} ln d above it, and at its steepest rises by so much as many times "
    "faster as the cut says than a steady rise from the minimum to the end)",
    published="Fig 5: 2.2 to 8.3 times as fast in 14M to 160M",
    unit="times as fast as a steady rise",
    shown_in=("figure_4", "figure_5", "saturation"),
    needs=SATURATING_MODELS,
    cut=Cut(2, "half of the steps of a steady rise; at 1 every rise would do"),
)
def singular_values_spike(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Models that saturate, or may, and in which singular entropy sets in."""
    return _sudden(_seen(saturation), cut, SMALLEST_INCREASE)


@singular_values_spike.also_on(PAPER)
def _(figure_3: pd.DataFrame, figure_5: pd.DataFrame, cut: float) -> Decisions:
    """Fig 5, of models that saturate by Fig 3."""
    from lm_saturation.evidence.paper_saturation import both_figures

    return _sudden(both_figures(figure_3, figure_5), cut, FULL_RECOVERY.value)


@claim(
    "The singular values of the head spike near the saturation point (here: as for anisotropy; the spike begins where "
    f"singular entropy starts its steepest rise by {ENTROPY_INCREASE} ln d)",
    published="Figs 3 and 5: 1.09 to 1.97; with the best steps of Fig 1a 1.33 to 1.70",
    unit="of the best step",
    shown_in=("figure_4", "figure_5", "saturation"),
    needs=SATURATING_MODELS,
    cut=NEAR,
)
def singular_values_spike_at_saturation(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Models that saturate, or may, and in which singular entropy sets in."""
    return _at_saturation(_seen(saturation), "singular_entropy_rise_start_step", cut, SMALLEST_INCREASE)


@singular_values_spike_at_saturation.also_on(PAPER)
def _(figure_3: pd.DataFrame, figure_5: pd.DataFrame, cut: float) -> Decisions:
    """The steepest rises of Fig 5 against the best steps of Fig 3."""
    from lm_saturation.evidence.paper_saturation import both_figures

    models = both_figures(figure_3, figure_5)
    return _at_saturation(models, "singular_entropy_rise_start_step", cut, FULL_RECOVERY.value)


@claim(
    "The singular entropy of small heads degenerates, that of large heads does not (here: d up to "
    f"{SMALL_HEAD} and from {LARGE_HEAD}; it ends above its minimum by more than the cut, a share of ln d, or by less)",
    published="Fig 5: 0.83 to 0.93 for d up to 768, 0.01 from 1024",
    unit="of ln d",
    shown_in=("figure_5", "saturation"),
    needs=NARROW_AND_WIDE,
    cut=Cut(ENTROPY_INCREASE, "a tenth of the range of singular entropy, 0 to ln d"),
)
def small_heads_degenerate(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Heads of models that were trained long enough, if there are both small and large ones."""
    seen = _seen(saturation)
    enough = seen[trained_enough(seen) | (seen.hidden_size >= LARGE_HEAD)]
    return _degenerate(enough.assign(singular_entropy_error=0.0), cut)


@small_heads_degenerate.also_on(PAPER)
def _(figure_5: pd.DataFrame, cut: float) -> Decisions:
    """Fig 5."""
    from lm_saturation.evidence.paper_saturation import singular_entropies

    return _degenerate(singular_entropies(figure_5), cut)


def _degenerate(heads: pd.DataFrame, cut: float) -> Decisions:
    import numpy as np

    from lm_saturation.statistics.decisions import above, below, curves_of, joined

    scale = np.log(heads.hidden_size.astype(float))
    increase = (heads.singular_entropy_final - heads.singular_entropy_minimum) / scale
    half = _normal_half_width() * heads.singular_entropy_error / scale
    heads = heads.assign(increase=increase, low=increase - half, high=increase + half)
    small, large = heads[heads.hidden_size <= SMALL_HEAD], heads[heads.hidden_size >= LARGE_HEAD]
    if small.empty or large.empty:
        small, large = small[:0], large[:0]
    curves = [curves_of(part, "increase", "low", "high", name=NAMES) for part in (small, large)]
    return joined([above(curves[0], cut), below(curves[1], cut)])


@claim(
    "A small width is necessary for saturation: models with 1000 hidden dimensions or more do not saturate (here: from "
    "best to last checkpoint, log perplexity of LAMBADA increases by less than the cut)",
    published="less than 1000 hidden dimensions",
    unit="nats/word",
    shown_in=("figure_natural_experiments", "ability_saturation"),
    needs=PUBLISHED_EVALUATIONS,
    source=PUBLISHED,
    cut=Cut(0.29, "what Pythia-160M loses in Table 1 as printed: from 24.6 to 32.9"),
)
def small_width_necessary(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    """Every published training at least so wide, and number of shots."""
    lost = ability_saturation
    return _lost_perplexity(lost[_published(lost)], cut)


@small_width_necessary.also_on(HERE)
def _(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    """The suites that are evaluated here."""
    lost = ability_saturation
    return _lost_perplexity(lost[~_published(lost)], cut)


@small_width_necessary.also_on(PAPER)
def _(figure_3: pd.DataFrame, cut: float) -> Decisions:
    """Fig 3: word perplexity of WikiText, of 410M alone."""
    from lm_saturation.evidence.paper_saturation import word_perplexities

    models = word_perplexities(figure_3)
    return _does_not_increase(models[models.hidden_size >= WIDE], "difference", NAMES, cut)


@claim(
    "A small width is necessary for the loss of abilities: models with 1000 hidden dimensions or more keep theirs "
    "(here: from best to last checkpoint, their accuracy in LAMBADA, SciQ and ARC-easy falls by less than the cut on "
    "average)",
    published="less than 1000 hidden dimensions",
    unit="share of the items",
    shown_in=("ability_saturation",),
    needs=PUBLISHED_EVALUATIONS,
    source=PUBLISHED,
    cut=Cut(0.039, "what Pythia-160M loses in Table 1 as printed, on average over these tasks"),
)
def small_width_necessary_accuracy(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    """Every published training at least so wide."""
    lost = ability_saturation
    return _does_not_increase(_mean_accuracy_lost(lost[_published(lost)]), "lost", NAMES, cut)


@small_width_necessary_accuracy.also_on(HERE)
def _(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    """The suites that are evaluated here."""
    lost = ability_saturation
    return _does_not_increase(_mean_accuracy_lost(lost[~_published(lost)]), "lost", NAMES, cut)


@question(
    "Do loss, anisotropy and singular entropy set in in the same order over the models of a suite, as one cause would "
    "have it? (rank correlation of their onsets over models, exact p below .05; four models cannot show it)",
    unit="Spearman correlation",
    shown_in=("onset_correlation",),
    needs=FIVE_MODELS,
)
def onsets_in_order(onset_correlation: pd.DataFrame) -> Decisions:
    """Every pair of the three metrics, in every suite where it has a correlation."""
    table = onset_correlation
    return _in_order(table[table.metric.isin(ONSET_METRICS) & table.other.isin(ONSET_METRICS)])


@onsets_in_order.also_on(PAPER)
def _(figure_3: pd.DataFrame, figure_5: pd.DataFrame) -> Decisions:
    """The best steps and anisotropy of Fig 3, and the minima of Fig 5."""
    import pandas as pd

    from lm_saturation.evidence.paper_saturation import both_figures
    from lm_saturation.saturation.onset_correlation import correlation_rows

    models = both_figures(figure_3, figure_5)
    saturates = _increases(models, FULL_RECOVERY.value).agrees
    onsets = {
        "cross_entropy": models.best_step.where(saturates),
        "anisotropy": models.anisotropy_onset_step,
        "singular_entropy": models.singular_entropy_onset_step,
    }
    parts = [models.assign(metric=metric, onset_step=steps, suite="Figs 3 and 5") for metric, steps in onsets.items()]
    return _in_order(pd.DataFrame(correlation_rows(pd.concat(parts))))


def _in_order(pairs: pd.DataFrame) -> Decisions:
    """By the exact p-value of either direction; the power is 0 where no order of so few models could pass."""
    import numpy as np

    from lm_saturation.statistics.decisions import ERROR, curves_of, decided, holm

    pairs = pairs[pairs.spearman.notna()].astype({"spearman": float, "p_value": float})
    curves = curves_of(pairs, "spearman", name=["suite", "metric", "other"])
    positive, halved = (pairs.spearman > 0).to_numpy(), pairs.p_value.to_numpy() / 2
    agrees, contradicts = (
        holm(np.where(same, halved, 1 - halved)) <= ERROR for same in (positive, (pairs.spearman < 0).to_numpy())
    )
    decisions = decided(curves, agrees, contradicts)
    orders = np.array([float(np.prod(np.arange(1, models + 1, dtype=float))) for models in pairs.models])
    return replace(decisions, power=np.where(len(pairs) / orders > ERROR, 0.0, np.nan))


def trained_enough(table: pd.DataFrame) -> pd.Series:
    """Has each model seen as many tokens/parameter as the paper's model of its size had at its minimum of the loss?

    Between the paper's sizes that number is interpolated on logarithms, outside it is that of the nearest.
    """
    import numpy as np

    size = np.log(table.parameters.to_numpy(float))
    minimum = np.exp(np.interp(size, np.log(PAPER_PARAMETERS), np.log(PAPER_TOKENS)))
    return table.tokens_per_parameter >= 0.999 * minimum  # the table's numbers are rounded


def _seen(saturation: pd.DataFrame) -> pd.DataFrame:
    """The models with enough checkpoints."""
    return saturation[saturation.late_checkpoints >= MINIMUM_CHECKPOINTS]


def trained_for_use(saturation: pd.DataFrame) -> pd.DataFrame:
    """The models that are trained for use; those whose tokens are not known were published as such."""
    tokens = saturation.tokens_per_parameter
    return saturation[tokens.isna() | (tokens >= TRAINED)]


def _increases(models: pd.DataFrame, effect: float) -> Decisions:
    """Does the loss of each model increase again: certainly, certainly not, or is it open?"""
    from lm_saturation.statistics.decisions import above, curves_of

    models = models.astype({"difference_low": float, "difference_high": float})
    return above(curves_of(models, "difference", "difference_low", "difference_high", name=NAMES), 0, effect)


def _figure_1a_increases(figure_1a: pd.DataFrame, effect: float) -> Decisions:
    from lm_saturation.evidence.paper_curves import minimum_losses
    from lm_saturation.statistics.decisions import above, curves_of

    minima = minimum_losses(figure_1a)
    return above(curves_of(minima, "increase_nats", "increase_low", "increase_high", name=["model"]), 0, effect)


def _that_may_saturate(models: pd.DataFrame, onset: str, effect: float) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The models that certainly saturate, and those that may and in which there is an onset; which are certain.

    A model that saturates without an onset counts against a claim about onsets, one that may is no evidence.
    """
    status = _increases(models, effect)
    seen = models[onset].notna() & (models.best_step > 0)
    tested = status.agrees | (~status.contradicts & seen.to_numpy())
    return models[tested], status.agrees[tested]


def _at_saturation(models: pd.DataFrame, onset: str, factor: float, effect: float) -> Decisions:
    """Do onsets come within a factor of the best step, and over the models nearer to it than chance has it?

    A model agrees if both hold and it certainly saturates; one that does and is not within the factor contradicts. Of
    a model without an onset the last step is shown.
    """
    import numpy as np

    from lm_saturation.saturation.onset_timing import nearer_by_chance, timing_p_values, timing_power
    from lm_saturation.saturation.thresholds import WARM_UP_SHARE
    from lm_saturation.statistics.decisions import ERROR, curves_of, decided

    models, certain = _that_may_saturate(models, onset, effect)
    best, last, came = (models[name].to_numpy(float) for name in ("best_step", "final_step", onset))
    ratio = np.where(np.isnan(came), last, came) / best
    near = ~np.isnan(came) & (ratio >= 1 / factor) & (ratio <= factor)
    curves = curves_of(models.assign(ratio=ratio), "ratio", name=NAMES)
    if not len(models):
        return decided(curves, near)
    spacing = (1 - WARM_UP_SHARE) * last / models.late_checkpoints.to_numpy(float)
    found = timing_p_values(nearer_by_chance(came, best, last, spacing)) <= ERROR
    power = timing_power(factor, best, last, spacing, ERROR)
    contradicts = certain & ~near
    decisions = decided(curves, near & found & certain, contradicts)
    return replace(decisions, power=np.where(contradicts, np.nan, power))


def _sudden(models: pd.DataFrame, cut: float, effect: float) -> Decisions:
    """How many times faster than steadily from its minimum to its end does singular entropy rise at its steepest?

    The interval is that of the spacing of checkpoints, within which a rise can be any steeper. A model that certainly
    saturates and whose singular entropy does not set in contradicts, at 0 times.
    """
    import numpy as np

    from lm_saturation.statistics.decisions import curves_of, decided

    models, certain = _that_may_saturate(models, "singular_entropy_onset_step", effect)
    increase = models.singular_entropy_final - models.singular_entropy_minimum
    share = ENTROPY_INCREASE * np.log(models.hidden_size.astype(float)) / increase
    steady = share * (models.final_step - models.singular_entropy_onset_step)
    fewest = models.singular_entropy_rise_steps_low.astype(float).replace(0, np.nan)
    speed = steady / models.singular_entropy_rise_steps
    rose = models.singular_entropy_onset_step.notna()
    models = models.assign(speed=speed.where(rose, 0.0), slowest=speed.where(rose, 0.0), fastest=steady / fewest)
    curves = curves_of(models, "speed", "slowest", "fastest", name=NAMES)
    slower = ~rose | (models.fastest < cut)
    return decided(curves, (speed >= cut).to_numpy() & certain, slower.to_numpy() & certain)


def _published(lost: pd.DataFrame) -> pd.Series:
    """Rows of ability_saturation that are EleutherAI's evaluations of Pythia."""
    return lost.suite.isin(["pythia-v0", "pythia-v1"])


def _lost_perplexity(lost: pd.DataFrame, cut: float) -> Decisions:
    wide = lost[(lost.hidden_size >= WIDE) & (lost.task == "lambada_openai") & (lost.metric == "perplexity")]
    return _does_not_increase(wide, "lost", [*NAMES, "num_fewshot"], cut)


def _does_not_increase(rows: pd.DataFrame, value: str, name: list[str], cut: float) -> Decisions:
    """Is what is lost certainly less than the cut? It contradicts if it certainly is more than nothing."""
    from lm_saturation.statistics.decisions import below, curves_of

    return below(curves_of(rows, value, f"{value}_low", f"{value}_high", name=name), cut, cut)


def _mean_accuracy_lost(lost: pd.DataFrame) -> pd.DataFrame:
    """Of each wide training, the mean over tasks of the accuracy that it loses, with an interval.

    Shots of a task share their items: their errors count as one. Tasks are independent.
    """
    import numpy as np
    import pandas as pd

    wide = lost[(lost.hidden_size >= WIDE) & (lost.metric == "acc") & lost.task.isin(LOST_ACCURACY_TASKS)]
    wide = wide.assign(middle=(wide.lost_low + wide.lost_high) / 2, half=(wide.lost_high - wide.lost_low) / 2)
    rows = []
    for (suite, model), own in wide.groupby(NAMES, sort=False):
        tasks = own.groupby("task")[["lost", "middle", "half"]].mean()
        middle, half = tasks.middle.mean(), np.sqrt((tasks.half**2).sum(skipna=False)) / len(tasks)
        ends = {"lost_low": middle - half, "lost_high": middle + half}
        rows.append({"suite": suite, "model": model, "lost": tasks.lost.mean(), **ends})
    return pd.DataFrame(rows, columns=[*NAMES, "lost", "lost_low", "lost_high"])


def _normal_half_width() -> float:
    """Half the width of a 95 % interval, in standard errors."""
    from scipy import stats

    from lm_saturation.statistics.decisions import ERROR

    return float(stats.norm.isf(ERROR))
