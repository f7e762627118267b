"""Saturation: figures 1a to 5, the scaling law, what softmax cannot see, rounding."""

from typing import Any

from lm_saturation.config import Experiment
from lm_saturation.report.cells import Column, View, digits, interval, is_empty, named, number, size, words
from lm_saturation_workflow.catalogue.base import Figure, Files, Parameters, Section, Table, TableRule, table_file
from lm_saturation_workflow.paths import audits, control_tables, language_model_tables, measured_tables, suite_tables_of
from lm_saturation_workflow.project import resource

YES_NO = {1: "yes", 0: "no"}
MODEL = (words("suite"), words("model"))
ONSETS = (
    ("anisotropy", "anisotropy"),
    ("singular_entropy", "singular entropy"),
    ("singular_entropy_centred", "singular entropy, centred"),
)


def measures(experiment: Experiment) -> bool:
    """Is any suite measured?"""
    return bool(experiment.measured_suites)


def of_suites(*tables: str, published: str | None = None) -> Any:
    """The inputs of a figure of checkpoints: metrics, further tables of them, and the paper's curve."""

    def inputs(experiment: Experiment) -> Files:
        names = {"layer_metrics": "layers", "head_spectrum": "spectra", "sequence_losses": "losses"}
        files: Files = {"metrics": measured_tables(experiment, "checkpoint_metrics")}
        files |= {names[table]: measured_tables(experiment, table) for table in tables}
        return files | ({"published": resource(f"figure_{published}_published.csv")} if published else {})

    return inputs


def hub_names(experiment: Experiment) -> Parameters:
    """The names that models have on the hub, by which they are the paper's."""
    return {"names": experiment.hub_names(experiment.measured_suites)}


def _figure_1a_inputs(experiment: Experiment) -> Files:
    texts = {experiment.text_of(suite) for suite in experiment.measured_suites}
    models = [text for text in experiment.language_models() if text in texts]
    return of_suites("sequence_losses", published="1a")(experiment) | {"language_models": language_model_tables(models)}


def _figure_1a_parameters(experiment: Experiment) -> Parameters:
    texts = {suite: list(experiment.text_of(suite)) for suite in experiment.measured_suites}
    return hub_names(experiment) | {"texts": texts}


def _scaling_inputs(_: Experiment) -> Files:
    return {"fits": "<results>/scaling/scaling_fit.parquet", "gaps": "<results>/scaling/scaling_gaps.parquet"}


def _figure_1b_inputs(experiment: Experiment) -> Files:
    return _scaling_inputs(experiment) | {"published": resource("figure_1b_published.csv")}


def _table_saturation_inputs(experiment: Experiment) -> Files:
    return {
        "metrics": measured_tables(experiment, "checkpoint_metrics"),
        "layers": measured_tables(experiment, "layer_metrics"),
        "saturation": suite_tables_of(experiment, "saturation"),
        "correlation": suite_tables_of(experiment, "onset_correlation"),
    }


def _figure_controls_inputs(experiment: Experiment) -> Files:
    return {"metrics": control_tables(experiment)["metrics"], "controls": table_file("controls")}


def _figure_controls_parameters(experiment: Experiment) -> Parameters:
    suites = experiment.control_suites.items()
    changes = {name: later.first_step(suite.steps[-1]) for name, suite in suites if (later := suite.later_corpus)}
    return {"changes": changes}


def _table_checkpoints_inputs(experiment: Experiment) -> Files:
    return {"metrics": measured_tables(experiment, "checkpoint_metrics"), "audits": audits(experiment)}


def _steps(head: str, count: str, steps: str) -> Column:
    """How many, and which."""
    return Column(head, lambda row: f"{row[count]} (steps {row[steps]})" if row[count] else "0")


def _of_several(column: Column) -> Column:
    """Empty for a model with one checkpoint."""
    return Column(column.head, lambda row: column.text(row) if row["checkpoints"] > 1 else "", column.is_number)


def _saturates(row: dict[str, Any]) -> str:
    return YES_NO[row["saturates"]] if row["checkpoints"] > 1 else "one checkpoint"


