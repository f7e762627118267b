import re
import sys

import pytest
import yaml

from tests.conftest import ROOT
from tests.imports import SRC, imported_packages
from tests.rules import environment_of, rules, script_of

PINS = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))

UNPINNED = ("python=3.11", "pip")

# packages that are called otherwise, and those that come with another
NAMES = {"yaml": "pyyaml", "markupsafe": "jinja2", "pydantic_core": "pydantic"}


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_pins_the_same_versions(env):
    lines = [line for line in yaml.safe_load(env.read_text())["dependencies"] if line not in UNPINNED]
    from_pip = [package for line in lines if isinstance(line, dict) for package in line["pip"]]
    assert from_pip == [f"{name}=={PINS[name]}" for name in (package.split("==")[0] for package in from_pip)]
    packages = [line for line in lines if isinstance(line, str)]
    names = [line.split("=")[0] for line in packages]
    assert packages == [f"{name}={PINS[name.replace('_', '-')]}" for name in names]  # conda keeps the underscore


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_has_what_its_jobs_import(env):
    """The library comes over PYTHONPATH; every job unpickles options, so it imports lm_saturation.config, too."""
    scripts = [script_of(rule) for rule in rules().values() if rule.script and environment_of(rule) == env]
    assert scripts
    needed = set().union(*map(imported_packages, [*scripts, SRC / "lm_saturation" / "config" / "__init__.py"]))
    needed = {NAMES.get(name, name) for name in needed - sys.stdlib_module_names}
    assert needed - set(re.findall(r"^ +- ([\w-]+)=", env.read_text(), re.MULTILINE)) == set()


def test_conda_environments_differ():
    texts = [yaml.safe_load(path.read_text())["dependencies"] for path in (ROOT / "envs").glob("*.yaml")]
    assert [text for text in texts if texts.count(text) > 1] == []


def test_the_lock_holds_what_was_asked_for():
    asked = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert {name: PINS[name] for name, _ in asked} == dict(asked)
    development = (ROOT / "requirements-dev.txt").read_text()
    assert all(f"{name}=={version}" in development for name, version in PINS.items())


def test_plugins_for_clusters_change_no_version():
    cluster = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements-cluster.txt").read_text(), re.MULTILINE))
    assert "snakemake-executor-plugin-slurm" in cluster
    assert {name: PINS[name] for name in set(cluster) & set(PINS)} == {
        name: cluster[name] for name in set(cluster) & set(PINS)
    }
