"""The claims of Su Jianlin 2023 about tied embeddings, judged on the tables of `table_tied`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lm_saturation.claims.base import SHIPPED, SU, Context, Cut, claim, question
from lm_saturation.claims.needs import REAL_TEXT, SHIPPED_TRAININGS, TIED_LONG, TIED_STUDY

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Curves, Decisions

USUAL = 0.02  # σ of BERT and GPT-2
START = ("figure_tied_initial_loss",)
TRAINED = ("figure_tied_convergence", "figure_tied_end", "tied_comparison", "shipped_tied_comparison")
ENDED = ("figure_tied_end", "tied_comparison", "shipped_tied_comparison")
SETTING = ["tokenizer", "residual_scale"]
SIZE = ["vocabulary_size", "width"]

HOLDS = Cut(0.01, "0.1 nats where the loss is log n; log 2, which the formula is to tell apart, is seven times as much")
FAR = Cut(1.0, "a nat is a factor of 2.7 in perplexity; the formula gives 4.5 nats above log n for GPT-2 and BERT")
NEAR = Cut(0.05, "half a nat: an eighth of what plain tying is off by for GPT-2 and BERT")
POWER_OF_WIDTH = Cut(0.25, "such powers are whole or half numbers: half of the distance of two of them")
MEAN_NORM = Cut(0.05, "a tenth of what σ = (log n)/d takes from σ² at the width of GPT-2 and BERT")
NORM_VARIANCE = Cut(0.2, "uniform entries of the same σ have 60 % less: a third of what tells them from Gaussian ones")
RARE = Cut(0.01, "a share p of repeats lowers the loss by p·dσ: what the formula for the loss may be off by")
UNDERFLOWS = Cut(0.01, "one entry in a hundred: a sum over d entries does not feel fewer")
MORE = Cut(0.1, "one entry in ten: the gradient's direction hardly depends on fewer small ones")
SPEED = Cut(0.1, "a tenth of the steps: retuning the learning rate by a factor of 3 changes as much")
QUALITY = Cut(0.01, "what a tenth more parameters give a model of 100M (Hoffmann et al. 2022)")


@claim(
    f"The initial loss is about log(e^(dσ) + n − 1) (here: within {HOLDS.value:.0%} of the loss at every σ, for each n "
    "and d; the σ where it is furthest off)",
    published="log(e^(dσ) + n − 1)",
    unit="formula minus loss, share of the loss",
    shown_in=START,
    needs=TIED_STUDY,
    paper=SU,
    cut=HOLDS,
)
def tied_initial_loss_formula(tied_initial_loss: pd.DataFrame, cut: float) -> Decisions:
    """Plain tying, as sampled."""
    plain = tied_initial_loss[tied_initial_loss.remedy == "plain"]
    off, error = (plain.su_2023_nats - plain.loss_nats) / plain.loss_nats, plain.loss_error / plain.loss_nats
    return _alike_at_every_sigma(plain.assign(value=off, error=error), cut)


@claim(
    f"At the start LayerNorm and RMSNorm are about the same (here: the initial loss changes by less than "
    f"{HOLDS.value:.0%} at every σ, for each n and d; the σ where it changes most)",
    published="about the same",
    unit="LayerNorm minus RMSNorm, share of the loss",
    shown_in=("tied_norms",),
    needs=TIED_STUDY,
    paper=SU,
    cut=HOLDS,
)
def layer_norm_is_rms_norm(tied_norms: pd.DataFrame, cut: float) -> Decisions:
    """Plain tying, the same inputs with both."""
    loss = tied_norms.rms_norm_nats
    changes = tied_norms.assign(value=tied_norms.difference_nats / loss, error=tied_norms.difference_error / loss)
    return _alike_at_every_sigma(changes, cut)


@claim(
    "The next token is rarely the current one (here: in less than 1 % of the places, for each text)",
    published="rarely",
    unit="share of the places",
    shown_in=("language_models",),
    needs=REAL_TEXT,
    paper=SU,
    cut=RARE,
)
def next_token_rarely_repeats(language_models: pd.DataFrame, context: Context, cut: float) -> Decisions:
    """Natural text; errors are over documents."""
    from lm_saturation.statistics.decisions import below

    texts = language_models[~language_models.corpus.isin(context.synthetic) & language_models.repeat_share.notna()]
    documents = texts.train_documents + texts.held_out_documents
    rows = texts.assign(value=texts.repeat_share, error=texts.repeat_error, freedom=documents - 1)
    return below(_with_errors(rows, ["corpus", "tokenizer"]), cut)


@claim(
    f"The squared norm of an embedding is dσ² on average (here: within {MEAN_NORM.value:.0%}, for each n and d)",
    published="dσ²",
    unit="share off dσ²",
    shown_in=("tied_moments",),
    needs=TIED_STUDY,
    paper=SU,
    cut=MEAN_NORM,
)
def tied_norm_mean(tied_moments: pd.DataFrame, cut: float) -> Decisions:
    """Embeddings at σ² = 1/d, as sampled."""
    return _off_theory(tied_moments, "squared_norm_mean", cut)


@claim(
    f"The squared norm of an embedding has variance 2dσ⁴ (here: within {NORM_VARIANCE.value:.0%}, for each n and d)",
    published="2dσ⁴",
    unit="share off 2dσ⁴",
    shown_in=("tied_moments",),
    needs=TIED_STUDY,
    paper=SU,
    cut=NORM_VARIANCE,
)
def tied_norm_variance(tied_moments: pd.DataFrame, cut: float) -> Decisions:
    """Embeddings at σ² = 1/d, as sampled."""
    return _off_theory(tied_moments, "squared_norm_variance", cut)


@claim(
    "At σ² = 1/d the inner product of two embeddings has variance 1/d³ (here: the power of d, within "
    f"{POWER_OF_WIDTH.value}; one curve per vocabulary)",
    published="-3; a misprint for -1",
    unit="power of d",
    shown_in=("tied_moments",),
    needs=TIED_STUDY,
    paper=SU,
    cut=POWER_OF_WIDTH,
)
def tied_inner_product_moment(tied_moments: pd.DataFrame, cut: float) -> Decisions:
    """The slope of the logarithm against log d, by least squares, with the error that its points have."""
    import numpy as np
    import pandas as pd

    from lm_saturation.statistics.decisions import within

    slopes = []
    for size, rows in tied_moments[tied_moments.moment == "inner_product_square"].groupby("vocabulary_size"):
        if len(rows) > 1:
            places = np.log(rows.width) - np.log(rows.width).mean()
            weights = places / (places**2).sum()
            error = float(np.sqrt((weights**2) @ (rows.error / rows.value) ** 2))
            slopes.append((size, float(weights @ np.log(rows.value)), error, np.inf))
    table = pd.DataFrame(slopes, columns=["vocabulary_size", "value", "error", "freedom"])
    return within(_with_errors(table, ["vocabulary_size"]), -3 - cut, -3 + cut)


@claim(
    f"A model with tied embeddings starts far above log n (here: by more than {FAR.value:g} nat, models of "
    "transformers with layers, at their own initialisation)",
    published="about dσ, if residual branches start near zero",
    unit="nats above log n",
    shown_in=("figure_tied_initial_loss", "tied_models"),
    needs=TIED_STUDY,
    paper=SU,
    cut=FAR,
)
def tied_models_start_high(tied_models: pd.DataFrame, cut: float) -> Decisions:
    """Tied models with layers; errors are over sequences."""
    from lm_saturation.statistics.decisions import above

    tied = tied_models[(tied_models.tied == 1) & (tied_models.layers > 0)]
    excess = tied.loss_nats - tied.log_vocabulary_nats
    rows = tied.assign(value=excess, error=tied.loss_error, freedom=tied.sequences - 1)
    return above(_with_errors(rows, ["family", "layers"]), cut)


@claim(
    f"Every remedy brings the initial loss to log n (here: within {NEAR.value:.0%} of it at σ = {USUAL}, the largest "
    "vocabulary and width, where plain tying is further off; one curve per remedy)",
    published="log n",
    unit="share of log n above it",
    shown_in=START,
    needs=TIED_STUDY,
    paper=SU,
    cut=NEAR,
)
def tied_remedies_start_low(tied_initial_loss: pd.DataFrame, cut: float) -> Decisions:
    """Tested only where the grid holds the usual σ, and plain tying is further off than the cut."""
    from lm_saturation.statistics.decisions import alike

    losses = tied_initial_loss
    at = (losses.vocabulary_size == losses.vocabulary_size.max()) & (losses.width == losses.width.max())
    rows = losses[at & ((losses.sigma == USUAL) | (losses.remedy == "scaled"))]
    log_size = rows.log_vocabulary_nats
    rows = rows.assign(value=(rows.loss_nats - log_size) / log_size, error=rows.loss_error / log_size)
    plain = rows.remedy == "plain"
    tested = rows[~plain & bool((rows.value[plain] > cut).any())]
    return alike(_with_errors(tested.assign(freedom=tested.rows - 1), ["remedy"]), cut)


@claim(
    f"A small σ underflows in half precision (here: at σ = (log n)/d, where that is below {USUAL}, more than "
    f"{UNDERFLOWS.value:.0%} of the embedding's entries do in float16)",
    published="not stated in numbers",
    unit="share of the entries",
    shown_in=("tied_underflow",),
    needs=TIED_STUDY,
    paper=SU,
    cut=UNDERFLOWS,
)
def small_sigma_underflows(tied_underflow: pd.DataFrame, cut: float) -> Decisions:
    """Below the smallest normal number of float16, by vocabulary and width."""
    from lm_saturation.statistics.decisions import above

    entries = _in_float16(tied_underflow, "embedding")
    small = entries[(entries.remedy == "scaled") & (entries.sigma < USUAL)]
    return above(_with_errors(small, SIZE), cut)


@question(
    "Does more of the head's gradient underflow in float16 for that small σ? (without loss scaling; yes: the share is "
    f"more than {MORE.value:.0%} of the entries larger than at σ = {USUAL}, no: it is not)",
    unit="share of the entries",
    shown_in=("tied_underflow",),
    needs=TIED_STUDY,
    paper=SU,
    cut=MORE,
)
def small_sigma_loses_gradients(tied_underflow: pd.DataFrame, cut: float) -> Decisions:
    """The share at σ = (log n)/d less that at the usual σ, by vocabulary and width."""
    from lm_saturation.statistics.decisions import above

    entries = _in_float16(tied_underflow, "head gradient")
    small = entries[(entries.remedy == "scaled") & (entries.sigma < USUAL)]
    usual = entries[(entries.remedy == "plain") & (entries.sigma == USUAL)]
    both = small.merge(usual, on=SIZE, suffixes=("", "_usual"))
    error = (both.error**2 + both.error_usual**2) ** 0.5
    return above(_with_errors(both.assign(value=both.value - both.value_usual, error=error), SIZE), cut)


@claim(
    "With σ = (log n)/d models converge slowest (here: they take more steps than with each other remedy, to "
    "the loss that plain ones have after half of their training)",
    published="slowest",
    unit="share of their steps more",
    shown_in=TRAINED,
    needs=TIED_STUDY,
    paper=SU,
    cut=SPEED,
)
def scaled_embedding_converges_slowest(tied_comparison: pd.DataFrame, cut: float) -> Decisions:
    """Every other remedy but plain tying, against it; the cut is the least that counts as slower.

    Where models with the small σ do not reach the loss, they take at least so many steps.
    """
    from lm_saturation.statistics.decisions import above

    slower = _against(_at_premise(tied_comparison), "steps_to_loss", "scaled", sign=-1)
    slower = slower[~slower.remedy.isin(["plain", "scaled"]) & (slower.unreached == 0)]
    decisions = above(_over_seeds(slower), 0.0, cut)
    return replace(decisions, contradicts=decisions.contradicts & (slower.reference_unreached == 0).to_numpy())


@claim(
    f"The other remedies converge alike (here: steps to that loss within {SPEED.value:.0%} of their mean)",
    published="alike",
    unit="share of the mean steps",
    shown_in=TRAINED,
    needs=TIED_STUDY,
    paper=SU,
    cut=SPEED,
)
def other_remedies_converge_alike(tied_comparison: pd.DataFrame, cut: float) -> Decisions:
    """Each of the others against their mean, if all reach the loss."""
    from lm_saturation.statistics.decisions import alike

    others = _against(_at_premise(tied_comparison), "steps_to_loss", "others")
    reached = (others.unreached == 0) & (others.reference_unreached == 0)
    return alike(_over_seeds(others[~others.remedy.isin(["plain", "scaled"]) & reached]), cut)


@claim(
    f"With all of them the final quality is alike (here: losses within {QUALITY.value:.0%} of their mean, once "
    "training has flattened)",
    published="alike",
    unit="share of the mean loss",
    shown_in=ENDED,
    needs=TIED_LONG,
    paper=SU,
    cut=QUALITY,
)
def remedies_end_alike(tied_comparison: pd.DataFrame, cut: float) -> Decisions:
    """Each remedy against the mean of all."""
    return _end_alike(_at_premise(tied_comparison), cut)


@claim(
    f"No remedy is better in the end than plain tying (here: it lowers the loss by less than {QUALITY.value:.0%}, once "
    "training has flattened)",
    published="none",
    unit="share of the loss gained",
    shown_in=ENDED,
    needs=TIED_LONG,
    paper=SU,
    cut=QUALITY,
)
def remedies_gain_nothing(tied_comparison: pd.DataFrame, cut: float) -> Decisions:
    """Each remedy against plain tying, one-sided; the power is that for a remedy that gains nothing."""
    from lm_saturation.statistics.decisions import below

    curves = _over_seeds(_flat(_against(_at_premise(tied_comparison), "final_nats", "plain", sign=-1)))
    return replace(below(curves, cut), power=below(curves, cut, effect=cut).power)


@question(
    "Do remedies end alike also where residual branches start as Pythia's, which is not Su's premise? (here: losses "
    f"within {QUALITY.value:.0%} of their mean, once training has flattened)",
    unit="share of the mean loss",
    shown_in=ENDED,
    needs=TIED_LONG,
    paper=SU,
    cut=QUALITY,
)
def remedies_end_alike_without_the_premise(tied_comparison: pd.DataFrame, cut: float) -> Decisions:
    """Each remedy against the mean of all, at every scale of residual branches above 0."""
    return _end_alike(_beyond_premise(tied_comparison), cut)


for _trained in (
    scaled_embedding_converges_slowest,
    other_remedies_converge_alike,
    remedies_end_alike,
    remedies_gain_nothing,
    remedies_end_alike_without_the_premise,
):
    _trained.alike_on(SHIPPED, SHIPPED_TRAININGS, tied_comparison="shipped_tied_comparison")


def _at_premise(comparison: pd.DataFrame) -> pd.DataFrame:
    """Trainings whose residual branches start at zero, as Su (2023) has it."""
    return comparison[comparison.residual_scale == 0]


def _beyond_premise(comparison: pd.DataFrame) -> pd.DataFrame:
    return comparison[comparison.residual_scale > 0]


def _end_alike(comparison: pd.DataFrame, cut: float) -> Decisions:
    from lm_saturation.statistics.decisions import alike

    return alike(_over_seeds(_flat(_against(comparison, "final_nats", "all"))), cut)


def _alike_at_every_sigma(rows: pd.DataFrame, margin: float) -> Decisions:
    """Is a value within the margin at every σ? The σ whose interval reaches furthest stands for a size.

    `rows` have value, error and rows. As one of several it has an interval that is wider, after Bonferroni.
    """
    import numpy as np
    from scipy import stats

    from lm_saturation.statistics.decisions import ERROR, alike

    sigmas = rows.groupby(SIZE).value.transform("size")
    noise = rows.error * stats.t.isf(ERROR / sigmas, rows.rows - 1)
    furthest = (rows.value.abs() + noise).groupby([rows[name] for name in SIZE]).idxmax()
    wider = rows.assign(error=noise / stats.norm.isf(ERROR), freedom=np.inf).loc[furthest]
    return alike(_with_errors(wider, SIZE), margin)


def _off_theory(moments: pd.DataFrame, moment: str, margin: float) -> Decisions:
    """Is a sampled moment within the margin, a share, of theory?"""
    import numpy as np

    from lm_saturation.statistics.decisions import alike

    rows = moments[moments.moment == moment]
    off = rows.assign(value=rows.value / rows.theory - 1, error=rows.error / rows.theory, freedom=np.inf)
    return alike(_with_errors(off, SIZE), margin)


def _in_float16(underflow: pd.DataFrame, quantity: str) -> pd.DataFrame:
    rows = underflow[(underflow.precision == "float16") & (underflow.quantity == quantity)]
    return rows.assign(value=rows.underflow_share, error=rows.underflow_error, freedom=rows.rows - 1)


def _with_errors(rows: pd.DataFrame, name: list[str]) -> Curves:
    """Curves of the columns value, error (a standard error) and freedom (its degrees of freedom)."""
    from scipy import stats

    from lm_saturation.statistics.decisions import ERROR, curves_of

    half = rows.error * stats.t.isf(ERROR, rows.freedom.to_numpy(float))
    ends = rows.assign(low=rows.value - half, high=rows.value + half)
    return curves_of(ends, "value", "low", "high", name=name, freedom="freedom")


def _against(comparison: pd.DataFrame, quantity: str, reference: str, sign: int = 1) -> pd.DataFrame:
    """Differences of that quantity from a reference, as shares of its mean; with `sign` −1 those of the reference."""
    rows = comparison[(comparison.quantity == quantity) & (comparison.reference == reference)]
    ends = rows[["low", "high"]].to_numpy(float) * sign
    shares = {"value": rows.difference * sign, "low": ends.min(axis=1), "high": ends.max(axis=1)}
    return rows.assign(**{name: values / rows.reference_mean for name, values in shares.items()})


def _flat(rows: pd.DataFrame) -> pd.DataFrame:
    """Those whose trainings have flattened, all that are compared."""
    from lm_saturation.tied.comparison import FLAT

    return rows[rows.doubling_gain.astype(float) < FLAT]


def _over_seeds(rows: pd.DataFrame) -> Curves:
    """Curves with Student's intervals over seeds, in which models are paired."""
    from lm_saturation.statistics.decisions import curves_of

    name = [*SETTING, "remedy"]
    return curves_of(rows.assign(freedom=rows.seeds - 1), "value", "low", "high", name=name, freedom="freedom")