SATURATION_VIEW = View(
    "saturation",
    "Saturation in numbers",
    (
        *MODEL,
        Column("parameters", lambda row: size(row["parameters"])),
        digits("tokens/parameter", "tokens_per_parameter"),
        digits("best step", "best_step"),
        digits("final step", "final_step"),
        digits("minimum loss (nats/token)", "best_loss", ".3f"),
        _of_several(digits("increase", "difference", ".4f")),
        _of_several(interval("difference")),
        digits("documents", "documents"),
        Column("saturates", _saturates, is_number=False),
    ),
    "The loss saturates if the 95 % interval of its increase, over documents and free of the choice of the best step, "
    "lies above 0.",
)
CONTROLS_VIEW = View(
    "controls",
    "Controls: would a rise of the loss be found, and none invented?",
    (
        *MODEL,
        words("control"),
        named("expected", "control", {"positive": "rises", "negative": "does not rise"}),
        digits("best step", "best_step"),
        digits("final step", "final_step"),
        digits("increase (nats/token)", "difference", ".4f"),
        interval("difference"),
        named("saturates", "saturates", YES_NO),
        named("as expected", "as_expected", YES_NO),
    ),
    "Positive controls are trained on another text in the end, so that their loss on the first rises by construction; "
    "negative ones are the same models without that. They are judged as the other models are and are in no verdict.",
)
CONTROL_CLAIMS_VIEW = View(
    "control_claims",
    "The claims about saturation, judged on the controls",
    (words("claim"), words("positive"), words("negative"), words("both")),
    "What the tests say where the loss is known to rise, and where it is known not to. No other test of the page "
    "counts these models.",
)
ONSETS_VIEW = View(
    "onsets",
    "Anisotropy and singular entropy in numbers",
    (
        *MODEL,
        *(
            column
            for name, title in ONSETS
            for column in (
                digits(f"{title}: minimum", f"{name}_minimum", ".3f"),
                digits("final", f"{name}_final", ".3f"),
                digits("onset", f"{name}_onset_step"),
            )
        ),
        digits("loss on unigram text (nats/token): minimum", "loss_on_unigram_text_minimum", ".2f"),
        digits("final", "loss_on_unigram_text_final", ".2f"),
    ),
    "Anisotropy sets in where it passes .5; singular entropy (nats) at its minimum, if it then increases by more than "
    "a tenth of ln d. Minima are over the steps after the first 5 %. Unigram text is random text of the "
    "corpus's frequencies of tokens.",
)
CORRELATION_VIEW = View(
    "onset_correlation",
    "Do onsets come in the same order?",
    (
        words("suite"),
        words("metric"),
        words("other"),
        digits("models", "models"),
        digits("correlation", "spearman", ".2f"),
        digits("p-value", "p_value"),
    ),
    "Spearman's rank correlation of the onset steps of two metrics over the models in which both set in, with the "
    "p-value of a permutation test. Pairs with fewer than three such models are left out.",
    chosen=lambda table: table[table.spearman.notna()],
)


def _quantised(row: dict[str, Any]) -> str:
    """The types of its weights: Q4_1 keeps its underscore."""
    return "" if is_empty(row["quantisation"]) else str(row["quantisation"])


CHECKPOINTS_VIEW = View(
    "checkpoints",
    "Checkpoints configured, found and measured",
    (
        *MODEL,
        Column("configured", lambda row: number(row["configured"]) or "all"),
        digits("found", "found"),
        digits("measured", "measured"),
        _steps("missing", "missing", "missing_steps"),
        _steps("weights shared with another step", "duplicates", "duplicate_steps"),
        _steps("incomplete", "incomplete", "incomplete_steps"),
        Column("quantised", _quantised, is_number=False),
    ),
    "Where weights are quantised, what is measured is the model with these weights dequantised, not the one that was "
    "quantised.",
)
SCALING_VIEW = View(
    "scaling_fit",
    "The scaling law in numbers",
    (
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
        digits("misfit", "rms_residual", ".4f"),
        digits("noise of a model", "model_noise", ".4f"),
    ),
    "A/N^α + B/T^β + E, with B, β and E held as named, or all five free; small models are those that the fit does not "
    "see. Intervals hold the noise that the checkpoints of a model share; without one, the models are too few to tell. "
    "The misfit is the root mean square of the residuals of log losses, so a share of the loss.",
)

