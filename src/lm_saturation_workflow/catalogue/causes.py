"""What a softmax needs: dimensions and loss of the best logits, beside W-error. And what it does not see."""

from typing import Any

from lm_saturation.config import Experiment
from lm_saturation.report.cells import Column, View, digits, interval, words
from lm_saturation_workflow.catalogue import half_precision
from lm_saturation_workflow.catalogue.base import Figure, Files, Section, Table, TableRule, table_file
from lm_saturation_workflow.paths import (
    head_or_trunk_tables,
    intervention_tables,
    ngram_tables,
    search_tables,
    softmax_rank_tables,
)
from lm_saturation_workflow.project import resource


def _inputs(experiment: Experiment) -> Files:
    samples = dict.fromkeys([*experiment.ngrams.figure_samples(), *experiment.ngrams.context_samples()])
    return {
        "ranks": softmax_rank_tables(experiment),
        "summaries": ngram_tables(samples, "ngram_summary"),
        "languages": ["<results>/causes/softmax_rank_languages.parquet"] if experiment.causes.languages.ranks else [],
        **_transformers(experiment),
    }


def _transformers(experiment: Experiment) -> Files:
    """Trained here; or, where languages are drawn and none are trained, those shipped."""
    languages = experiment.causes.languages
    if languages.trained:
        return {"transformers": ["<results>/causes/softmax_rank_transformers.parquet"]}
    return {"transformers": [resource("softmax_rank_transformers.csv")] if languages.ranks else []}


def _figure_inputs(experiment: Experiment) -> Files:
    inputs = _inputs(experiment)
    return {
        "ranks": inputs["ranks"],
        "languages": inputs["languages"],
        "transformers": inputs["transformers"],
        "needed": table_file("softmax_rank"),
    }


def _factorial_inputs(experiment: Experiment) -> Files:
    return {"trainings": head_or_trunk_tables(experiment), "shipped": resource("head_or_trunk.csv")}


def _search_inputs(experiment: Experiment) -> Files:
    return {
        "shipped_runs": resource("saturation_search.csv"),
        "shipped_curves": resource("saturation_search_curves.csv"),
        "runs": search_tables(experiment, "saturation_search"),
        "curves": search_tables(experiment, "saturation_search_curves"),
    }


def _contexts(row: dict[str, Any]) -> str:
    seen = f"the {row['contexts']:,} most frequent" if row["method"] == "search" else f"all {row['contexts']:,}"
    return f"{seen}, {'by count' if row['weighting'] == 'count' else 'alike'}"


NEEDED_VIEW = View(
    "softmax_rank",
    "What a softmax needs, in numbers",
    (
        words("corpus"),
        words("tokenizer"),
        digits("order", "order"),
        Column("contexts", _contexts, is_number=False),
        digits("types", "types"),
        words("found by", "method"),
        words("laws", "estimate"),
        digits("bound on norms", "norm_bound"),
        digits("entropy (nats)", "entropy_nats", ".2f"),
        digits("one law for all, above it", "unigram_gap_nats", ".2f"),
        digits("d where the gap is 0.1", "lenient_dimension"),
        digits("0.05", "softmax_dimension"),
        digits("0.025", "strict_dimension"),
        digits("d where W-error is 0.5", "halving_dimension"),
        digits("largest norms, multiplied", "norm_product"),
        digits("last gain (nats)", "last_gain_nats"),
    ),
    "Least dimensions tried that suffice; fewer may. Last gain: what the last tenth of a search's iterations gained, "
    "where that is most.",
)
LANGUAGES_VIEW = View(
    "softmax_rank_languages",
    "Languages of known logit rank",
    (
        digits("logit rank r", "rank"),
        digits("d", "dimension"),
        digits("gap (nats)", "gap_nats"),
        digits("one law for all (nats)", "unigram_gap_nats", ".2f"),
        words("best start", "start"),
        digits("iterations", "iterations"),
        digits("last gain (nats)", "last_gain_nats"),
    ),
)

TRANSFORMERS_VIEW = View(
    "softmax_rank_transformers",
    "Small transformers on languages of known logit rank",
    (
        digits("logit rank r", "rank"),
        digits("width d", "width"),
        digits("layers", "layers"),
        digits("seed", "weights_seed"),
        digits("updates", "steps"),
        digits("peak learning rate", "learning_rate"),
        digits("gap, ideal trunk (nats)", "ideal_gap_nats"),
        digits("best states for its head", "refitted_gap_nats"),
        digits("trained", "trained_gap_nats"),
        digits("last gain (nats)", "last_gain_nats"),
    ),
    "Those shipped, where this configuration trains none (causes.languages.transformers).",
)

