"""The default configuration, and what is said of one that differs from it."""

import copy

import yaml

from lm_saturation.config import read_experiment
from lm_saturation.errors import InputError
from tests.conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
DEFAULT = read_experiment(CONFIG)


def changed(path, value):
    """The default configuration with one key changed, or deleted if the value is ..."""
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split("/")
    place = config
    for part in parents:
        place = place.setdefault(part, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return config


def error_of(config):
    """What is wrong with a configuration; None if it can be read and all its files are there."""
    try:
        read_experiment(config).check_files()
    except InputError as error:
        return str(error)
    return None


def places(node, path=()):
    """Every key and index of a config."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def replaced(place, value):
    """The default configuration with another value at a place, which may be in a list."""
    config = copy.deepcopy(CONFIG)
    parent = config
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return config
