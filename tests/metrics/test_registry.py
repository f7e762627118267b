"""A metric is one file: what registers it, what finds it, and what runs again for it."""

import importlib
import sys

import pytest

import lm_saturation.metrics
from lm_saturation.io.tables import table_columns
from lm_saturation.metrics import measure as module
from lm_saturation.metrics.measure import measure, registered_metrics
from lm_saturation_workflow import code_hash
from tests.metrics.models import tiny_model, tiny_task

KEYS = {"suite", "model", "step", "tokens", "duplicate_of", "quantisation"}
METRIC = """
from lm_saturation.metrics.registry import metric

@metric
def columns(forward):
    return {"COLUMN": 2.5}
"""


@pytest.fixture
def add_metric(tmp_path, monkeypatch):
    """Add a module with a metric to the package for one test."""
    before = dict(registered_metrics())

    def add(column):
        (tmp_path / "added.py").write_text(METRIC.replace("COLUMN", column))
        monkeypatch.setattr(lm_saturation.metrics, "__path__", [*lm_saturation.metrics.__path__, str(tmp_path)])
        importlib.invalidate_caches()
        registered_metrics.cache_clear()

    yield add
    sys.modules.pop("lm_saturation.metrics.added", None)
    module.METRICS.clear()
    module.METRICS.update(before)
    registered_metrics.cache_clear()


def test_the_metrics_give_the_tables_columns_in_their_order():
    columns = [name for name in table_columns("checkpoint_metrics") if name not in KEYS]
    assert list(measure(tiny_model(), tiny_task()).metrics) == columns


def test_a_new_file_is_found_and_its_column_measured(add_metric, monkeypatch):
    declared = {**table_columns("checkpoint_metrics"), "added": {"type": "number"}}
    monkeypatch.setattr(module, "table_columns", lambda name: declared)
    add_metric("added")
    metrics = measure(tiny_model(), tiny_task()).metrics
    assert metrics["added"] == 2.5
    assert list(metrics)[-1] == "added"


def test_a_column_that_no_table_declares_is_refused(add_metric):
    add_metric("added")
    with pytest.raises(ValueError, match="column added is not declared in table checkpoint_metrics"):
        measure(tiny_model(), tiny_task())


def test_a_column_of_two_metrics_is_refused(add_metric):
    add_metric("anisotropy")
    with pytest.raises(ValueError, match="another metric gives the column anisotropy"):
        measure(tiny_model(), tiny_task())


def test_code_of_all_metrics_counts_for_the_rule_that_measures_them_alone():
    """A metric that no module imports is part of the code of `checkpoint_metrics`, and of no other rule's."""

    def modules(script):
        waiting = code_hash._imported(code_hash._module(code_hash.project_file(f"scripts/{script}")))
        seen = set()
        while waiting:
            if (path := waiting.pop()) not in seen:
                seen.add(path)
                waiting += code_hash._imported(code_hash._module(path))
        return {path.stem for path in seen if path.parent.name == "metrics" and path.parents[1].name == "lm_saturation"}

    files = {path.stem for path in (code_hash.SOURCES / "lm_saturation" / "metrics").glob("*.py")}
    assert modules("metrics/checkpoint_metrics.py") == files
    for script in ("tied/tied_training.py", "heads/head_rank_sweep.py", "metrics/saturation.py"):
        assert not modules(script) & {"token_frequency", "unargmaxable", "model_size", "forward_pass"}, script
