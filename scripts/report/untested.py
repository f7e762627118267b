"""What would test a claim that a configuration does not test, and the command that does."""

from collections.abc import Iterable
from dataclasses import dataclass

RUN = ".venv/bin/snakemake --cores all"
DEFAULT = RUN
PAPER = f"{RUN} --configfile config/paper.yaml"
LONG = f"{RUN} --configfile config/mini-long.yaml"
OWN_TEXT = f"{RUN} --configfile config/own_text.yaml"
ON_A_GPU, DAYS, MINUTES = "on a GPU", "days on two cores", "minutes on two cores"


@dataclass(frozen=True)
class Need:
    """What some claims need, and runs that have it: the command and where it runs."""

    what: str
    runs: tuple[tuple[str, str], ...]
    claims: tuple[str, ...]


NEEDS = [
    Need(
        "Models of at most 410M parameters with ten checkpoints or more, trained on as many tokens a parameter as the "
        "paper's had seen at their least loss: 700 to 5,200",
        ((LONG, DAYS), (PAPER, ON_A_GPU)),
        ("small_models_saturate",),
    ),
    Need(
        "Models whose loss rises again, which takes such long trainings; the first claim also models of the same run "
        "whose loss does not",
        ((LONG, DAYS), (PAPER, ON_A_GPU)),
        ("anisotropy_separates", "anisotropy_rises_at_saturation", "singular_values_spike"),
    ),
    Need("Five models of one suite in which both onsets come", ((PAPER, ON_A_GPU),), ("onsets_in_order",)),
    Need(
        "Models of up to 768 and of at least 1024 dimensions, trained so long",
        ((PAPER, ON_A_GPU),),
        ("small_heads_degenerate",),
    ),
    Need(
        "A suite with models on both sides of scaling.fit_from: the law of the larger ones, and small ones to hold "
        "against it",
        ((PAPER, ON_A_GPU),),
        ("small_models_lie_above_the_law", "best_checkpoints_lie_above_the_law", "above_the_law_however_counted"),
    ),
    Need(
        "EleutherAI's published evaluations, which every configuration reads",
        ((DEFAULT, MINUTES),),
        (
            "saturation_costs_abilities",
            "table_1_final",
            "width_decides",
            "one_curve_for_all_sizes",
            "abilities_follow_loss",
            "mmlu_has_a_tipping_point",
            "same_ability_at_equal_loss",
        ),
    ),
    Need("Heads trained on a model at least 1000 wide", ((PAPER, ON_A_GPU),), ("loss_degrades_below_rank_1000",)),
    Need(
        "Heads of enough ranks, from entries N(0, 1) as the paper's start",
        ((DEFAULT, MINUTES), (PAPER, ON_A_GPU)),
        ("loss_suffers_beyond_w_error", "threshold_in_rank", "gap_is_order_epsilon"),
    ),
    Need(
        "The study of shared embeddings, with plain tying, the other remedies and three seeds (tied.remedies)",
        ((DEFAULT, MINUTES),),
        (
            "tied_initial_loss_formula",
            "tied_inner_product_moment",
            "tied_models_start_high",
            "tied_remedies_start_low",
            "scaled_embedding_converges_slowest",
            "other_remedies_converge_alike",
            "remedies_end_alike",
            "remedies_gain_nothing",
        ),
    ),
    Need(
        "At least 50,000 5-grams of real text",
        ((DEFAULT, MINUTES), (OWN_TEXT, "with your own text in it"), (PAPER, ON_A_GPU)),
        ("w_error_halves", "w_error_negligible", *(f"beyond_column_norms_{length}" for length in (1, 2, 3, 4))),
    ),
]


def needs_of(claims: Iterable[str]) -> list[tuple[Need, list[str]]]:
    """What would test these claims, each with those of them that it serves."""
    names = list(claims)
    found = [(need, [name for name in names if name in need.claims]) for need in NEEDS]
    return [(need, here) for need, here in found if here]
