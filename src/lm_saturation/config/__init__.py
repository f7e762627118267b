"""The typed configuration of an experiment, a module per stage."""

from lm_saturation.config.experiment import Experiment, read_experiment

__all__ = ["Experiment", "read_experiment"]
