"""The typed configuration, as rules get it."""

import copy

import pytest

from lm_saturation_workflow.accessor import experiment_of
from tests.config.defaults import CONFIG, DEFAULT, changed


def test_a_configuration_is_read_once():
    config = copy.deepcopy(CONFIG)
    assert experiment_of(config) == DEFAULT
    assert experiment_of(config) is experiment_of(config)


def test_modules_have_configurations_of_their_own():
    first, second = changed("heads/jobs", 3), changed("heads/jobs", 4)
    assert [experiment_of(config).heads.jobs for config in (first, second, first)] == [3, 4, 3]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("heads/jobs", 0, "config: heads.jobs is 0; allowed: at least 1"),
        ("corpora/x", {"source": "local", "paths": ["no.txt"]}, "config: corpora.x: no.txt: no such file or folder"),
    ],
)
def test_a_wrong_one_ends_the_program_with_one_line(path, value, message):
    with pytest.raises(SystemExit) as ending:
        experiment_of(changed(path, value))
    assert str(ending.value).startswith(message)
    assert "\n" not in str(ending.value)
