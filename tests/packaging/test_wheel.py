"""The library as a wheel installs it: in an environment of its own, used from a folder without a clone."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain

import pytest

from tests.conftest import ROOT
from tests.imports import PACKAGES, SRC, imported_packages, imports, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMES = {"yaml": "pyyaml", "markupsafe": "jinja2", "pydantic_core": "pydantic", "lm_eval": "lm-eval"}

METRICS = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from lm_saturation import model_metrics

torch.manual_seed(0)
config = GPTNeoXConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=32,
)
model = AutoModelForCausalLM.from_config(config)
measured = model_metrics(model, torch.randint(50, (4, 16)), text_bytes=100)
print(json.dumps([measured.metrics.to_json(double_precision=15), sys.modules["lm_saturation"].__file__]))
"""
EVERY_MODULE = """
import importlib, pkgutil
import lm_saturation

for module in pkgutil.walk_packages(lm_saturation.__path__, "lm_saturation."):
    print(importlib.import_module(module.name).__file__)
"""


def run(python, program, folder, **variables):
    """What the program prints in a folder; `-P` keeps that folder out of the search path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    result = subprocess.run(
        [str(python), "-P", "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_it_holds_the_packages_and_their_data(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {str(path.relative_to(SRC)) for path in SRC.rglob("*") if path.is_file()}
    assert held == {path for path in sources if not re.search(r"__pycache__|\.nb[ic]$", path)}
    assert {path.split("/")[0] for path in held} == set(PACKAGES)
    for name in ("py.typed", "io/tables.yaml", "report/report.html.jinja", "resources/table_1_published.csv"):
        assert f"lm_saturation/{name}" in held


def test_the_same_numbers_as_from_the_clone(python, tmp_path):
    numbers, library = json.loads(run(python, METRICS, tmp_path))
    assert library.startswith(str(python.parents[1]))
    expected, of_clone = json.loads(run(sys.executable, METRICS, tmp_path, PYTHONPATH=str(SRC)))
    assert of_clone.startswith(str(SRC))
    assert numbers == expected
    assert json.loads(numbers)["cross_entropy_nats"] == pytest.approx(3.9, abs=0.2)  # log 50


def test_every_module_can_be_imported(python, tmp_path):
    files = run(python, EVERY_MODULE, tmp_path).splitlines()
    assert len(files) == len(modules("lm_saturation")) - 1  # without lm_saturation itself
    assert all(file.startswith(str(python.parents[1])) for file in files)


def test_dependencies_are_declared():
    """Those that a metric needs always, the others at least in an extra."""
    always, extra = _names(PROJECT["dependencies"]), _names(chain(*PROJECT["optional-dependencies"].values()))
    model_metrics = modules("lm_saturation")["lm_saturation.in_memory"]
    assert _others(imported_packages(model_metrics)) <= always
    library = {name.split(".")[0] for path in modules("lm_saturation").values() for name in imports(path)}
    assert _others(library) <= always | extra


def _names(requirements):
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def _others(packages):
    """The distributions of packages beside the standard library and this project."""
    return {NAMES.get(name, name.replace("_", "-")) for name in packages - sys.stdlib_module_names - set(PACKAGES)}
