"""What of the code decides whether a job runs again."""

import pytest

from lm_saturation_workflow import code_hash as module

SCRIPT = '''"""Says what it does."""
from lm_saturation.helper import double

def quadruple(x):
    """Says more."""
    return double(double(x))
'''
HELPER = '''"""Helps."""
from lm_saturation.options import Section, option

class Options(Section):
    """Options."""

    times: int = option(2, "how often", ge=1)

def double(x):
    return 2 * x
'''


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """The hash of a script and a module that it imports, in a project of nothing else."""

    def code_hash(script=SCRIPT, helper=HELPER):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        (tmp_path / "src" / "lm_saturation").mkdir(parents=True, exist_ok=True)
        (tmp_path / "scripts" / "rule.py").write_text(script)
        (tmp_path / "src" / "lm_saturation" / "helper.py").write_text(helper)
        monkeypatch.setattr(module, "SOURCES", tmp_path / "src")
        monkeypatch.setattr(module, "project_file", lambda path: tmp_path / path)
        monkeypatch.setattr(module, "KEPT", tmp_path / ".snakemake" / "code_hash.json")
        forget()
        return module.code_hash("rule.py")

    yield code_hash
    forget()


def forget():
    """As a new process starts."""
    module.code_hash.cache_clear()
    module._module.cache_clear()
    module._kept.cache_clear()


def test_comments_docstrings_and_layout_do_not_count(hash_of):
    before = hash_of()
    changed = SCRIPT.replace("Says more", "Says else").replace("(double(x))", "(\n        double(x)  # twice\n    )")
    assert hash_of(script=changed) == before


def test_formulas_count_also_in_imported_modules(hash_of):
    before = hash_of()
    assert hash_of(script=SCRIPT.replace("double(double(x))", "double(x) * 2")) != before
    assert hash_of(helper=HELPER.replace("2 * x", "x + x")) != before


def test_descriptions_of_options_do_not_count_but_their_defaults_and_bounds_do(hash_of):
    before = hash_of()
    assert hash_of(helper=HELPER.replace("how often", "how many times")) == before
    assert hash_of(helper=HELPER.replace("option(2", "option(3")) != before
    assert hash_of(helper=HELPER.replace("ge=1", "ge=2")) != before


@pytest.mark.parametrize("damage", [None, "", "{", "[1]", '{"key": 1}'])
def test_what_is_kept_changes_no_hash(hash_of, tmp_path, monkeypatch, damage):
    before = hash_of()
    module._keep()
    assert not module.KEPT.exists()  # Snakemake has no folder there
    module.KEPT.parent.mkdir()
    module._keep()
    assert module.KEPT.is_file()
    if damage is None:
        monkeypatch.setattr(module.ast, "parse", None)  # nothing is parsed again
    else:
        module.KEPT.write_text(damage)
    assert hash_of() == before