FIGURES = (
    Figure(
        name="figure_1a",
        title="Figure 1a: loss over training",
        caption="Loss on the same held-out tokens at every checkpoint, one panel per model. Does it rise again after "
        "its minimum (star) by more than the standard error of that difference (band)? The paper's curves are grey; "
        "the dotted line is the loss of a 5-gram model.",
        details="The 5-gram model is a Kneser–Ney model of the same corpus and tokenizer, where there is one: a dotted "
        "line, or its value in words where it lies outside the panel. The band is the standard error of the difference "
        "to the lowest loss over the same text, so it vanishes at the star; the paper's is that of its level. The "
        "paper's models that none of ours is have panels of their own, over the share of training. The last 80 % of "
        "the steps set the loss axis, so the steep beginning is cut off. Hollow crosses are checkpoints whose weights "
        "another step has too; no line joins them.",
        inputs=_figure_1a_inputs,
        parameters=_figure_1a_parameters,
        wanted=measures,
        minutes=5,
    ),
    Figure(
        name="figure_1b",
        title="Figure 1b: losses beside the scaling law",
        caption="Final (x) and best (+) losses of every model against training compute, and the fitted scaling law. Do "
        "small models lie above the line, and less so at their best checkpoints? In words: how far the law misses its "
        "own points. The paper's own law is grey.",
        details="The law is fitted as the panel's title says: with the constants that the paper holds, on its points, "
        "or with all five free. The misfit is the root mean square of loss over law, less 1: of the losses drawn that "
        "the law was fitted to, and of final losses by a law fitted without models of their size. Solid: at the tokens "
        "of the final checkpoints; dashed: at those of the best.",
        inputs=_figure_1b_inputs,
        minutes=5,
    ),
    Figure(
        name="figure_2",
        title="Figure 2: anisotropy of the layers",
        caption="Mean cosine between hidden states of different tokens, layer by layer, at the last checkpoint; larger "
        "models are lighter. Do the last layers of small models, and only theirs, come near 1? The paper's curves are "
        "grey.",
        details="One panel per suite. Depth 0 is the output of the embedding, the last point is the state after the "
        "final norm, which the LM head reads. Where a suite has none of the paper's models, all of them are drawn: "
        "Pythia, GPT-2, OPT and Gemma.",
        inputs=of_suites("layer_metrics", published="2"),
        parameters=hub_names,
        wanted=measures,
        palette=False,
        minutes=5,
    ),
    Figure(
        name="figure_3",
        title="Figure 3: loss, coloured by anisotropy",
        caption="Word perplexity (or loss) at every checkpoint, coloured by last-layer anisotropy. Does it turn "
        "upwards where the colour changes, as in the paper's curves, the wide grey lines beneath?",
        details="Perplexity of another text, per word; the loss where the configuration names no such text. The colour "
        "is last-layer anisotropy. The paper's models that none of ours is have panels of their own, over the share of "
        "training. The last 80 % of the steps set the axis. Hollow crosses are checkpoints whose weights another step "
        "has too.",
        inputs=of_suites(published="3"),
        parameters=hub_names,
        wanted=measures,
        palette=False,
        minutes=5,
    ),
    Figure(
        name="figure_4",
        title="Figure 4: singular values of the LM head",
        caption="Singular values 2 to 101 of the LM head as a share of the first, over training; the paper's in grey. "
        "Light in all rows is a flat spectrum; does it darken again, as one direction outgrows the others?",
        details="The first is 1 and not drawn; each column reaches half-way to the checkpoints beside it. Colours "
        "follow the square root of the share, because most values are small. The paper's models that none of ours is "
        "have grey maps of their own, over the share of training, at the ten ranks that were read off; where a model "
        "is the paper's, the contour at 0.2 is drawn for ours (white) and for the paper's (grey, dashed). Checkpoints "
        "whose weights another step has too are left out and marked on the upper edge.",
        inputs=of_suites("head_spectrum", published="4"),
        parameters=hub_names,
        wanted=measures,
        palette=False,
        minutes=5,
    ),
    Figure(
        name="figure_5",
        title="Figure 5: singular entropy of the LM head",
        caption="Singular entropy of the LM head over training; larger models are lighter, higher is more "
        "concentrated. Does it fall and then shoot up in small models only? The paper's curves are grey.",
        details="One panel per suite. Singular entropy is the divergence, in nats, of the normalised squared singular "
        "values from the uniform distribution. What follows the first 5 % of the steps sets the axis; triangles on its "
        "edge are values beyond it. Where a suite has none of the paper's models, all of them are drawn against the "
        "share of training (above). Hollow crosses are checkpoints whose weights another step has too.",
        inputs=of_suites(published="5"),
        parameters=hub_names,
        wanted=measures,
        palette=False,
        minutes=5,
    ),
    Figure(
        name="figure_unigram",
        title="Loss on random text: unigram and bigram",
        caption="Loss on random text that has the corpus's frequencies of tokens (solid), or of pairs of tokens "
        "(dashed), and nothing else. In published trainings of Pythia (grey) it rises by nats where a small model "
        "saturates, and stays flat in large ones. Does it rise here where the loss in Figure 1a does?",
        details="The same random text for all checkpoints of a suite. Unigram text is new to every model, so its loss "
        "tells how extreme predictions are away from real text. Grey: one training of each size from step 1,000 on, "
        "the seed that the paper measures, on random text of The Pile; those that none of ours is have panels of "
        "their own, over the share of training. The last 80 % of the steps set the axis of a row. Hollow crosses are "
        "checkpoints whose weights another step has too.",
        inputs=lambda experiment: of_suites()(experiment) | {"seeds": resource("pythia_seeds.csv.xz")},
        parameters=hub_names,
        wanted=measures,
        minutes=5,
    ),
    Figure(
        name="figure_centred",
        title="Raw against centred: what softmax cannot see",
        caption="Singular entropy, anisotropy and the share of the norm that lies on the mean, raw and with the mean "
        "removed, to which softmax is blind. How much of the collapse is left without it? Larger models are lighter.",
        details="Adding one vector to all rows of the LM head changes no probability. From the left: singular entropy "
        "of the head as it is and with its mean row removed; anisotropy of the last hidden states as they are and with "
        "their mean removed; the share of the squared norm that lies on the mean, of the head and of the hidden "
        "states. Hollow crosses are checkpoints whose weights another step has too.",
        inputs=of_suites(),
        wanted=measures,
        palette=False,
        minutes=5,
    ),
    Figure(
        name="figure_precision",
        title="Rounding: what logits in half precision cost",
        caption="How much the loss grows when logits are rounded to bfloat16 and float16, and how large the offset "
        "that all logits share is. If rounding explained saturation, this growth would come near the increase in "
        "Figure 1a. A line in each panel says whether it is noise.",
        details="With the head as it is and with its mean row removed; the axis is linear up to 0.001 nats. In words, "
        "the mean of the raw head over models and its 95 % interval: where it holds 0, all values are noise of either "
        "sign. The offset is shown against the spread of the logits. Empty where a logit overflows float16. Hollow "
        "crosses are checkpoints whose weights another step has too.",
        inputs=of_suites(),
        wanted=measures,
        palette=False,
        minutes=5,
    ),
    Figure(
        name="figure_controls",
        title="Controls: would a late rise of the loss be found?",
        caption="A late rise of the loss is found where one was made, and nowhere else, if the band lies above the "
        "lowest loss in the positive controls only. These are trained on another text after the dotted line. Controls "
        "are in no verdict and no other figure.",
        details="Loss on held-out documents of the first text. The band is the lowest loss plus the 95 % interval of "
        "the increase. The last 80 % of the steps set the loss axis.",
        inputs=_figure_controls_inputs,
        parameters=_figure_controls_parameters,
        wanted=lambda experiment: bool(experiment.control_suites),
        minutes=2,
    ),
)

