"""The typed configuration, for the Snakefile and every rule file: experiment = experiment_of(config)."""

import sys
from typing import Any

from lm_saturation.config import Experiment, read_experiment
from lm_saturation.errors import InputError

_known: list[tuple[dict[str, Any], Experiment]] = []  # a workflow with modules has several configurations


def experiment_of(config: dict[str, Any]) -> Experiment:
    """What Snakemake's configuration describes; read once. Ends the program with one line where it is wrong."""
    for read, experiment in _known:
        if read is config:
            return experiment
    try:
        experiment = read_experiment(config)
        experiment.check_files()
    except InputError as error:
        sys.exit(f"config: {error}")
    _known.append((config, experiment))
    return experiment
