"""Every function of snakemake_9_27 is still needed, and does what it says, with the Snakemake that is installed.

If one of these tests fails after an update, the function that it names may be dropped, or must be written anew.
"""

import asyncio
import subprocess
import sys
from types import SimpleNamespace

import pytest
import snakemake
from snakemake.api import DAGApi
from snakemake.io import AnnotatedString, ensure

SNAKEFILE = """
from lm_saturation_workflow import snakemake_9_27

onstart:
    print("limit before", workflow.scheduler.job_rate_limiter)
    snakemake_9_27.lift_rate_limit(workflow)
    print("limit after", workflow.scheduler.job_rate_limiter)

print("alone", snakemake_9_27.is_alone(workflow))
print("found", snakemake_9_27.finder(workflow)("here.txt"))
print("storage", snakemake_9_27.has_storage(workflow))

include: "rules/text.smk"
"""
RULES = """
rule upper:
    output: "{name}.txt"
    message: "Write {wildcards.name}"
    shell: "echo {wildcards.name} > {output}"

rule two:
    input: "a.txt", "b.txt"
    localrule: True
"""
DESCRIBED = "snakemake_9_27.describe(workflow.rules)\n"
PRINTED = (
    "print([(rule.name, snakemake_9_27.stage_of(rule), snakemake_9_27.is_local(rule)) for rule in workflow.rules])\n"
)


@pytest.fixture
def run(tmp_path):
    """Run Snakemake on a small workflow. Gives what it printed."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "here.txt").touch()
    (tmp_path / "rules" / "text.smk").write_text(RULES)

    def run_it(snakefile, *arguments):
        (tmp_path / "Snakefile").write_text(snakefile)
        command = [sys.executable, "-m", "snakemake", *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return result.stdout + result.stderr

    return run_it


def test_the_version():
    assert snakemake.__version__.startswith("9.27."), "try the workflow, then rename the module"


def test_the_rate_is_limited_unless_that_is_lifted(run):
    output = run(SNAKEFILE, "--cores", "1", "a.txt")
    assert "limit before <snakemake.scheduling.job_scheduler.JobRateLimiter" in output
    assert "limit after None" in output


def test_where_the_snakefile_is(run, tmp_path):
    output = run(SNAKEFILE, "--cores", "1", "a.txt")
    assert "alone True" in output
    assert f"{tmp_path}/here.txt" in output  # a copy that Snakemake keeps
    assert "storage False" in output
    outer = f"{SNAKEFILE}\nmodule other:\n    snakefile: 'inner/Snakefile'\nuse rule * from other as other_*\n"
    (tmp_path / "inner" / "rules").mkdir(parents=True)
    (tmp_path / "inner" / "here.txt").touch()
    (tmp_path / "inner" / "rules" / "text.smk").write_text(RULES.replace("{name}.txt", "inner/{name}.txt"))
    (tmp_path / "inner" / "Snakefile").write_text(SNAKEFILE.replace("onstart:", "onstart:\n    pass\n"))
    output = run(outer, "--cores", "1", "a.txt")
    assert "alone False" in output
    assert f"{tmp_path}/inner/here.txt" in output


def test_messages_are_listed_only_where_they_are_made_docstrings(run):
    assert "Write" not in run(SNAKEFILE, "--list")
    assert "upper (Write {name})" in run(SNAKEFILE + DESCRIBED, "--list")


def test_rules_know_their_file_and_where_they_run(run):
    assert "[('upper', 'text', False), ('two', 'text', True)]" in run(SNAKEFILE + PRINTED, "--list")


def test_a_file_in_a_storage_is_asked_for_its_size_before_it_is_there():
    from snakemake.dag import DAG  # after the API, which it cannot be imported without

    class Stored(AnnotatedString):
        async def size(self):
            raise FileNotFoundError

    asked = ensure(Stored("a"), non_empty=True)
    with pytest.raises(FileNotFoundError):
        asyncio.run(DAG.handle_ensure(SimpleNamespace(), SimpleNamespace(), [asked]))


def test_the_graph_is_printed_and_not_given():
    assert not [name for name in vars(DAGApi) if name in ("dag", "graph", "jobs")]  # else graph_of can be dropped


TYPED = """
from dataclasses import dataclass
from pydantic import BaseModel
from lm_saturation_workflow import snakemake_9_27

class Options(BaseModel):
    size: int

@dataclass
class Context:
    name: str

rule made:
    output: "made.txt"
    params: fixed=Options(size=SIZE), of_job=lambda wildcards: Context("NAME"), derived=lambda wildcards, output: 1
    shell: "touch {output}"
"""


@pytest.mark.parametrize("changed", [("SIZE", "2"), ("NAME", "b")])
def test_typed_parameters_are_compared_only_by_their_text(run, changed):
    def reruns(ending):
        before = (TYPED + ending).replace("SIZE", "1").replace("NAME", "a")
        run(before, "--cores", "1", "--forceall")
        assert "Nothing to be done" in run(before, "--cores", "1")
        after = (TYPED + ending).replace(*changed).replace("SIZE", "1").replace("NAME", "a")
        return "Nothing to be done" not in run(after, "--cores", "1", "--dry-run", "--rerun-triggers", "params")

    assert not reruns("")  # else compare_typed_params can be dropped
    assert reruns("snakemake_9_27.compare_typed_params(workflow)\n")
