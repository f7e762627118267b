"""What published trainings say: seeds of Pythia, treatments of the output embedding, Gemstones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lm_saturation.claims.base import HERE, PUBLISHED, Cut, question
from lm_saturation.claims.needs import EIGHT_MODELS, PUBLISHED_TRAININGS
from lm_saturation.claims.saturation import MINIMUM_CHECKPOINTS, small_models_saturate

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Decisions

SMALL = ["14m", "31m", "70m", "160m", "410m"]  # "up to 410M"
SEED_SIZE = "160m"  # the largest size of the paper that saturates in one training and not in another
NARROW = 1000  # hidden dimensions
INCREASE = Cut(0.001, "four times the largest error that a mean over 2.1 million tokens can have")
MINIMUM_TRAININGS = 8  # of a correlation: with five its 95 % interval covers as little as .75, with eight at least .96
CORRELATION = Cut(0.71, "explains half of the variance (r² = .5)", twice=0.9)
COLLAPSED_COST = Cut(
    0.01, "below the paper's larger increases of the loss (0.05 to 0.07 nats), above rounding of the table"
)
NARROW_RISE = Cut(0.005, "below the smallest increase in the paper's Fig 1a, 0.0055 nats")
MODERATE_RATE = 0.01  # peak learning rate: above, the offsets of figure_rounding enter


@small_models_saturate.also_on(PUBLISHED, PUBLISHED_TRAININGS, unit="nats of divergence from the true next token")
def of_every_seed(seed_runs: pd.DataFrame) -> Decisions:
    """Trainings of at most 410M parameters."""
    from lm_saturation.statistics.decisions import above

    return above(_increases(seed_runs[seed_runs["size"].isin(SMALL)]), 0, INCREASE.value)


@question(
    f"Does the seed decide whether Pythia-{SEED_SIZE.upper()} saturates? (here: beyond the error of its divergence, "
    "some of ten trainings that differ in nothing else rise again and others do not)",
    unit="share of the seeds that rise",
    shown_in=("figure_seeds", "seed_runs"),
    needs=PUBLISHED_TRAININGS,
    source=PUBLISHED,
    cut=INCREASE,
)
def the_seed_decides(seed_runs: pd.DataFrame, cut: float) -> Decisions:
    """The seeds of one size, as one curve: yes if some rise and others, by less than the cut, do not."""
    import numpy as np

    from lm_saturation.statistics.decisions import above, decided, exact

    runs = seed_runs[(seed_runs["size"] == SEED_SIZE) & ~seed_runs.seed.str.startswith("warmup")]
    if len(runs) < 2:
        return decided(exact([], []), [])
    seeds = above(_increases(runs), 0, cut)
    both = seeds.agrees.any() and seeds.contradicts.any()
    alike = seeds.agrees.all() or seeds.contradicts.all()
    return decided(exact([SEED_SIZE], [float(np.mean(seeds.agrees))]), [both], [alike])


@question(
    "Does loss on random text of the unigram law tell which models saturate? (here: over trainings, the rank "
    "correlation of its increase with that of the loss on real text, or of the divergence from it, lies above the "
    "threshold)",
    unit="Spearman correlation",
    shown_in=("figure_seeds", "figure_unigram", "seed_runs", "saturation"),
    needs=PUBLISHED_TRAININGS,
    source=PUBLISHED,
    cut=CORRELATION,
)
def unigram_text_tells(seed_runs: pd.DataFrame, cut: float) -> Decisions:
    """All trainings; the interval is a bootstrap over trainings."""
    return _correlated(seed_runs, "increase", "unigram_increase", cut, ranks=True)


@unigram_text_tells.also_on(HERE, EIGHT_MODELS)
def _(saturation: pd.DataFrame, cut: float) -> Decisions:
    """Models of all suites, with the increase of their held-out loss."""
    seen = saturation[saturation.late_checkpoints >= MINIMUM_CHECKPOINTS]
    unigram = seen.loss_on_unigram_text_final - seen.loss_on_unigram_text_minimum
    rows = seen.assign(unigram_increase=unigram.astype(float)).dropna(subset=["unigram_increase"])
    return _correlated(rows, "difference", "unigram_increase", cut, ranks=True)


@question(
    "Is what large offsets of the logits come with what rounding to bfloat16 costs? (here: over sizes and learning "
    "rates, the correlation of the loss against training with μ-loss and the cost of rounding lies above the "
    "threshold)",
    unit="Pearson correlation",
    shown_in=("figure_rounding", "rounding_pairs"),
    needs=PUBLISHED_TRAININGS,
    source=PUBLISHED,
    cut=CORRELATION,
)
def offsets_cost_what_rounding_costs(rounding_pairs: pd.DataFrame, cut: float) -> Decisions:
    """All pairs; the interval is a bootstrap over pairs."""
    return _correlated(rounding_pairs, "lost", "predicted", cut, ranks=False)


@question(
    "Does a degenerate head cost loss by itself? (here: the loss of the most degenerate of four treatments lies "
    "above that of the least degenerate one by more than the threshold; peak learning rates whose offsets rounding "
    "does not reach)",
    unit="nats/token",
    shown_in=("head_collapse",),
    needs=PUBLISHED_TRAININGS,
    source=PUBLISHED,
    cut=COLLAPSED_COST,
)
def collapse_costs_loss(head_collapse: pd.DataFrame, cut: float) -> Decisions:
    """One value per size and learning rate; single trainings, so no interval."""
    from lm_saturation.statistics.decisions import above, curves_of

    rows = head_collapse[head_collapse.peak_learning_rate <= MODERATE_RATE]
    return above(curves_of(rows, "difference", name=["size_millions", "peak_learning_rate"]), cut)


@question(
    f"Do all models narrower than {NARROW} saturate? (here: Gemstones of width 256 to 768, 350e9 tokens, end above "
    "their lowest loss by more than the threshold)",
    unit="nats/token",
    shown_in=("gemstones",),
    needs=PUBLISHED_TRAININGS,
    source=PUBLISHED,
    cut=NARROW_RISE,
)
def narrow_gemstones_saturate(gemstones: pd.DataFrame, cut: float) -> Decisions:
    """Each narrow model on each held-out corpus; their sampling error is not published."""
    from lm_saturation.statistics.decisions import above, curves_of

    narrow = gemstones[gemstones.hidden_size < NARROW]
    return above(curves_of(narrow, "increase", name=["model", "corpus"]), cut)


def _increases(runs: pd.DataFrame) -> Any:
    from lm_saturation.statistics.decisions import curves_of

    return curves_of(runs, "increase", "increase_low", "increase_high", name=["size", "seed"])


def _correlated(rows: pd.DataFrame, one: str, other: str, cut: float, ranks: bool) -> Decisions:
    import numpy as np

    from lm_saturation.statistics.decisions import Curves, above, exact
    from lm_saturation.statistics.intervals import correlation_interval

    values = rows[[one, other]].to_numpy(float)
    if len(values) < MINIMUM_TRAININGS or (np.ptp(values, axis=0) == 0).any():
        return above(exact([], []), cut)
    value, low, high = correlation_interval(values, ranks)
    ends = (np.array([end]) for end in (value, low, high, np.inf))
    return above(Curves([f"{len(values)} trainings"], *ends), cut)
