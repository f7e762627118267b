# LM heads of constrained rank on frozen trunks, and the theory of the softmax bottleneck.
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation.config.heads import BoundOptions, HeadSampleOptions, SweepOptions
from lm_saturation_workflow.project import resource
from lm_saturation_workflow.paths import bound_tables, final_span, head_tables, suite_tokenizer, suite_tokens
from lm_saturation_workflow.resources import BASE_MB, gpus, growing

experiment = experiment_of(config)


rule head_states:
    input:
        checkpoints=lambda wildcards: final_span(experiment, wildcards.suite, wildcards.model),
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
    output:
        ensure("<results>/heads/{suite}/{model}/head_states.safetensors", non_empty=True),
    log:
        "<logs>/heads/head_states/{suite}/{model}.log",
    benchmark:
        "<logs>/heads/head_states/{suite}/{model}.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.heads.threads
    resources:
        mem_mb=growing(experiment.heads.memory_mb),
        gpu=gpus(experiment.heads.device),
        runtime=growing(120),
        disk_mb=10 * BASE_MB,
    params:
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        options=lambda wildcards: experiment.head_options(HeadSampleOptions, wildcards.suite),
        held_out=experiment.held_out,
        step=lambda wildcards: (experiment.suites[wildcards.suite].step_list or [None])[-1],
        code=code_of("heads/head_states.py"),
    message:
        "Run the trunk of {wildcards.model} of {wildcards.suite} over held-out text"
    script:
        "../scripts/heads/head_states.py"


rule head_rank_sweep:
    input:
        states=rules.head_states.output[0],
        checkpoints=rules.head_states.input.checkpoints,
        tokenizer=rules.head_states.input.tokenizer,
        tokens=rules.head_states.input.tokens,
    output:
        heads=ensure("<results>/heads/{suite}/{model}/{job}/head_rank_sweep.parquet", non_empty=True),
        losses=ensure("<results>/heads/{suite}/{model}/{job}/head_losses.parquet", non_empty=True),
        training=ensure("<results>/heads/{suite}/{model}/{job}/head_training.parquet", non_empty=True),
    log:
        "<logs>/heads/head_rank_sweep/{suite}/{model}/{job}.log",
    benchmark:
        "<logs>/heads/head_rank_sweep/{suite}/{model}/{job}.tsv"
    wildcard_constraints:
        job=r"\d+",
    priority: 1  # long jobs before short ones
    conda:
        "../envs/models.yaml"
    threads: experiment.heads.threads
    resources:
        mem_mb=growing(experiment.heads.memory_mb),
        gpu=gpus(experiment.heads.device),
        runtime=growing(2880),
        disk_mb=BASE_MB,
    params:
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        options=lambda wildcards: experiment.head_options(SweepOptions, wildcards.suite),
        held_out=experiment.held_out,
        ranks=lambda wildcards: experiment.heads.ranks_of(wildcards.job),
        unfactored=lambda wildcards: wildcards.job == "0",  # also the unfactored heads
        code=code_of("heads/head_rank_sweep.py"),
    message:
        "Train LM heads of rank {params.ranks} for {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/heads/head_rank_sweep.py"


rule bottleneck_bound:
    input:
        states=rules.head_states.output[0],
        losses=collect(
            "<results>/heads/{{suite}}/{{model}}/{job}/head_losses.parquet", job=experiment.heads.job_numbers()
        ),
    output:
        ensure("<results>/heads/{suite}/{model}/bottleneck_bound.parquet", non_empty=True),
    log:
        "<logs>/heads/bottleneck_bound/{suite}/{model}.log",
    benchmark:
        "<logs>/heads/bottleneck_bound/{suite}/{model}.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.heads.threads
    resources:
        mem_mb=growing(experiment.heads.memory_mb),
        gpu=gpus(experiment.heads.device),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        options=experiment.heads.part(BoundOptions),
        code=code_of("heads/bottleneck_bound.py"),
    message:
        "Bound the loss of LM heads of constrained rank for {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/heads/bottleneck_bound.py"


rule loss_expansion:
    output:
        changes=ensure("<results>/heads/loss_expansion.parquet", non_empty=True),
        orders=ensure("<results>/heads/loss_expansion_orders.parquet", non_empty=True),
    log:
        "<logs>/heads/loss_expansion.log",
    benchmark:
        "<logs>/heads/loss_expansion.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("heads/loss_expansion.py"),
    message:
        "Expand the loss around random LM heads and around optima"
    script:
        "../scripts/heads/loss_expansion.py"


rule head_thresholds:
    input:
        bounds=bound_tables(experiment),
        losses=head_tables(experiment, "head_losses"),
        published=resource("figure_6_published.csv"),
    output:
        thresholds=ensure("<results>/heads/head_thresholds.parquet", non_empty=True),
        costs=ensure("<results>/heads/head_costs.parquet", non_empty=True),
    log:
        "<logs>/heads/head_thresholds.log",
    benchmark:
        "<logs>/heads/head_thresholds.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("heads/head_thresholds.py"),
    message:
        "Fit curves with and without a threshold to losses by rank and W-error"
    script:
        "../scripts/heads/head_thresholds.py"
