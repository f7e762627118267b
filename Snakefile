# Why small language models saturate: text and checkpoints to figures, tables and a verdict on every claim.
#     snakemake --cores all                                      the embedded default, config.yaml
#     snakemake --cores all --configfile config/NAME.yaml        another experiment
#     snakemake --list                                           what can be asked for by name
import os
import re
import sys

from snakemake.utils import min_version

from scripts.workflow.code_hash import code_of, rules_hash
from scripts.workflow.configuration import (
    corpus_files,
    corpus_python,
    corpus_shards,
    count_partitions,
    counted_at_once,
    fill_defaults,
    from_hub,
    language_models,
    matrix_variants,
    ngram_samples,
    reference_error,
    sample_seeds,
    schema_error,
    sort_keys,
    synthetic_corpora,
    texts_used,
)
from scripts.workflow.machine import machine_error
from scripts.workflow.module import project_file, python_path, with_defaults
from scripts.workflow.plan import planned
from scripts.workflow.progress import show_progress
from scripts.workflow.resources import BASE_MB, fetched_mb, gpus, growing, trained_mb, written
from scripts.workflow.suites import (
    ability_tables,
    asked_of,
    asked_steps,
    bounded_of,
    fetched_of,
    final_span,
    final_step,
    head_jobs,
    head_models,
    head_tables,
    held_out_of,
    hub_names,
    made_items,
    measured_of,
    measured_tables,
    measuring_of,
    ranks_of,
    source_of,
    span_served,
    span_steps,
    steps_of,
    suite_audit,
    suite_files,
    suite_models,
    suite_spans,
    suite_tables,
    suite_tokenizer,
    suite_tokens,
    suites_from,
    swept_of,
    task_folders,
    training_of,
    word_texts,
    word_tokens,
)
from scripts.workflow.tied import tied_of, tied_tables, tied_tokens, trained_remedies

min_version("9.0")
ALONE = workflow.modifier.is_main_snakefile()  # not a module of another workflow
os.environ.update(PYTHONPATH=python_path(ALONE))

if ALONE:

    configfile: "config.yaml"

else:
    config = with_defaults(config)

if error := schema_error(config):
    sys.exit(f"config: {error}")
fill_defaults(config)
sort_keys(config)  # the order of keys in a file means nothing, so it must not rerun anything
if error := reference_error(config):
    sys.exit(f"config: {error}")

if workflow.storage_settings.default_storage_provider:  # as profiles/kubernetes has
    ensure = lambda path, **_: path  # Snakemake asks for a file's size before it is stored, and fails


onstart:
    # not where jobs are submitted: the machine that submits them needs no GPU, and free space says nothing of a quota
    if workflow.local_exec:
        if error := machine_error(config, planned(workflow.dag, everything=False)):
            sys.exit(f"error: {error}")
        # Snakemake 9.27 wakes its scheduler once a second for every job that has ended, unless no rate is limited
        workflow.scheduler.job_rate_limiter = None
    show_progress(workflow)


wildcard_constraints:
    corpus="|".join(config["corpora"]),
    tokenizer="|".join(config["tokenizers"]),
    order=r"\d",
    sample_size=r"\d+|all",
    partition=r"\d+",
    shard=r"\d+",
    suite="|".join(config["suites"]) or "(?!)",
    model=r"[^/]+",
    span=r"\d+",


FIGURES: list[str] = []  # in the order of the page; rules/report/ adds to them


include: "rules/corpus.smk"
include: "rules/ngrams.smk"
include: "rules/checkpoints.smk"
include: "rules/metrics.smk"
include: "rules/heads.smk"
include: "rules/scaling.smk"
include: "rules/abilities.smk"
include: "rules/tied.smk"
include: "rules/report/checkpoints.smk"
include: "rules/report/scaling.smk"
include: "rules/report/abilities.smk"
include: "rules/report/heads.smk"
include: "rules/report/ngrams.smk"
include: "rules/report/tied.smk"
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


for one in workflow.rules:  # `snakemake --list` prints docstrings: there each rule says what its jobs will
    one.docstring = one.docstring or re.sub(r"\{(?:wildcards|params)\.(\w+)\}", r"{\1}", one.message or "")
