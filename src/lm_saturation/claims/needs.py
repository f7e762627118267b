"""What would test a claim that a configuration does not test, and the command that does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm_saturation.claims.base import Claim

RUN = ".venv/bin/snakemake --cores all"
DEFAULT = (RUN, "minutes on two cores")
PAPER = (f"{RUN} --configfile config/paper.yaml", "on a GPU")
SEEDS = (f"{RUN} --configfile config/polypythias.yaml", "on a GPU")
LONG = (f"{RUN} --configfile config/mini-long.yaml", "days on two cores")
CAUSES = (f"{RUN} --configfile config/causes.yaml", "a night on two cores")
SMOLLM2 = (f"{RUN} --configfile config/smollm2-hub.yaml", "on a GPU")
REAL_WEIGHTS = ("make real", "about 20 minutes on two cores")
HALVES = (f"{RUN} --configfile config/half-precision.yaml", "about 15 minutes on a core")
CAUSES = (f"{RUN} --configfile config/causes.yaml", "a night on two cores")
OWN_SUITE = (f"{RUN} --configfile config/own_suite.yaml", "with your own suite and these tasks in it")
OWN_SUITES = (f"{RUN} --configfile config/own_suite.yaml", "with two suites of your own in it")
OWN_TEXT = (f"{RUN} --configfile config/own_text.yaml", "with your own text in it")


@dataclass(frozen=True)
class Need:
    """What some claims need, and runs that have it: the command and where it runs."""

    what: str
    runs: tuple[tuple[str, str], ...]


LONG_TRAINING = Need(
    "Models of at most 410M parameters with ten checkpoints or more, trained on as many tokens/parameter as the "
    "paper's had seen at their lowest loss: 700 to 5,200",
    (LONG, PAPER),
)
SATURATING_MODELS = Need(
    "Models whose loss certainly increases again, which takes such long trainings; to see what separates them, also "
    "models of the same run whose loss certainly does not",
    (LONG, PAPER),
)
FIVE_MODELS = Need(
    "Five models or more of one suite in which both onsets come; the paper's own suite has four", (SEEDS,)
)
ANISOTROPIC_MODELS = Need("Models whose last layer becomes anisotropic in training", (LONG, PAPER))
ANY_MODELS = Need("Any models that saw 20 tokens/parameter or more", (DEFAULT, PAPER))
ANY_CHECKPOINTS = Need("Any checkpoints that are changed (causes.intervention.suites)", (DEFAULT, REAL_WEIGHTS))
PAPER_CURVES = Need("The paper's curves, read off its figures, which every configuration has", (DEFAULT,))
NARROW_AND_WIDE = Need("Models of up to 768 and of at least 1024 dimensions, trained so long", (PAPER,))
LARGER_MODELS = Need(
    "A suite with models on both sides of scaling.fit_from: the law of the larger ones, and small ones to hold "
    "against it",
    (PAPER,),
)
PAPER_POINTS = Need("The paper's own points, which every configuration reads", (DEFAULT,))
PUBLISHED_EVALUATIONS = Need("EleutherAI's published evaluations, which every configuration reads", (DEFAULT,))
EIGHT_MODELS = Need(
    "Eight models or more with ten checkpoints each, and their loss on unigram text (metrics.random_text_tokens)",
    (SEEDS, PAPER),
)
PUBLISHED_TRAININGS = Need("Published trainings, which every configuration reads", (DEFAULT,))
EVALUATED_SUITE = Need("A suite of five models or more, evaluated here (abilities.suites)", (DEFAULT, PAPER))
EVALUATED_PYTHIA = Need("Pythia-160M's checkpoints, evaluated here on the tasks of Table 1", (PAPER,))
EMERGING_TASKS = Need(
    "A suite of five models or more whose loss falls below the tipping point, with mmlu, ceval-valid, gsm8k and "
    "mgsm_direct_zh of lm-evaluation-harness in abilities.tasks",
    (OWN_SUITE,),
)
TWO_TOKENIZERS = Need(
    "Two suites with different tokenizers, five models or more together, evaluated here on the same text and tasks",
    (OWN_SUITES,),
)
WIDE_HEADS = Need("Heads trained on a model at least 1000 wide", (PAPER,))
PAPER_HEADS = Need("LM heads of lower ranks (heads.models)", (DEFAULT, PAPER))
TRAINED_HEADS = Need(
    "Heads of six ranks or more, from entries N(0, 1), trained until the full-rank one reaches the pretrained one's "
    "loss",
    (PAPER,),
)
TIED_STUDY = Need(
    "The study of tied embeddings, with plain tying, the other remedies and three seeds (tied.remedies)", (DEFAULT,)
)
TIED_LONG = Need(
    "The same study, with learning rates tried (tied.training.rate_factors), trained until twice the training changes "
    "the loss by less than 2 %",
    ((f"{RUN} --configfile config/tied.yaml", "three hours on two cores"),),
)
PUBLISHED_MODEL = Need("The numbers of a published model, which every configuration reads", (REAL_WEIGHTS,))
INTERMEDIATE_CHECKPOINTS = Need("Ten checkpoints or more of the training of a published model", (SMOLLM2,))
SEARCH = Need("A search of its own with three seeds or more (causes.search.texts)", (CAUSES,))
LOGIT_RANKS = Need("Languages of known logit rank (causes.languages)", (DEFAULT,))
HALF_PRECISION = Need(
    "Small models trained in float32 and in half precision with two seeds or more (causes.training.models)", (HALVES,)
)
SHIPPED_TRAININGS = Need("Trainings that are shipped, which every configuration reads", (DEFAULT,))
FACTORIAL = Need(
    "Wide trunks with heads of low rank beside narrow models, three seeds or more (causes.head_or_trunk)", (CAUSES,)
)
SHIPPED_RUNS = Need("Shipped trainings, whose numbers every configuration reads", (DEFAULT,))
REAL_TEXT = Need("At least 50,000 5-grams of real text", (DEFAULT, OWN_TEXT, PAPER))


def needs_of(claims: Iterable[Claim]) -> dict[Need, list[Claim]]:
    """What would test these claims, each with those of them that it serves."""
    needs: dict[Need, list[Claim]] = {}
    for claim in claims:
        needs.setdefault(claim.needs, []).append(claim)
    return needs
