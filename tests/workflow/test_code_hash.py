from scripts.workflow import code_hash as module

SCRIPT = '''"""Says what it does."""
from scripts.common.helper import double

def quadruple(x):
    """Says more."""
    return double(double(x))
'''
HELPER = "def double(x):\n    return 2 * x\n"


def hash_of(tmp_path, monkeypatch, script=SCRIPT, helper=HELPER):
    (tmp_path / "scripts" / "common").mkdir(parents=True, exist_ok=True)
    (tmp_path / "scripts" / "rule.py").write_text(script)
    (tmp_path / "scripts" / "common" / "helper.py").write_text(helper)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    module.code_hash.cache_clear()
    module._syntax_and_imports.cache_clear()
    return module.code_hash("rule.py")


def test_comments_docstrings_and_layout_do_not_count(tmp_path, monkeypatch):
    before = hash_of(tmp_path, monkeypatch)
    changed = SCRIPT.replace("Says more", "Says else").replace("(double(x))", "(\n        double(x)  # twice\n    )")
    assert hash_of(tmp_path, monkeypatch, script=changed) == before


def test_formulas_count_also_in_imported_modules(tmp_path, monkeypatch):
    before = hash_of(tmp_path, monkeypatch)
    assert hash_of(tmp_path, monkeypatch, script=SCRIPT.replace("double(double(x))", "double(x) * 2")) != before
    assert hash_of(tmp_path, monkeypatch, helper=HELPER.replace("2 * x", "x + x")) != before
