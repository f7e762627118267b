"""The tables of the page: which columns of each are shown, under which heads."""

from typing import Any

from scripts.report.cells import Column, PageTable, digits, interval, named, number, size, words


def _rank(row: dict[str, Any]) -> str:
    return f"{row['rank']}" if row["factored"] else f"{row['rank']}, unfactored"


def _steps(head: str, count: str, steps: str) -> Column:
    """How many, and which."""
    return Column(head, lambda row: f"{row[count]} (steps {row[steps]})" if row[count] else "0")


def _rise(column: Column) -> Column:
    """Of a model with one checkpoint there is none."""
    return Column(column.head, lambda row: column.text(row) if row["checkpoints"] > 1 else "", column.is_number)


def _weighting(row: dict[str, Any]) -> str:
    return f"{row['weighting']}, seen ≥ {row['min_count']}" if row["min_count"] > 1 else row["weighting"]


YES_NO = {1: "yes", 0: "no"}
MODEL = [words("suite"), words("model")]
TEXT = [words("corpus"), words("tokenizer")]
THRESHOLDS = [("kink", "kink"), ("criterion", "difference of AIC"), ("noticeable", "noticeable at")]
ONSETS = [
    ("anisotropy", "anisotropy"),
    ("singular_entropy", "singular entropy"),
    ("singular_entropy_centred", "singular entropy, centred"),
]

SATURATION = [
    PageTable(
        "saturation",
        "table_saturation",
        "Saturation in numbers",
        [
            *MODEL,
            Column("parameters", lambda row: size(row["parameters"])),
            digits("tokens a parameter", "tokens_per_parameter"),
            digits("best step", "best_step"),
            digits("final step", "final_step"),
            digits("least loss (nats/token)", "best_loss", ".3f"),
            _rise(digits("rise", "difference", ".4f")),
            _rise(interval("difference")),
            Column(
                "saturates", lambda row: YES_NO[row["saturates"]] if row["checkpoints"] > 1 else "one checkpoint", False
            ),
        ],
        "The loss saturates if the 95 % interval of its rise, paired over sequences and free of the choice of the best "
        "step, lies above 0.",
    ),
    PageTable(
        "onsets",
        "table_saturation",
        "Anisotropy and singular entropy in numbers",
        [
            *MODEL,
            *(
                column
                for name, title in ONSETS
                for column in (
                    digits(f"{title}: least", f"{name}_least", ".3f"),
                    digits("final", f"{name}_final", ".3f"),
                    digits("onset", f"{name}_onset_step"),
                )
            ),
        ],
        "Anisotropy sets in where it passes .5; singular entropy (nats) where it is least, if it then rises by more "
        "than a tenth of ln d. Least values are those after the first 5 % of the steps.",
    ),
    PageTable(
        "onset_correlation",
        "onset_correlation",
        "Do onsets come in the same order?",
        [
            words("suite"),
            words("metric"),
            words("other"),
            digits("models", "models"),
            digits("correlation", "spearman", ".2f"),
            digits("p-value", "p_value"),
        ],
        "Spearman's rank correlation of the onset steps of two metrics over the models in which both set in, with the "
        "p-value of a permutation test. Pairs with fewer than three such models are left out.",
        chosen=lambda table: table[table.spearman.notna()],
    ),
    PageTable(
        "checkpoints",
        "table_checkpoints",
        "Checkpoints asked for, found and measured",
        [
            *MODEL,
            Column("asked for", lambda row: number(row["configured"]) or "all"),
            digits("found", "found"),
            digits("measured", "measured"),
            _steps("missing", "missing", "missing_steps"),
            _steps("weights shared with another step", "duplicates", "duplicate_steps"),
            _steps("incomplete", "incomplete", "incomplete_steps"),
        ],
    ),
    PageTable(
        "scaling_fit",
        "scaling_fit",
        "The scaling law in numbers",
        [
            words("source"),
            words("suite"),
            words("N", "parameters_counted"),
            words("constants"),
            digits("points", "points"),
            digits("A", "A"),
            digits("α", "alpha", ".3f"),
            interval("alpha"),
            digits("B", "B"),
            digits("β", "beta", ".3f"),
            digits("E", "E", ".3f"),
            digits("small models above, final", "final_gap"),
            interval("final_gap"),
            digits("best", "best_gap"),
        ],
        "A/N^α + B/T^β + E, with B, β and E held as named, or all five free; small models are those that the fit does "
        "not see. Intervals are over bootstrap samples of the points, which are few.",
    ),
]

