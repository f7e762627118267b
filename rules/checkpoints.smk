# Suites of checkpoints, trained here, fetched from the hub or found on disk: one layout, whatever their source.
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation.config.suites import ForeignSuite, TrainedSuite, TrainingOptions
from lm_saturation_workflow.paths import checkpoint_files, download_slot, later_tokens, suite_tokens, suites_of
from lm_saturation_workflow.resources import BASE_MB, fetched_mb, gpus, growing, trained_mb

experiment = experiment_of(config)


rule checkpoint_train:
    input:
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
        later_tokens=lambda wildcards: later_tokens(experiment, wildcards.suite),
    output:
        checkpoints=directory("<results>/checkpoints/{suite}/{model}/0"),
        log=ensure("<results>/checkpoints/{suite}/{model}/training.parquet", non_empty=True),
    log:
        "<logs>/checkpoints/checkpoint_train/{suite}/{model}.log",
    benchmark:
        "<logs>/checkpoints/checkpoint_train/{suite}/{model}.tsv"
    wildcard_constraints:
        suite=suites_of(experiment, TrainedSuite),
    priority: lambda wildcards: experiment.suites[wildcards.suite].models[wildcards.model].width  # the longest first
    conda:
        "../envs/checkpoints.yaml"
    threads: lambda wildcards: experiment.suites[wildcards.suite].threads
    resources:
        mem_mb=growing(4000),
        gpu=lambda wildcards: gpus(experiment.suites[wildcards.suite].device),
        runtime=growing(2880),
        disk_mb=lambda wildcards: trained_mb(experiment, **wildcards),
    params:
        options=lambda wildcards: experiment.suites[wildcards.suite].part(TrainingOptions),
        model=lambda wildcards: experiment.suites[wildcards.suite].models[wildcards.model],
        steps=lambda wildcards: experiment.suites[wildcards.suite].steps,
        held_out=experiment.held_out,
        code=code_of("checkpoints/checkpoint_train.py"),
    message:
        "Train {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/checkpoints/checkpoint_train.py"


rule checkpoint_audit:
    input:
        lambda wildcards: checkpoint_files(experiment, wildcards.suite, wildcards.model),
    output:
        ensure("<results>/checkpoints/{suite}/{model}/audit.parquet", non_empty=True),
    log:
        "<logs>/checkpoints/checkpoint_audit/{suite}/{model}.log",
    benchmark:
        "<logs>/checkpoints/checkpoint_audit/{suite}/{model}.tsv"
    wildcard_constraints:
        suite=suites_of(experiment, ForeignSuite),
    localrule: True  # here is a network, where jobs may run on machines without one
    conda:
        "../envs/checkpoints.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=240,
        disk_mb=BASE_MB,
    params:
        location=lambda wildcards: experiment.suites[wildcards.suite].location,
        code=code_of("checkpoints/checkpoint_audit.py"),
    message:
        "Ask what checkpoints there are of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/checkpoints/checkpoint_audit.py"


# Bounds what lies on disk: a span gets a slot when the one `checkpoints.prefetch` before it has been used and deleted.
# An empty file that the download takes for ancient, so that another prefetch does not fetch and measure all anew.
rule download_slot:
    input:
        lambda wildcards: download_slot(experiment, wildcards.suite, wildcards.model, wildcards.span),
    output:
        touch("<results>/checkpoints/{suite}/{model}/slots/{span}"),
    wildcard_constraints:
        suite=suites_of(experiment, ForeignSuite),
    localrule: True  # here is a network, where jobs may run on machines without one
    message:
        "Span {wildcards.span} of {wildcards.model} of {wildcards.suite} may be fetched"


rule checkpoint_download:
    input:
        audit=ancient(rules.checkpoint_audit.output[0]),
        slot=ancient("<results>/checkpoints/{suite}/{model}/slots/{span}"),
    output:
        temp(directory("<results>/checkpoints/{suite}/{model}/{span}")),
    log:
        "<logs>/checkpoints/checkpoint_download/{suite}/{model}/{span}.log",
    benchmark:
        "<logs>/checkpoints/checkpoint_download/{suite}/{model}/{span}.tsv"
    wildcard_constraints:
        suite=suites_of(experiment, ForeignSuite),
    localrule: True  # here is a network, where jobs may run on machines without one
    conda:
        "../envs/checkpoints.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=1440,
        disk_mb=lambda wildcards, input: fetched_mb(experiment, wildcards.suite, wildcards.span, input.audit),
    params:
        location=lambda wildcards: experiment.suites[wildcards.suite].location,
        bad_checkpoints=lambda wildcards: experiment.suites[wildcards.suite].bad_checkpoints,
        steps=lambda wildcards: experiment.suites[wildcards.suite].span_steps(wildcards.span),
        code=code_of("checkpoints/checkpoint_download.py"),
    message:
        "Fetch span {wildcards.span} of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/checkpoints/checkpoint_download.py"
