"""Trainings that others published: seeds of Pythia, treatments of the output embedding, Gemstones."""

from lm_saturation.report.cells import View, digits, interval, words
from lm_saturation_workflow.catalogue.base import Figure, Section, Table, TableRule, table_file
from lm_saturation_workflow.project import resource

SEEDS_VIEW = View(
    "seed_runs",
    "Trainings of Pythia by size and seed",
    (
        words("size"),
        words("seed"),
        digits("d", "hidden_size"),
        digits("best step", "best_step"),
        digits("increase of the divergence, nats", "increase", ".4f"),
        interval("increase", ".4f"),
        digits("lowest loss on unigram text, nats", "unigram_least", ".2f"),
        digits("last", "unigram_final", ".2f"),
    ),
    "Divergence of model and true next token on The Pile. The interval is the widest that 2.1 million tokens allow.",
)
ROUNDING_VIEW = View(
    "rounding_pairs",
    "Loss that came with an offset of the logits, and the cost of rounding",
    (
        digits("parameters, millions", "size_millions"),
        digits("peak learning rate", "peak_learning_rate", "g"),
        digits("offset", "logit_offset", ".1f"),
        digits("lost, nats", "lost", ".3f"),
        digits("cost of rounding, nats", "predicted", ".3f"),
    ),
    "Pairs of which either is at least 0.01 nats; {tried:,} were tried.",
    chosen=lambda table: table[(table.lost >= 0.01) | (table.predicted >= 0.01)],
)
COLLAPSE_VIEW = View(
    "head_collapse",
    "The most and the least degenerate head of each size and rate",
    (
        digits("parameters, millions", "size_millions"),
        digits("peak learning rate", "peak_learning_rate", "g"),
        words("most degenerate", "most"),
        digits("its σ_min/σ_max, %", "most_share", ".2f"),
        words("least degenerate", "least"),
        digits("its σ_min/σ_max, %", "least_share", ".2f"),
        digits("difference of loss, nats", "difference", ".3f"),
    ),
    "Four treatments of the output embedding, one training each.",
)
GEMSTONES_VIEW = View(
    "gemstones",
    "Gemstones narrower than 1000",
    (
        words("model"),
        digits("d", "hidden_size"),
        digits("layers", "layers"),
        words("corpus"),
        digits("best step", "best_step"),
        digits("final step", "final_step"),
        digits("increase, nats", "increase", ".4f"),
    ),
    chosen=lambda table: table[table.hidden_size < 1000],
)

FIGURES = (
    Figure(
        name="figure_seeds",
        title="Saturation by size and seed",
        caption="42 trainings of Pythia: does the seed decide? The black curve of each size is the run that the paper "
        "measures. Above: divergence from the true next token, over its minimum. Below: loss on random text that has "
        "the right token frequencies and nothing else.",
        details="From step 1,000 on, 19 checkpoints in all. The upper axis is linear below 0.002 nats. Dashed: "
        "trainings with a longer warm-up.",
        inputs=lambda _: {"checkpoints": resource("pythia_seeds.csv.xz")},
    ),
    Figure(
        name="figure_rounding",
        title="What rounding costs, and what was lost",
        caption="Each point is a size and a peak learning rate of GPTs trained in bfloat16: what the training lost "
        "against the same with μ-loss, whose logits have no offset, and what rounding logits with its offset must "
        "cost.",
        details="Both axes are linear below 0.01 nats and logarithmic above. Right: the same against the offset; "
        "the line is the cost at the median spread of the logits.",
        inputs=lambda _: {"pairs": table_file("rounding_pairs")},
    ),
)

TABLES = (
    TableRule(
        name="table_seeds",
        message="Write how trainings of Pythia end, by size and seed",
        inputs=lambda _: {"checkpoints": resource("pythia_seeds.csv.xz")},
        tables=(Table("seed_runs", "seed_runs", (SEEDS_VIEW,)),),
    ),
    TableRule(
        name="table_output_embeddings",
        message="Write what offsets and collapse cost in published trainings",
        inputs=lambda _: {"trainings": resource("output_embeddings.csv")},
        tables=(
            Table("rounding_pairs", "rounding_pairs", (ROUNDING_VIEW,)),
            Table("head_collapse", "head_collapse", (COLLAPSE_VIEW,)),
        ),
    ),
    TableRule(
        name="table_gemstones",
        message="Write how the losses of Gemstones end",
        inputs=lambda _: {"losses": resource("gemstones.csv.xz")},
        tables=(Table("gemstones", "gemstones", (GEMSTONES_VIEW,)),),
    ),
)

SECTION = Section("evidence", "Trainings of others", FIGURES, TABLES)
