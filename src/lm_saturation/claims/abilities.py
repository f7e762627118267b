"""Claims about abilities: what saturation costs (Table 1), and ability as a function of loss (arXiv 2403.15796).

Published evaluations are EleutherAI's of Pythia, version 0 and 1; the suites of the run are those evaluated here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lm_saturation.claims.base import CLAIMS, DU, HERE, PAPER, PUBLISHED, REAL, Cut, claim, question
from lm_saturation.claims.needs import (
    EMERGING_TASKS,
    EVALUATED_PYTHIA,
    EVALUATED_SUITE,
    PUBLISHED_EVALUATIONS,
    SATURATING_MODELS,
    TWO_TOKENIZERS,
)

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Curves, Decisions

SMALL_WIDTH = 1000  # hidden dimensions
NOISE = 0.25  # share of the variance of scores: below it they spread over twice as far as the errors of their items
CURVE = ["family", "loss_measure", "task", "num_fewshot", "metric"]  # what names a curve over loss
PERPLEXITIES = ["perplexity", "word_perplexity"]
AT_EQUAL_LOSS = {PUBLISHED: "figure_1a", HERE: "held_out"}  # losses of held-out text
TASKS = ["lambada_openai", "sciq", "arc_easy", "piqa", "cloze", "next_sentence"]  # small models are above chance in
OF_TABLE_1 = ["lambada_openai", "storycloze_2016", "wikitext", "sciq", "arc_easy"]
ITEMS = {"LAMBADA accuracy": 5153, "StoryCloze accuracy": 1871, "SciQ accuracy": 1000, "ARC-easy accuracy": 2376}
PYTHIA, SATURATED, SHOTS = "pythia-v1", "160m", 0  # of Table 1
NORMAL = 1.96  # standard errors in half a 95 % interval
LEAST_PERPLEXITY = Cut(0.09, "the smallest loss of perplexity in Table 1, WikiText's 30.47 to 33.4: 0.092 nats")
LEAST_ACCURACY = Cut(0.023, "the smallest loss of accuracy in Table 1, LAMBADA's 2.3 points")
FLAT = Cut(0.005, "one point of the score over the two nats that models lose on their way to the tipping point")
SAME_ABILITY = Cut(0.02, "two points, less than half of what the next size of Pythia adds in these tasks")
SAME_LOSS = Cut(0.1, "nats, a third of what ten times the parameters take off the loss of Pythia 410M to 12B in Fig 1b")


@claim(
    "The final checkpoint of Pythia-160M has a higher perplexity than its best in every task of Table 1 (here: the "
    "loss lies above 0; zero-shot)",
    published="LAMBADA 24.6 to 32.9, WikiText 30.47 to 33.4: by 0.29 and 0.09",
    unit="nats/word",
    shown_in=("table_1", "figure_3"),
    needs=PUBLISHED_EVALUATIONS,
    source=PAPER,
    cut=LEAST_PERPLEXITY,
)
def saturation_costs_perplexity(table_1: pd.DataFrame, figure_3: pd.DataFrame, cut: float) -> Decisions:
    """LAMBADA as printed, with the errors of the published evaluation; WikiText as drawn, with its own scatter."""
    import numpy as np
    import pandas as pd

    from lm_saturation.statistics.decisions import above, curves_of

    printed, published = (_cells(table_1, source, "LAMBADA perplexity") for source in ("paper", "published"))
    rows = [{"curve": "WikiText, Fig 3", **_lost_in_figure_3(figure_3)}]
    if len(printed) and len(published):
        lost = float(np.log(printed.value["final"] / printed.value["best"]))
        half = float(np.hypot(*((published.high - published.low) / 2 / published.value)[["best", "final"]]))
        rows.append({"curve": "LAMBADA, as printed", "lost": lost, "lost_low": lost - half, "lost_high": lost + half})
    table = pd.DataFrame(rows)
    return above(curves_of(table, "lost", "lost_low", "lost_high", name=["curve"]), 0, cut)


@saturation_costs_perplexity.also_on(PUBLISHED, needs=PUBLISHED_EVALUATIONS)
def _(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    return _lost(_published_of_table_1(ability_saturation, PERPLEXITIES), cut)


@saturation_costs_perplexity.also_on(REAL, needs=EVALUATED_PYTHIA)
def _(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    return _lost(_measured_of_table_1(ability_saturation, PERPLEXITIES), cut)


@claim(
    "The final checkpoint of Pythia-160M has a lower accuracy than its best in every task of Table 1 (here: the "
    "loss lies above 0; zero-shot)",
    published="by 2.3 to 6.2 points",
    unit="share of the items",
    shown_in=("table_1", "ability_saturation"),
    needs=PUBLISHED_EVALUATIONS,
    source=PAPER,
    cut=LEAST_ACCURACY,
)
def saturation_costs_accuracy(table_1: pd.DataFrame, cut: float) -> Decisions:
    """As printed, with the binomial errors of as many items; the choice of the best checkpoint is not undone."""
    import numpy as np

    from lm_saturation.statistics.decisions import above, curves_of, exact

    printed = table_1[(table_1.source == "paper") & table_1.column.isin(list(ITEMS))]
    if printed.empty:
        return above(exact([], []), 0, cut)
    shares = (
        printed.pivot_table(index="column", columns="checkpoint", values="value", aggfunc="first", observed=True) / 100
    )
    items = np.array([ITEMS[column] for column in shares.index])
    error = np.sqrt(sum(shares[checkpoint] * (1 - shares[checkpoint]) for checkpoint in ("best", "final")) / items)
    rows = shares.assign(lost=shares.best - shares.final, error=error).reset_index()
    rows = rows.assign(lost_low=rows.lost - NORMAL * rows.error, lost_high=rows.lost + NORMAL * rows.error)
    return above(curves_of(rows, "lost", "lost_low", "lost_high", name=["column"]), 0, cut)


@saturation_costs_accuracy.also_on(PUBLISHED, needs=PUBLISHED_EVALUATIONS)
def _(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    return _lost(_published_of_table_1(ability_saturation, ["acc"]), cut)


@saturation_costs_accuracy.also_on(REAL, needs=EVALUATED_PYTHIA)
def _(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    return _lost(_measured_of_table_1(ability_saturation, ["acc"]), cut)


@claim(
    "The final checkpoint of Pythia-160M has the scores printed in Table 1 (here: within a standard error of "
    "EleutherAI's evaluation)",
    published="LAMBADA 32.9 and 38, SciQ 73.4, ARC-easy 43.2",
    unit="standard errors of the published score",
    shown_in=("table_1",),
    needs=PUBLISHED_EVALUATIONS,
    source=PUBLISHED,
    cut=Cut(1, "the same weights on the same items: only the version of the harness can differ, not the items"),
)
def table_1_final(table_1: pd.DataFrame, cut: float) -> Decisions:
    """The columns that are both printed and published; perplexities and shares compare by their errors."""
    from lm_saturation.statistics.decisions import alike, curves_of

    final = table_1[(table_1.checkpoint == "final") & table_1.value.notna()]
    both = final[final.source == "paper"].merge(final[final.source == "published"], on="column")
    errors = (both.high_y - both.low_y) / (2 * NORMAL)
    return alike(
        curves_of(both.assign(distance=(both.value_x - both.value_y) / errors), "distance", name=["column"]), cut
    )


@claim(
    "WikiText's perplexity in Table 1 is that of Pythia-160M at its best and at its end (here: as in Fig 3)",
    published="30.47 and 33.4",
    unit="perplexity, printed less drawn",
    shown_in=("table_1", "figure_3"),
    needs=PUBLISHED_EVALUATIONS,
    source=PAPER,
    cut=Cut(0.1, "one in the last digit that is printed of both"),
)
def table_1_wikitext(table_1: pd.DataFrame, figure_3: pd.DataFrame, cut: float) -> Decisions:
    """The lowest and the last point of the curve, with the error of reading it."""
    import pandas as pd

    from lm_saturation.statistics.decisions import alike, curves_of

    printed, drawn = _cells(table_1, "paper", "WikiText perplexity"), _of_figure_3(figure_3)
    points = {"best": drawn.loc[drawn.word_perplexity.idxmin()], "final": drawn.iloc[-1]}
    rows = pd.DataFrame(
        [
            {
                "checkpoint": f"{name}, step {point.step:,}",
                "distance": printed.value[name] - point.word_perplexity,
                "error": point.word_perplexity_uncertainty,  # about two standard errors
            }
            for name, point in points.items()
            if name in printed.index
        ],
        columns=["checkpoint", "distance", "error"],
    )
    rows = rows.assign(low=rows.distance - rows.error, high=rows.distance + rows.error)
    return alike(curves_of(rows, "distance", "low", "high", name=["checkpoint"]), cut)


@claim(
    f"Models with fewer than {SMALL_WIDTH} hidden dimensions saturate (here: what LAMBADA perplexity loses by the "
    "end lies above 0, in every training of Pythia 70M and 160M, whatever its batches, version and text)",
    published="70M and 160M, version 1",
    unit="nats/word",
    shown_in=("figure_natural_experiments", "ability_saturation"),
    needs=PUBLISHED_EVALUATIONS,
    source=PUBLISHED,
    cut=LEAST_PERPLEXITY,
)
def narrow_models_saturate(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    """Is a small width sufficient? Every published training of one."""
    lost = ability_saturation
    narrow = (lost.hidden_size < SMALL_WIDTH) & _is_published(lost.suite)
    return _lost(lost[narrow & (lost.metric == "perplexity")], cut)


@question(
    "Does width alone decide what is lost? (Does every other training of Pythia 70M and 160M, with other batches, "
    "version or text, lose as much LAMBADA perplexity as version 1, with the same number of shots?)",
    unit="nats/word, lost less what version 1 loses",
    shown_in=("figure_natural_experiments", "ability_saturation"),
    needs=PUBLISHED_EVALUATIONS,
    source=PUBLISHED,
    cut=LEAST_PERPLEXITY,
)
def width_alone_decides(ability_saturation: pd.DataFrame, cut: float) -> Decisions:
    """Pairs of trainings of one size; their errors count as independent."""
    import numpy as np

    from lm_saturation.statistics.decisions import alike, curves_of

    lost = ability_saturation
    lost = lost[(lost.hidden_size < SMALL_WIDTH) & _is_published(lost.suite) & (lost.metric == "perplexity")]
    lost = lost.assign(middle=(lost.lost_low + lost.lost_high) / 2, half=(lost.lost_high - lost.lost_low) / 2)
    is_first = (lost.suite == PYTHIA) & (lost.model == lost.model.str.split("-").str[0])
    keys = ["hidden_size", "num_fewshot", "task"]
    pairs = lost[~is_first].merge(lost[is_first], on=keys, suffixes=("", "_first"))
    middle, half = pairs.middle - pairs.middle_first, np.hypot(pairs.half, pairs.half_first)
    pairs = pairs.assign(difference=pairs.lost - pairs.lost_first, low=middle - half, high=middle + half)
    return alike(curves_of(pairs, "difference", "low", "high", name=["suite", "model", "num_fewshot"]), cut)


@claim(
    "Models of all sizes do equally well at equal loss (here: ten times the parameters make up for as good as no "
    "loss at the same accuracy; tasks whose scores spread more than twice as far as the errors of their items)",
    published="by eye, 12 tasks",
    unit="nats a decade of size",
    shown_in=("figure_emergence", "emergence_fits"),
    needs=PUBLISHED_EVALUATIONS,
    paper=DU,
    source=PUBLISHED,
    cut=SAME_LOSS,
)
def one_curve_for_all_sizes(emergence_fits: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Published: losses of LAMBADA's last words and of WikiText, nats/word; here: held-out loss, nats/token."""
    return _shifts_nothing(ACCURACIES[source](emergence_fits), "size_shift", cut)


