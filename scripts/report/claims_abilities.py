"""The claims about abilities, judged on table_1, ability_saturation, emergence_fits and equal_loss."""

from typing import Any

import pandas as pd

from scripts.report.verdicts import Claim, verdict_row

LOSS_PAPER = "arXiv 2403.15796"
SMALL_WIDTH = 1000  # hidden dimensions
EXTRA = 0.01  # share of the variance
GROWS = 0.5  # share of the variance that loss explains: below, there is no curve to be on
MONOTONE = -0.9
AT_EQUAL_LOSS = ["figure_1a", "held_out"]  # losses of held-out text
TASKS = ["lambada_openai", "sciq", "arc_easy", "piqa", "cloze", "next_sentence"]  # small models are above chance in

WORSE = Claim(
    "saturation_costs_abilities",
    "The final checkpoint of Pythia-160M is worse than its best in every task of Table 1 (here: the 95 % interval of "
    "what is lost lies above 0, zero-shot, the tasks that are available)",
    "all six columns",
    "nats of LAMBADA and WikiText perplexity, else share of the items",
    "table_1, ability_saturation",
)
PRINTED = Claim(
    "table_1_final",
    "The final checkpoint of Pythia-160M has the scores printed in Table 1 (here: within the 95 % interval of the "
    "evaluation that EleutherAI published)",
    "LAMBADA 32.9 and 38, SciQ 73.4, ARC-easy 43.2",
    "printed less published",
    "table_1",
)
WIDTH = Claim(
    "width_decides",
    f"Models with fewer than {SMALL_WIDTH} hidden dimensions saturate (implied; here: LAMBADA perplexity in the "
    "published evaluations of every training of Pythia 70M and 160M, whatever its batches, version and text)",
    "70M and 160M, version 1",
    "nats of perplexity lost",
    "figure_natural_experiments, ability_saturation",
)
ONE_CURVE = Claim(
    "one_curve_for_all_sizes",
    "Models of all sizes do equally well at equal loss (here: foretold without the model, size explains less than "
    f"{EXTRA:.0%} of the variance beyond loss, or the interval allows it; tasks where loss explains {GROWS:.0%})",
    "by eye, 12 tasks",
    "share of the variance that size adds",
    "figure_emergence, emergence_fits",
    LOSS_PAPER,
)
SMOOTH = Claim(
    "abilities_follow_loss",
    f"Performance grows as loss falls (here: Spearman correlation of accuracy and loss of at most {MONOTONE}, tasks "
    "other than MMLU where one curve over loss explains half of the variance)",
    "-0.947 to -0.996",
    "Spearman correlation",
    "figure_emergence, emergence_fits",
    LOSS_PAPER,
)
TIPPING = Claim(
    "mmlu_has_a_tipping_point",
    "Accuracy in MMLU stays at chance until the loss falls below a tipping point (here: a broken curve foretells "
    "models better than every smooth one)",
    "2.2 nats a token of their corpus",
    "loss at the tipping point",
    "figure_emergence, emergence_fits",
    LOSS_PAPER,
)
EQUAL = Claim(
    "same_ability_at_equal_loss",
    "Ability depends on loss alone (implied; never tested where loss rises again; here: at equal held-out loss, before "
    "and after saturation, the 95 % interval of the mean difference holds 0)",
    "not stated",
    "score after less before",
    "figure_equal_loss, equal_loss",
    LOSS_PAPER,
)


def ability_claims(
    table_1: pd.DataFrame, lost: pd.DataFrame, emergence: pd.DataFrame, equal_loss: pd.DataFrame
) -> list[dict[str, Any]]:
    """Every claim of this file."""
    return [_worse(lost), _printed(table_1), _width(lost), *_emergence(emergence), _equal(lost, equal_loss)]


def _worse(lost: pd.DataFrame) -> dict[str, Any]:
    own = lost[(lost.suite == "pythia-v1") & (lost.model == "160m") & (lost.num_fewshot == 0)]
    shown = [("lambada_openai", "perplexity"), ("lambada_openai", "acc"), ("sciq", "acc"), ("arc_easy", "acc")]
    own = own.merge(pd.DataFrame(shown, columns=["task", "metric"]), on=["task", "metric"])
    return verdict_row(WORSE, own.lost, own.saturates == 1, own.lost_low, own.lost_high)


def _printed(table_1: pd.DataFrame) -> dict[str, Any]:
    final = table_1[(table_1.checkpoint == "final") & table_1.value.notna()]
    both = final[final.source == "paper"].merge(final[final.source == "published"], on="column")
    difference = both.value_x - both.value_y
    low, high = both.value_x - both.high_y, both.value_x - both.low_y
    return verdict_row(PRINTED, difference, (low <= 0) & (high >= 0), low, high)


def _width(lost: pd.DataFrame) -> dict[str, Any]:
    own = lost[(lost.hidden_size < SMALL_WIDTH) & (lost.metric == "perplexity") & lost.suite.str.startswith("pythia-v")]
    return verdict_row(WIDTH, own.lost, own.saturates == 1, own.lost_low, own.lost_high)


def _emergence(fits: pd.DataFrame) -> list[dict[str, Any]]:
    grown = fits[fits.explained >= GROWS]
    extra = [grown[f"size_extra{end}"] for end in ("", "_low", "_high")]
    smooth = grown[(grown.metric == "acc") & (grown.task != "mmlu")]
    mmlu = fits[(fits.task == "mmlu") & (fits.metric == "acc")]
    return [
        verdict_row(ONE_CURVE, extra[0], ~(extra[1] > EXTRA), extra[1], extra[2]),
        verdict_row(SMOOTH, smooth.spearman, smooth.spearman <= MONOTONE),
        verdict_row(TIPPING, mmlu.tipping_point, mmlu.kinked == 1, mmlu.tipping_point_low, mmlu.tipping_point_high),
    ]


def _equal(lost: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any]:
    """One value a model and task: models whose perplexity saturates, tasks in which small models are above chance."""
    keys = ["loss_measure", "suite", "model", "task", "num_fewshot", "metric"]
    own = pairs[pairs.loss_measure.isin(AT_EQUAL_LOSS) & pairs.task.isin(TASKS) & (pairs.metric == "acc")]
    saturating = lost[(lost.saturates == 1) & lost.metric.isin(["perplexity", "word_perplexity"])]
    own = own.merge(saturating[["suite", "model"]].drop_duplicates(), on=["suite", "model"]).drop_duplicates(keys)
    holds = (own.difference_low <= 0) & (own.difference_high >= 0)
    return verdict_row(EQUAL, own.difference, holds, own.difference_low, own.difference_high)
