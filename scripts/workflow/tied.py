"""What the config says of the study of shared embeddings."""

from typing import Any

from scripts.common.jobs import InputError
from scripts.workflow.suites import steps_of, token_paths

HALVED = ("swap", "shuffle")  # remedies that need an even width
TRAINED = (
    "batch_size",
    "device",
    "held_out_tokens",
    "model",
    "precision",
    "seeds",
    "sequence_length",
    "sigma",
)


def trained_remedies(config: dict[str, Any]) -> list[str]:
    """The remedies that models are trained with; none where there is no study."""
    return config["tied"]["training"]["remedies"] if config["tied"]["remedies"] else []


def tied_of(config: dict[str, Any]) -> dict[str, Any]:
    """What decides how the models with a remedy are trained, but for the remedy."""
    training = config["tied"]["training"]
    return {key: training[key] for key in TRAINED} | {"steps": steps_of(training)}


def tied_text(config: dict[str, Any]) -> list[dict[str, str]]:
    """The corpus and tokenizer that those models read."""
    return [config["tied"]["training"]] if trained_remedies(config) else []


def tied_tokens(config: dict[str, Any], kind: str) -> list[str]:
    """Its token files of a kind (their suffix)."""
    training = config["tied"]["training"]
    return token_paths(config, training["corpus"], training["tokenizer"], kind)


def tied_tables(config: dict[str, Any], table: str) -> list[str]:
    """A table of the models of every remedy."""
    return [f"<results>/tied/{remedy}/{table}.parquet" for remedy in trained_remedies(config)]


def check_tied(config: dict[str, Any]) -> None:
    """Raise InputError if the study, which fits the schema, cannot be: key, value, what is allowed."""
    tied = config["tied"]
    for part in ("models", "training"):
        model = tied["models"] if part == "models" else tied["training"]["model"]
        if model["width"] % (8 * model["heads"]):
            raise InputError(
                f"tied.{part} has width {model['width']} and {model['heads']} heads; allowed: a width that is a "
                "multiple of 8 x heads (a quarter of each head turns, in pairs)"
            )
    for width in tied["initial"]["widths"]:
        if width % 2 and set(HALVED) & set(tied["remedies"]):
            raise InputError(f"tied.initial.widths names {width}; allowed with swap or shuffle: even widths")
    for remedy in tied["training"]["remedies"] if tied["remedies"] else []:
        if remedy not in tied["remedies"]:
            raise InputError(
                f"tied.training.remedies names {remedy!r}; allowed are those of tied.remedies: "
                f"{', '.join(tied['remedies'])}"
            )
    for number, step in enumerate(tied["training"]["steps"]):
        if isinstance(step, dict) and step["first"] > step["last"]:
            raise InputError(
                f"tied.training.steps[{number}] runs from {step['first']} to {step['last']}; allowed: first <= last"
            )
