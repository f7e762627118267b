"""A published model, measured here: one checkpoint of real weights at a real vocabulary."""

from lm_saturation.report.cells import View, digits, interval, words
from lm_saturation_workflow.catalogue.base import Section, Table, TableRule
from lm_saturation_workflow.project import resource

VIEW = View(
    "real_weights",
    "Real weights",
    (
        words("model"),
        words("quantity"),
        digits("rank", "rank"),
        digits("value", "value"),
        interval(""),
        words("unit"),
    ),
    "SmolLM2-135M-Instruct, 2e12 training tokens, on the prose of the default run. Its weights were quantised (Q4_1, "
    "the embedding, which is the LM head, Q8_0); what is measured is the model with these weights dequantised. One "
    "checkpoint says how a trained model is, not what training did. make real measures it anew.",
)
TABLES = (
    TableRule(
        name="table_real_weights",
        message="Write what a published model shows",
        inputs=lambda _: {"numbers": resource("real_weights.csv")},
        tables=(Table("real_weights", "real_weights", (VIEW,)),),
    ),
)
SECTION = Section("real", "Real weights", (), TABLES)