TABLES = (
    TableRule(
        name="table_saturation",
        message="Write saturation in numbers",
        inputs=_table_saturation_inputs,
        tables=(
            Table("saturation", "table_saturation", (SATURATION_VIEW, ONSETS_VIEW)),
            Table("onset_correlation", "onset_correlation", (CORRELATION_VIEW,)),
        ),
        minutes=5,
    ),
    TableRule(
        name="table_controls",
        message="Write whether the saturation of the controls is found",
        inputs=control_tables,
        parameters=lambda experiment: {
            "controls": {name: suite.control for name, suite in experiment.control_suites.items()}
        },
        tables=(
            Table("controls", "table_controls", (CONTROLS_VIEW,)),
            Table("control_claims", "control_claims", (CONTROL_CLAIMS_VIEW,)),
        ),
        minutes=2,
    ),
    TableRule(
        name="table_checkpoints",
        message="Write which checkpoints were found and measured",
        inputs=_table_checkpoints_inputs,
        parameters=lambda experiment: {
            "steps": {name: suite.step_list for name, suite in experiment.measured_suites.items()}
        },
        tables=(Table("checkpoints", "table_checkpoints", (CHECKPOINTS_VIEW,)),),
        minutes=5,
    ),
    TableRule(
        name="table_scaling",
        message="Write the scaling law in numbers",
        inputs=_scaling_inputs,
        tables=(
            Table("scaling_fit", "scaling_fit", (SCALING_VIEW,)),
            Table("scaling_gaps", "scaling_gaps"),
        ),
        minutes=5,
    ),
)

SECTION = Section(
    "saturation",
    "Saturation",
    FIGURES,
    TABLES,
    ("saturation", "This configuration measures no checkpoints (checkpoints.suites is empty)."),
)
