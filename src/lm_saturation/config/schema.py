"""The JSON schema of config files, by which an editor completes keys and marks what is not allowed.

python -m lm_saturation.config.schema > schemas/config.schema.json

It is that of the models, but requires no key: the files in config/ hold only what differs from config.yaml. References
between keys, such as a corpus that is not defined, are left to `read_experiment`.
"""

import json
from typing import Any

from lm_saturation.config.experiment import Experiment

DROPPED = ("discriminator", "required", "title")


def config_schema() -> dict[str, Any]:
    """The schema, in draft 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_relaxed(Experiment.model_json_schema())}


def _relaxed(node: Any) -> Any:
    """A part of the schema without required keys and pydantic's titles; every mapping is closed."""
    if isinstance(node, list):
        return [_relaxed(part) for part in node]
    if not isinstance(node, dict):
        return node
    relaxed = {
        name: {key: _relaxed(value) for key, value in part.items()} if name == "properties" else _relaxed(part)
        for name, part in node.items()
        if name not in DROPPED
    }
    if "oneOf" in relaxed:
        relaxed["anyOf"] = relaxed.pop("oneOf")  # without its source, a mapping can be of several kinds
    if "patternProperties" in relaxed:
        relaxed["additionalProperties"] = False
    return relaxed


def main() -> None:
    """Print the schema."""
    print(json.dumps(config_schema(), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
