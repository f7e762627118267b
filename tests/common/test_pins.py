import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PINS = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_pins_the_same_versions(env):
    packages = [line for line in yaml.safe_load(env.read_text())["dependencies"] if not line.startswith("python=")]
    assert packages == [f"{name}={PINS[name]}" for name, _ in (line.split("=") for line in packages)]


def test_the_lock_holds_what_was_asked_for():
    asked = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert {name: PINS[name] for name, _ in asked} == dict(asked)
    development = (ROOT / "requirements-dev.txt").read_text()
    assert all(f"{name}=={version}" in development for name, version in PINS.items())