INVISIBLE_VIEW = View(
    "offset_intervention",
    "What softmax does not see, produced and removed",
    (
        words("suite"),
        words("model"),
        words("state"),
        digits("offset asked for", "asked_offset"),
        digits("singular entropy", "singular_entropy", ".2f"),
        digits("centred", "singular_entropy_centred", ".2f"),
        digits("σ2/σ1", "sigma_ratio", ".3f"),
        digits("centred", "sigma_ratio_centred", ".3f"),
        digits("mean cosine", "anisotropy", ".3f"),
        digits("centred", "anisotropy_centred", ".3f"),
        digits("offset of logits", "logit_offset"),
        digits("loss (nats)", "loss_nats", ".3f"),
        digits("change, float64", "float64_change", ".0e"),
        digits("float32", "float32_change", ".0e"),
        digits("rounding, bfloat16", "bfloat16_cost"),
        digits("predicted", "bfloat16_predicted"),
        digits("float16", "float16_cost"),
        digits("predicted", "float16_predicted"),
    ),
    "Produced: as degenerate as the last checkpoint of the paper's model, by changes that cost nothing in exact "
    "arithmetic; loud, with u along the mean state. Canonical: the same for all that softmax takes for alike. "
    "Moved and cut are seen.",
)
HEAD_OR_TRUNK_VIEW = View(
    "head_or_trunk",
    "Head or trunk",
    (
        words("source"),
        words("suite"),
        words("wide model", "model"),
        digits("rank r", "rank"),
        digits("seeds", "seeds"),
        digits("updates", "step"),
        digits("wide (nats)", "wide_nats", ".3f"),
        digits("wide, head of rank r", "low_rank_nats", ".3f"),
        digits("narrow", "narrow_nats", ".3f"),
        digits("share of the head", "head_share", ".2f"),
        interval("head_share"),
        digits("what W = AB costs at full rank (nats)", "factoring_cost_nats", ".3f"),
        interval("factoring_cost"),
        digits("share against that", "share_of_factored", ".2f"),
        interval("share_of_factored"),
        digits("rates at an edge", "rates_at_edge"),
    ),
    "Trained from scratch on equal tokens; losses are means over seeds. The share is what a head of rank r costs the "
    "wide model, by what the narrow model loses against it; its interval is over seeds.",
)

SEARCH_COLUMNS = (
    words("corpus"),
    digits("V", "vocabulary_size"),
    digits("d", "hidden_size"),
    digits("peak rate", "learning_rate"),
    words("schedule"),
    digits("weight decay", "weight_decay"),
    words("logits", "precision"),
    digits("tokens/parameter", "tokens_per_parameter", ",.0f"),
    digits("seeds", "seeds"),
    digits("increase (nats)", "increase_nats", ".4f"),
    interval("increase", ".4f"),
    digits("on unigram text", "unigram_increase_nats", ".3f"),
    digits("offset of logits", "logit_offset", ".1f"),
    digits("singular entropy / ln d", "entropy_share", ".2f"),
    digits("centred", "entropy_centred_share", ".2f"),
    digits("mean cosine", "anisotropy", ".2f"),
)
SEARCH_NOTE = (
    "Increase of the held-out loss from the twelfth of the training where it is lowest, as the other seeds choose it, "
    "to the last. The interval is Student's over seeds or that over documents, whichever reaches further."
)
SHIPPED_SEARCH_VIEW = View("shipped_search", "The search for saturation, as shipped", SEARCH_COLUMNS, SEARCH_NOTE)
SEARCH_VIEW = View("saturation_search", "The search for saturation of this run", SEARCH_COLUMNS, SEARCH_NOTE)

