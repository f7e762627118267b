# Why small language models saturate: text and checkpoints to figures, tables and a verdict on every claim.
#     snakemake --cores all                                      the embedded default, config.yaml
#     snakemake --cores all --configfile config/NAME.yaml        another experiment
#     snakemake --list                                           what can be asked for by name
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

if (own := Path(str(workflow.current_basedir), "src")).is_dir():
    sys.path.insert(0, str(own))  # a clone uses its own library, whichever is installed

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would search all that is installed for plugins

from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.config_files import default_config, refuse_duplicate_keys
from lm_saturation_workflow.paths import matching
from lm_saturation_workflow.plan import planned
from lm_saturation_workflow.project import check_working_directory, come_from, python_path, with_defaults
from lm_saturation_workflow.snakemake_9_27 import (
    compare_typed_params,
    describe,
    has_storage,
    is_alone,
    lift_rate_limit,
)

min_version("9.27")
ALONE = is_alone(workflow)  # not a module of another workflow
os.environ.update(PYTHONPATH=python_path())
come_from(workflow)

if ALONE:

    configfile: default_config(Path(str(workflow.current_basedir)))


check_working_directory()

if ALONE:
    refuse_duplicate_keys(workflow.configfiles)
else:
    config = with_defaults(config)

experiment = experiment_of(config)

if has_storage(workflow):  # which is asked for the size of a file before it is there
    ensure = lambda path, **_: path


onstart:
    from lm_saturation_workflow.machine import machine_error

    # not where jobs are submitted: the machine that submits them needs no GPU, and free space says nothing of a quota
    if workflow.local_exec:
        if error := machine_error(experiment, planned(workflow.dag, everything=False)):
            sys.exit(f"error: {error}")
        lift_rate_limit(workflow)


wildcard_constraints:
    corpus=matching(experiment.corpora),
    tokenizer=matching(experiment.tokenizers),
    order=r"\d",
    sample_size=r"\d+|all",
    partition=r"\d+",
    shard=r"\d+",
    suite=matching(experiment.suites),
    model=r"[^/]+",
    span=r"\d+",
    seed=r"\d+",


include: "rules/corpus.smk"
include: "rules/ngrams.smk"
include: "rules/checkpoints.smk"
include: "rules/metrics.smk"
include: "rules/heads.smk"
include: "rules/scaling.smk"
include: "rules/abilities.smk"
include: "rules/tied.smk"
include: "rules/causes.smk"
include: "rules/report.smk"


rule all:
    default_target: ALONE
    input:
        rules.figures.input,
        rules.tables.input,
        rules.findings.output,
        rules.report.output,
    localrule: True
    message:
        "Everything this configuration can show"


describe(workflow.rules)
compare_typed_params(workflow)