@claim(
    "The number of training tokens does not matter at equal loss (here: ten times the tokens make up for as good as "
    "no loss at the same accuracy; tasks as before)",
    published="by eye, 28 models of 0.3B to 1.5B parameters, 33B to 500B tokens",
    unit="nats a decade of tokens",
    shown_in=("figure_emergence", "emergence_fits"),
    needs=PUBLISHED_EVALUATIONS,
    paper=DU,
    source=PUBLISHED,
    cut=SAME_LOSS,
)
def token_budget_does_not_matter(emergence_fits: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Checkpoints of a model differ in tokens; their learning rate has not decayed, as that of the paper's had."""
    return _shifts_nothing(ACCURACIES[source](emergence_fits), "token_shift", cut)


@claim(
    "Loss in bits per byte of one public text is comparable between tokenizers (here: two suites with different "
    "tokenizers lie on one curve of accuracy over bits/byte)",
    published="a remedy that the paper names, not tested",
    unit="bits/byte, second suite against first",
    shown_in=("emergence_fits",),
    needs=TWO_TOKENIZERS,
    paper=DU,
    cut=Cut(0.03, "bits/byte, about 0.1 nats/token at four to five bytes a token, the margin of sizes"),
)
def bits_per_byte_compares_tokenizers(emergence_fits: pd.DataFrame, cut: float) -> Decisions:
    """Accuracies of the suites of the run together."""
    together = _telling(emergence_fits[emergence_fits.loss_measure == "bits_per_byte"])
    return _shifts_nothing(together, "suite_shift", cut)


@claim(
    "Performance grows as loss falls (here: the Spearman correlation of accuracy and loss; tasks as before, but MMLU)",
    published="-0.947 to -0.996",
    unit="Spearman correlation",
    shown_in=("figure_emergence", "emergence_fits"),
    needs=PUBLISHED_EVALUATIONS,
    paper=DU,
    source=PUBLISHED,
    cut=Cut(-0.9, "twice as far from -1 as the weakest that is published", half=-0.95, twice=-0.8),
)
def abilities_follow_loss(emergence_fits: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Accuracies, but of MMLU, which stays at chance where loss is high."""
    from lm_saturation.statistics.decisions import below

    fits = _telling(ACCURACIES[source](emergence_fits))
    return below(_over_models(fits[fits.task != "mmlu"], "spearman"), cut)


for _followed in (one_curve_for_all_sizes, token_budget_does_not_matter, abilities_follow_loss):
    _followed.alike_on(HERE, EVALUATED_SUITE)


def _emerges_in(*tasks: str) -> Callable[..., Decisions]:
    """The judge of a tipping point in the tasks of one benchmark, of suites evaluated here."""

    def judge(emergence_fits: pd.DataFrame, cut: float) -> Decisions:
        return _emerges(_accuracies_here(emergence_fits, tasks), cut)

    return judge


def _emerges_in_metric(metric: str) -> Callable[..., Decisions]:
    """The judge of tipping points in another metric, of tasks whose accuracy has one."""

    def judge(emergence_fits: pd.DataFrame, cut: float) -> Decisions:
        from lm_saturation.abilities.loss_points import POINT_KEYS

        accuracies, keys = _accuracies_here(emergence_fits), [key for key in POINT_KEYS if key != "metric"]
        found = accuracies[_emerges(accuracies, cut).agrees][keys]
        others = emergence_fits[emergence_fits.metric == metric]
        return _emerges(others.merge(found, on=keys), cut)

    return judge


for _name, _benchmark, _tasks, _needs in (
    ("mmlu_has_a_tipping_point", "MMLU", ["mmlu"], PUBLISHED_EVALUATIONS),
    ("ceval_has_a_tipping_point", "C-Eval", ["ceval-valid"], EMERGING_TASKS),
    ("gsm8k_has_a_tipping_point", "GSM8K", ["gsm8k"], EMERGING_TASKS),
    ("gsm8k_chinese_has_a_tipping_point", "GSM8K-Chinese", ["mgsm_direct_zh"], EMERGING_TASKS),
):
    claim(
        f"Accuracy in {_benchmark} stays at chance until the loss falls below a tipping point, and then grows (here: "
        "of a broken line with two free slopes, the one above the break is 0 and the one below is negative)",
        name=_name,
        published="2.2 nats/token of their corpus",
        unit="accuracy/nat above the break",
        shown_in=("figure_emergence", "emergence_fits"),
        needs=_needs,
        paper=DU,
        cut=FLAT,
    )(_emerges_in(*_tasks))


@CLAIMS["mmlu_has_a_tipping_point"].also_on(PUBLISHED)
def _(emergence_fits: pd.DataFrame, cut: float) -> Decisions:
    """MMLU, however many shots, over LAMBADA's and WikiText's loss."""
    return _emerges(_published_fits(emergence_fits)[lambda fits: fits.task == "mmlu"], cut)


for _name, _called, _metric in (
    ("tipping_points_survive_choice_probability", "the probability of the correct choice", "correct_choice_prob"),
    ("tipping_points_survive_brier_score", "the Brier score", "brier"),
):
    claim(
        f"What has a tipping point in accuracy has one in {_called} (here: the same test, tasks whose accuracy "
        "passes it)",
        name=_name,
        published="MMLU and C-Eval, by eye",
        unit="score/nat above the break",
        shown_in=("figure_emergence", "emergence_fits"),
        needs=EMERGING_TASKS,
        paper=DU,
        cut=FLAT,
    )(_emerges_in_metric(_metric))


@question(
    "Is the tipping point of MMLU a kink? (Does a broken curve, flat above, predict models better than every smooth "
    "one?)",
    unit="share of the variance that the kink explains beyond a smooth curve",
    shown_in=("figure_emergence", "emergence_fits"),
    needs=PUBLISHED_EVALUATIONS,
    paper=DU,
    source=PUBLISHED,
    cut=Cut(0.01, "a hundredth of the variance, beyond which no reader would see two curves as one"),
)
def mmlu_tips_at_a_kink(emergence_fits: pd.DataFrame, cut: float) -> Decisions:
    """Out of sample by model."""
    from lm_saturation.statistics.decisions import above, curves_of

    mmlu = _published_fits(emergence_fits)[lambda fits: fits.task == "mmlu"]
    ends = ("kink_advantage", "kink_advantage_low", "kink_advantage_high")
    return above(curves_of(mmlu, *ends, name=CURVE), 0, cut)


@question(
    "Is ability the same at equal held-out loss, before and after saturation? (Is the mean difference inside the "
    "margin? Models whose perplexity saturates, tasks in which small models beat chance)",
    unit="accuracy after minus before",
    shown_in=("figure_equal_loss", "equal_loss"),
    needs=PUBLISHED_EVALUATIONS,
    paper=DU,
    source=PUBLISHED,
    cut=SAME_ABILITY,
)
def same_ability_at_equal_loss(
    ability_saturation: pd.DataFrame, equal_loss: pd.DataFrame, source: str, cut: float
) -> Decisions:
    """Published: Pythia 70M to 410M at the loss of Fig 1a; here: suites at their held-out loss."""
    from lm_saturation.statistics.decisions import alike

    return alike(_pairs(ability_saturation, equal_loss, source), cut)


@question(
    "Is ability another at equal held-out loss, before and after saturation? (Does the interval of the mean "
    "difference lie on one side of 0? The same models and tasks)",
    unit="accuracy after minus before",
    shown_in=("figure_equal_loss", "equal_loss"),
    needs=PUBLISHED_EVALUATIONS,
    paper=DU,
    source=PUBLISHED,
    cut=SAME_ABILITY,
)
def other_ability_at_equal_loss(
    ability_saturation: pd.DataFrame, equal_loss: pd.DataFrame, source: str, cut: float
) -> Decisions:
    """Two-sided: above or below 0; the answer is no only where the difference is inside the margin."""
    from lm_saturation.statistics.decisions import Decisions, above, alike, below

    curves = _pairs(ability_saturation, equal_loss, source)
    more, less = above(curves, 0, cut), below(curves, 0, cut)
    differs = more.agrees | less.agrees
    return Decisions(curves, differs, alike(curves, cut).agrees & ~differs, more.power)


for _asked in (same_ability_at_equal_loss, other_ability_at_equal_loss):
    _asked.alike_on(HERE, SATURATING_MODELS)


def _is_published(suites: pd.Series) -> pd.Series:
    return suites.str.startswith("pythia-v")


def _cells(table_1: pd.DataFrame, source: str, column: str) -> pd.DataFrame:
    """The cells of a source and column, by checkpoint: of two definitions of the best, that of the column."""
    cells = table_1[(table_1.source == source) & (table_1.column == column) & (table_1.definition != "lowest loss")]
    return cells.set_index(cells.checkpoint.astype(str))


def _of_figure_3(figure_3: pd.DataFrame) -> pd.DataFrame:
    return figure_3[figure_3.model == f"pythia-{SATURATED}"].sort_values("step")


def _lost_in_figure_3(figure_3: pd.DataFrame) -> dict[str, float | None]:
    """What WikiText loses, nats/word, with an interval free of the choice of the best step."""
    import numpy as np

    from lm_saturation.abilities.score_scales import loss_scale, loss_scale_errors
    from lm_saturation.statistics.data_fission import increase_of_estimates

    perplexities = _of_figure_3(figure_3).word_perplexity.to_numpy()
    logs = loss_scale("word_perplexity", perplexities)
    errors = loss_scale_errors("word_perplexity", perplexities, np.full(len(perplexities), np.nan))
    low, high = increase_of_estimates(logs, errors)
    return {"lost": float(logs[-1] - logs.min()), "lost_low": low, "lost_high": high}


def _published_of_table_1(lost: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    return _of_table_1(lost[lost.suite == PYTHIA], metrics)


def _measured_of_table_1(lost: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Of Pythia's weights, as evaluated in this run."""
    return _of_table_1(lost[lost.suite.str.startswith("pythia") & ~_is_published(lost.suite)], metrics)


def _of_table_1(lost: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    model = (lost.model == SATURATED) & (lost.num_fewshot == SHOTS)
    return lost[model & lost.task.isin(OF_TABLE_1) & lost.metric.isin(metrics)]


def _lost(rows: pd.DataFrame, effect: float) -> Decisions:
    from lm_saturation.statistics.decisions import above, curves_of

    names = ["suite", "model", "task", "num_fewshot"]
    return above(curves_of(rows, "lost", "lost_low", "lost_high", name=names), 0, effect)


def _published_fits(fits: pd.DataFrame) -> pd.DataFrame:
    """Accuracies in the published evaluations, over losses in nats/word."""
    return fits[_is_published(fits.family) & fits.loss_measure.isin(["lambada", "wikitext"]) & (fits.metric == "acc")]


def _fits_here(fits: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of the suites of the run, over held-out loss in nats/token."""
    return fits[(fits.loss_measure == "held_out") & (fits.metric == "acc")]


ACCURACIES = {PUBLISHED: _published_fits, HERE: _fits_here}


def _accuracies_here(fits: pd.DataFrame, tasks: Sequence[str] | None = None) -> pd.DataFrame:
    here = _fits_here(fits)
    return here if tasks is None else here[here.task.isin(tasks)]


def _telling(fits: pd.DataFrame) -> pd.DataFrame:
    """Tasks that tell checkpoints apart, whatever it depends on: their scores spread far beyond their errors."""
    return fits[fits.noise_share <= NOISE]


def _over_models(fits: pd.DataFrame, name: str) -> Curves:
    """The curves of an estimate whose interval is a jackknife over models."""
    from lm_saturation.statistics.decisions import curves_of

    rows = fits[fits[name].notna()]
    rows = rows.assign(freedom=rows.models - 1)
    return curves_of(rows, name, f"{name}_low", f"{name}_high", name=CURVE, freedom="freedom")


def _shifts_nothing(fits: pd.DataFrame, name: str, margin: float) -> Decisions:
    from lm_saturation.statistics.decisions import alike

    return alike(_over_models(_telling(fits), name), margin)


def _emerges(fits: pd.DataFrame, margin: float) -> Decisions:
    """Flat above the break and falling below it: both tests must pass, and one that fails is enough to contradict."""
    import numpy as np

    from lm_saturation.statistics.decisions import Decisions, alike, below

    flat = alike(_over_models(fits, "slope_above"), margin)
    falls = below(_over_models(fits, "slope_below"), 0)
    return Decisions(
        flat.curves,
        flat.agrees & falls.agrees,
        flat.contradicts | (falls.contradicts & np.isfinite(falls.curves.low)),
        flat.power,
    )


def _pairs(lost: pd.DataFrame, pairs: pd.DataFrame, source: str) -> Curves:
    """One difference for each model and task: models whose perplexity saturates."""
    from lm_saturation.statistics.decisions import curves_of

    keys = ["suite", "model", "task", "num_fewshot"]
    pairs = pairs[(pairs.loss_measure == AT_EQUAL_LOSS[source]) & pairs.task.isin(TASKS) & (pairs.metric == "acc")]
    saturating = lost[(lost.saturates == 1) & lost.metric.isin(PERPLEXITIES)]
    rows = pairs.merge(saturating[["suite", "model"]].drop_duplicates(), on=["suite", "model"]).drop_duplicates(keys)
    return curves_of(rows, "difference", "difference_low", "difference_high", name=keys)
