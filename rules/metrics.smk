# Checkpoints to their metrics, and metrics to saturation as numbers.
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.paths import (
    span_tables,
    suite_audit,
    suite_tokenizer,
    suite_tokens,
    word_texts,
    word_tokens,
)
from lm_saturation_workflow.resources import BASE_MB, gpus, growing

experiment = experiment_of(config)


rule checkpoint_metrics:
    input:
        checkpoints="<results>/checkpoints/{suite}/{model}/{span}",
        audit=lambda wildcards: suite_audit(experiment, wildcards.suite, wildcards.model),
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
        word_tokens=lambda wildcards: word_tokens(experiment, wildcards.suite),
        word_texts=word_texts(experiment),
    output:
        metrics=ensure("<results>/metrics/{suite}/{model}/{span}/checkpoint_metrics.parquet", non_empty=True),
        layers=ensure("<results>/metrics/{suite}/{model}/{span}/layer_metrics.parquet", non_empty=True),
        spectrum=ensure("<results>/metrics/{suite}/{model}/{span}/head_spectrum.parquet", non_empty=True),
        losses=ensure("<results>/metrics/{suite}/{model}/{span}/sequence_losses.parquet", non_empty=True),
    log:
        "<logs>/metrics/checkpoint_metrics/{suite}/{model}/{span}.log",
    benchmark:
        "<logs>/metrics/checkpoint_metrics/{suite}/{model}/{span}.tsv"
    priority: 1  # before further downloads, so that disk becomes free
    conda:
        "../envs/models.yaml"
    threads: experiment.metrics.threads
    resources:
        mem_mb=growing(experiment.metrics.memory_mb),
        gpu=gpus(experiment.metrics.device),
        runtime=growing(720),
        disk_mb=BASE_MB,
    params:
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        options=lambda wildcards: experiment.metric_options(wildcards.suite),
        held_out=experiment.held_out,
        code=code_of("metrics/checkpoint_metrics.py"),
    message:
        "Measure span {wildcards.span} of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/metrics/checkpoint_metrics.py"


rule saturation:
    input:
        metrics=lambda wildcards: span_tables(experiment, [wildcards.suite], "metrics", "checkpoint_metrics"),
        losses=lambda wildcards: span_tables(experiment, [wildcards.suite], "metrics", "sequence_losses"),
    output:
        saturation=ensure("<results>/metrics/{suite}/saturation.parquet", non_empty=True),
        correlation=ensure("<results>/metrics/{suite}/onset_correlation.parquet", non_empty=True),
    log:
        "<logs>/metrics/saturation/{suite}.log",
    benchmark:
        "<logs>/metrics/saturation/{suite}.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        disk_mb=BASE_MB,
    params:
        code=code_of("metrics/saturation.py"),
    message:
        "Put the saturation of {wildcards.suite} in numbers"
    script:
        "../scripts/metrics/saturation.py"