FIGURES = (
    Figure(
        name="figure_softmax_rank",
        title="What a softmax needs",
        caption="Loss of the best logits of d dimensions above the entropy of the text, beside W-error of the same "
        "rows. Does a softmax need the dimensions that W-error names?",
        details="Top: for each text, the gap of the frequent contexts by length of the context, by search; dotted, "
        "with bounded norms; dashed, with the laws of a Kneser–Ney model; grey, the gap that counts, and on it the "
        "dimension that certainly suffices for it (filled) beside the one at which W-error halves (hollow), both of "
        "relative frequencies. Beside it W-error of the same rows. Then the one dimension against the other; half "
        "filled, with the laws of the Kneser–Ney model; hollow, all contexts, by a construction whose norms have no "
        "bound; on the line both are alike. And languages of known logit rank: the gap with an ideal trunk, which "
        "should vanish from the white line on, and not before; what small transformers trained on them lose beyond "
        "it, the median over seeds; and how much of that the best states for the trained heads lose, too. From the "
        "dashed line on, a final LayerNorm lets the rank be expressed. Bright is much.",
        inputs=_figure_inputs,
        wanted=lambda experiment: bool(experiment.ngrams.corpora or experiment.causes.languages.ranks),
        minutes=3,
    ),
    Figure(
        name="figure_invisible",
        title="Produced and removed at will",
        caption="What figures 2, 4 and 5 show of saturated models, given to models that are not saturated and taken "
        "away again: mean cosine, σ2/σ1 and singular entropy move, the loss does not. What rounding costs depends on "
        "the offset of the logits alone.",
        details="The last checkpoint of each model, changed after training by W → WA⁻¹ + 1uᵀ and h → Ah, which "
        "softmax does not see. Grey: the last checkpoint of the paper's model, at the same share of log d. Mean "
        "cosines are those of the states that the head reads. Bottom: loss against mean cosine; the change of the loss "
        "in float64 and float32, with 1e-6 in grey; what rounding the logits of float32 to half precision costs at "
        "growing offsets, and, dotted, what it must cost for Gaussian logits.",
        inputs=lambda experiment: {"interventions": intervention_tables(experiment)},
        wanted=lambda experiment: bool(experiment.intervention_suites),
        minutes=4,
    ),
    Figure(
        name="figure_head_or_trunk",
        title="Head or trunk",
        caption="What a wide model loses when only its head is narrowed, beside what a narrow model loses, both "
        "trained from scratch on the same tokens. Is a small model worse for its head or for its trunk?",
        details="One row per wide model. Left: held-out loss of each seed; line, the mean of the wide models; at the "
        "wide model's own width, the control: W = AB of full rank. Right: the share of the narrow model's excess loss "
        "that its head explains, with its 95 % interval over seeds; grey, one half. Hollow: against the control in "
        "place of the wide model. Models of minutes: what trunks and heads cost after long training it does not say.",
        inputs=lambda experiment: {**_factorial_inputs(experiment), "shares": table_file("head_or_trunk")},
    ),
    Figure(
        name="figure_miniature",
        title="Saturation in miniature",
        caption="Tiny models trained on many tokens a parameter: does the loss of any recipe rise again? And "
        "do heads degenerate where it does not?",
        details="Means over three seeds and over the checkpoints of each twelfth of the training. Left and middle: "
        "held-out loss, and loss on random text of the unigram law, above their minimum; linear below 0.005 nats, the "
        "increase that counts, in grey. Right: the increase at the end with its interval, against the singular entropy "
        "of the head with its mean row removed. From the search that is shipped, and that of this run if it has one.",
        inputs=_search_inputs,
    ),
)

TABLES = (
    TableRule(
        name="table_softmax_rank",
        message="Write what a softmax needs in numbers",
        inputs=_inputs,
        tables=(
            Table("softmax_rank", "table_softmax_rank", (NEEDED_VIEW,)),
            Table("softmax_rank_languages", "softmax_rank_languages", (LANGUAGES_VIEW,)),
            Table("softmax_rank_transformers", "softmax_rank_transformers", (TRANSFORMERS_VIEW,)),
        ),
        minutes=3,
    ),
    TableRule(
        name="table_offset_intervention",
        message="Write what softmax does not see in numbers",
        inputs=lambda experiment: {"interventions": intervention_tables(experiment)},
        tables=(Table("offset_intervention", "table_offset_intervention", (INVISIBLE_VIEW,)),),
        minutes=4,
    ),
    TableRule(
        name="table_head_or_trunk",
        message="Write which share of a narrow model's loss its head explains",
        inputs=_factorial_inputs,
        tables=(Table("head_or_trunk", "table_head_or_trunk", (HEAD_OR_TRUNK_VIEW,)),),
    ),
    TableRule(
        name="table_saturation_search",
        message="Write what the search for saturation found",
        inputs=_search_inputs,
        tables=(
            Table("saturation_search", "table_saturation_search", (SEARCH_VIEW,)),
            Table("shipped_search", "shipped_search", (SHIPPED_SEARCH_VIEW,)),
        ),
    ),
)

SECTION = Section(
    "causes",
    "What makes models saturate",
    (*FIGURES, *half_precision.FIGURES),
    (*TABLES, *half_precision.TABLES),
    ("softmax_rank", "This configuration counts no n-grams (ngrams.corpora is empty)."),
)
