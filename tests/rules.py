"""The rules of the workflow as Snakemake reads them, for tests that look at what they declare."""

import sys
from functools import cache
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

from tests.conftest import ROOT


@cache
def rules():
    """Snakemake's objects of all rules, by name."""
    path = [*sys.path]
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(configfiles=[ROOT / "config" / "smoke.yaml"]),
                snakefile=ROOT / "Snakefile",
                workdir=ROOT,
            )
            workflow.dag(dag_settings=DAGSettings(targets={"all"})).printrulegraph()  # reads the rules
            return {rule.name: rule for rule in workflow._workflow.rules}
    finally:
        sys.path[:] = path


def script_of(rule):
    """The file of a rule's script."""
    return (Path(rule.basedir.get_path_or_uri(secret_free=True)) / rule.script).resolve()


def environment_of(rule):
    """The file of a rule's conda environment."""
    return (Path(rule.basedir.get_path_or_uri(secret_free=True)) / str(rule.conda_env)).resolve()