ABILITIES = [
    PageTable(
        "table_1",
        "table_1",
        "Table 1: Pythia-160M, best and final checkpoint, zero-shot",
        [
            Column("column", lambda row: row["column"] + " (%)" * (row["unit"] == "%"), False),
            words("source"),
            words("checkpoint"),
            words("chosen by", "definition"),
            digits("step", "step"),
            digits("value", "value", ".1f"),
            interval(""),
            words("note"),
        ],
        chosen=lambda table: table.sort_values("column", kind="stable"),
    ),
    PageTable(
        "ability_saturation",
        "ability_saturation",
        "Abilities that are lost before training ends",
        [
            *MODEL,
            words("task"),
            words("metric"),
            digits("shots", "num_fewshot"),
            digits("best step", "best_step"),
            digits("best", "best", ".3g"),
            digits("final", "final", ".3g"),
            digits("lost", "lost", ".3f"),
            interval("lost"),
        ],
        "Every model and task whose final score is below its best with a 95 % interval above 0 that is free of the "
        "choice of the best checkpoint; {tried:,} curves were tried. Perplexities are compared by their logarithm.",
        chosen=lambda table: table[table.saturates == 1],
    ),
    PageTable(
        "emergence_fits",
        "emergence_fits",
        "Ability against loss in numbers",
        [
            Column("models", lambda row: f"{row['models']} of {row['family']}", False),
            words("loss", "loss_measure"),
            words("task"),
            digits("shots", "num_fewshot"),
            words("metric"),
            digits("Spearman", "spearman", ".3f"),
            digits("one curve explains", "explained", ".3f"),
            digits("size adds", "size_extra", ".3f"),
            interval("size_extra"),
            digits("tipping point", "tipping_point", ".2f"),
            interval("tipping_point"),
            Column("found", lambda row: "yes" if row["kinked"] else f"no, {row['smooth']}", False),
        ],
        "Shares are of the variance of the score, out of sample: a curve fitted without a model foretells that model. "
        "A tipping point is found where a broken curve does so better than every smooth one.",
    ),
    PageTable(
        "equal_loss",
        "equal_loss",
        "Ability at equal loss, before and after it was least",
        [
            *MODEL,
            words("loss", "loss_measure"),
            words("task"),
            words("metric"),
            digits("shots", "num_fewshot"),
            digits("pairs", "pairs"),
            digits("after less before", "difference", ".3f"),
            interval("difference"),
        ],
        "Means over pairs of checkpoints of one model, where the 95 % interval of the difference does not hold 0; "
        "{tried:,} were tried, so that one in twenty is to be expected by chance.",
        keys=("loss_measure", "suite", "model", "task", "num_fewshot", "metric"),
        chosen=lambda table: table[(table.difference_low > 0) | (table.difference_high < 0)],
    ),
]

BOTTLENECK = [
    PageTable(
        "heads",
        "table_heads",
        "Heads in numbers",
        [
            *MODEL,
            words("start"),
            Column("rank", _rank),
            digits("learning rate", "learning_rate", "g"),
            digits("loss at the start", "initial_loss_nats", ".3f"),
            digits("loss (nats/token)", "loss_nats", ".3f"),
            digits("accuracy", "accuracy", ".3f"),
            digits("gap", "gap_nats", ".3f"),
            interval("gap"),
            digits("W-error", "w_error", ".3f"),
        ],
        "The learning rate of each start and rank is the one of least training loss; losses are of held-out text. The "
        "gap is to the pretrained head, with the 95 % interval of a paired bootstrap over sequences.",
    ),
    PageTable(
        "head_thresholds",
        "head_thresholds",
        "Is there a threshold?",
        [
            words("source"),
            words("model"),
            words("start"),
            digits("width", "hidden_size"),
            named("against", "against", {"w_error": "W-error"}),
            digits("points", "points"),
            *(column for name, title in THRESHOLDS for column in (digits(title, name), interval(name))),
        ],
        "The loss by rank and by W-error as a smooth curve and as one with a kink, of as many parameters; a difference "
        "of Akaike's criteria above 0 speaks for the kink. The loss is noticeable where it is 0.05 nats above that of "
        "the full rank.",
    ),
    PageTable(
        "loss_expansion_orders",
        "loss_expansion_orders",
        "Lemma 5.1 in numbers",
        [
            named("from", "place", {"random": "a random head", "optimum": "the optimum of the sample"}),
            named("what", "quantity", {"remainder": "change without its first-order term"}),
            digits("problems", "cases"),
            digits("power of ε", "order", ".4f"),
            interval("order", ".4f"),
        ],
        "The power of ε by which the loss changes as a head moves by ε, mean over random problems.",
    ),
]

TIED = [
    PageTable(
        "tied_models",
        "tied_models",
        "Models of transformers at their initialisation",
        [
            words("family"),
            digits("layers", "layers"),
            named("head", "tied", {1: "tied", 0: "untied"}),
            digits("d", "width"),
            digits("n", "vocabulary_size"),
            digits("σ", "sigma"),
            digits("loss (nats)", "loss_nats", ".2f"),
            digits("standard error", "loss_error"),
            digits("log n", "log_vocabulary_nats", ".2f"),
            digits("the page's formula", "page_nats", ".2f"),
            digits("own logit", "own_logit", ".2f"),
            digits("formula with that own logit", "own_logit_nats", ".2f"),
        ],
    ),
    PageTable(
        "tied_moments",
        "tied_moments",
        "Moments of embeddings",
        [
            digits("n", "vocabulary_size"),
            digits("d", "width"),
            words("moment"),
            digits("sampled", "value", ".4g"),
            digits("standard error", "error"),
            digits("theory", "theory", ".4g"),
            digits("the page", "page"),
        ],
        "With σ² = 1/d. The page prints 1/d³ for the mean square of the inner product, which is 1/d.",
    ),
    PageTable(
        "tied_training",
        "table_tied_training",
        "Trainings in numbers",
        [
            words("remedy"),
            digits("models", "seeds"),
            digits("parameters", "parameters"),
            digits("σ", "sigma"),
            digits("loss at the start", "initial_nats", ".3f"),
            digits("expected", "expected_nats", ".3f"),
            digits("steps to the loss", "steps_to_loss"),
            interval("steps"),
            digits("reach it", "reached"),
            digits("loss at the end", "final_nats", ".3f"),
            interval("final", ".3f"),
        ],
        "The loss to reach is the mean of the plain models at half of their steps. Expected is what theory says of a "
        "start whose residual branches are zero. Intervals are over seeds.",
    ),
    PageTable(
        "tied_comparison",
        "tied_comparison",
        "Differences between remedies",
        [
            named("quantity", "quantity", {"steps_to_loss": "steps to the loss", "final_nats": "loss at the end"}),
            words("remedy"),
            words("less that of", "reference"),
            digits("seeds", "seeds"),
            digits("its mean", "reference_mean"),
            digits("difference", "difference"),
            interval(""),
            digits("did not reach the loss", "unreached"),
        ],
        "Models of the same seed are compared. Others: the mean of all remedies but plain tying and the smaller σ.",
    ),
]

RANK = [
    PageTable(
        "table_7",
        "table_7",
        "Figure 7 in numbers",
        [
            words("source"),
            *TEXT,
            digits("n-grams", "ngrams"),
            digits("contexts", "contexts"),
            digits("types", "types"),
            digits("rank", "rank"),
            digits("d where W-error is 0.5", "halving_dimension"),
            interval("halving"),
            digits("unigrams", "unigram_halving_dimension"),
            digits("d where it is 0.05", "negligible_dimension"),
            interval("negligible"),
            digits("unigrams", "unigram_negligible_dimension"),
        ],
        "Unigrams: where token frequency alone would have the error so small.",
    ),
    PageTable(
        "table_7_controls",
        "table_7_controls",
        "The controls of figure 7 in numbers",
        [
            *TEXT,
            digits("order", "order"),
            digits("n-grams", "ngrams"),
            Column("rows", _weighting, False),
            digits("contexts", "contexts"),
            digits("with one follower", "one_hot_contexts"),
            digits("types", "types"),
            digits("d where W-error is 0.5", "halving_dimension"),
            digits("column norms alone", "column_norm_halving_dimension"),
            digits("unigrams", "unigram_halving_dimension"),
            digits("greatest distance to column norms", "column_norm_gap"),
        ],
    ),
    PageTable(
        "language_models",
        "language_model",
        "What a 5-gram model knows",
        [
            *TEXT,
            digits("tokens learned from", "train_tokens"),
            digits("tokens held out", "held_out_tokens"),
            digits("nats a token", "cross_entropy_nats", ".3f"),
            digits("standard error", "cross_entropy_standard_error"),
            digits("perplexity", "perplexity", ".1f"),
            digits("bits a byte", "bits_per_byte", ".3f"),
        ],
    ),
]
