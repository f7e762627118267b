# Abilities of checkpoints: published evaluations, our own by lm-evaluation-harness, and ability against loss.
from lm_saturation.abilities.origins import origin_of
from lm_saturation.config.abilities import EvaluationOptions, ItemOptions
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.project import resource
from lm_saturation_workflow.paths import ability_tables, span_tables, suite_tokenizer, suite_tokens, task_folders
from lm_saturation_workflow.resources import BASE_MB, gpus, growing

experiment = experiment_of(config)


rule ability_tasks:
    input:
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
    output:
        directory("<results>/abilities/tasks/{suite}/cloze"),
        directory("<results>/abilities/tasks/{suite}/next_sentence"),
    log:
        "<logs>/abilities/ability_tasks/{suite}.log",
    benchmark:
        "<logs>/abilities/ability_tasks/{suite}.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
        disk_mb=BASE_MB,
    params:
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        reads=lambda wildcards: experiment.suites[wildcards.suite].reads(experiment.metrics.sequence_length),
        held_out=experiment.held_out,
        options=experiment.abilities.part(ItemOptions),
        code=code_of("abilities/ability_tasks.py"),
    message:
        "Make tasks of held-out text for {wildcards.suite}"
    script:
        "../scripts/abilities/ability_tasks.py"


rule ability_data:
    output:
        directory("<results>/abilities/data/{task}"),
    log:
        "<logs>/abilities/ability_data/{task}.log",
    benchmark:
        "<logs>/abilities/ability_data/{task}.tsv"
    wildcard_constraints:
        task=r"[^/]+",
    localrule: True  # here is a network, where jobs may run on machines without one
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        storycloze=experiment.abilities.storycloze,
        code=code_of("abilities/ability_data.py"),
    message:
        "Fetch the items of {wildcards.task}"
    script:
        "../scripts/abilities/ability_data.py"


rule ability_evaluation:
    input:
        checkpoints="<results>/checkpoints/{suite}/{model}/{span}",
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tasks=lambda wildcards: task_folders(experiment, wildcards.suite),
    output:
        scores=ensure("<results>/abilities/{suite}/{model}/{span}/ability_scores.parquet", non_empty=True),
        samples=ensure("<results>/abilities/{suite}/{model}/{span}/ability_samples.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_evaluation/{suite}/{model}/{span}.log",
    benchmark:
        "<logs>/abilities/ability_evaluation/{suite}/{model}/{span}.tsv"
    priority: 1  # before further downloads, so that disk becomes free
    conda:
        "../envs/abilities.yaml"
    threads: experiment.abilities.threads
    resources:
        mem_mb=growing(experiment.abilities.memory_mb),
        gpu=gpus(experiment.abilities.device),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        options=experiment.abilities.part(EvaluationOptions),
        steps=experiment.abilities.step_list,
        code=code_of("abilities/ability_evaluation.py"),
    message:
        "Evaluate span {wildcards.span} of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/abilities/ability_evaluation.py"


rule ability_extract:
    output:
        ensure("<results>/abilities/pythia_evaluations.csv.xz", non_empty=True),
    log:
        "<logs>/abilities/ability_extract.log",
    benchmark:
        "<logs>/abilities/ability_extract.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        checkout=experiment.abilities.pythia_checkout,
        code=code_of("abilities/ability_extract.py"),
    message:
        "Read the published evaluations in {params.checkout}"
    script:
        "../scripts/abilities/ability_extract.py"


rule ability_published:
    input:
        evaluations=(
            rules.ability_extract.output[0]
            if experiment.abilities.pythia_checkout
            else resource("pythia_evaluations.csv.xz")
        ),
        models=resource("pythia_models.csv"),
    output:
        ensure("<results>/abilities/published/ability_scores.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_published.log",
    benchmark:
        "<logs>/abilities/ability_published.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("abilities/ability_published.py"),
    message:
        "Read the published evaluations of Pythia"
    script:
        "../scripts/abilities/ability_published.py"


rule ability_saturation:
    input:
        published=rules.ability_published.output[0],
        scores=ability_tables(experiment, "ability_scores"),
        samples=ability_tables(experiment, "ability_samples"),
    output:
        ensure("<results>/abilities/ability_saturation.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_saturation.log",
    benchmark:
        "<logs>/abilities/ability_saturation.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        disk_mb=BASE_MB,
    params:
        code=code_of("abilities/ability_saturation.py"),
    message:
        "Find the abilities that models lose before training ends"
    script:
        "../scripts/abilities/ability_saturation.py"


rule ability_emergence:
    input:
        published=rules.ability_published.output[0],
        scores=ability_tables(experiment, "ability_scores"),
        metrics=span_tables(experiment, experiment.abilities.suites, "metrics", "checkpoint_metrics"),
        fits=rules.scaling_fit.output.fits,
        figure=resource("figure_1a_published.csv"),
    output:
        emergence_points=ensure("<results>/abilities/emergence_points.parquet", non_empty=True),
        emergence_fits=ensure("<results>/abilities/emergence_fits.parquet", non_empty=True),
        emergence_sizes=ensure("<results>/abilities/emergence_sizes.parquet", non_empty=True),
        equal_loss=ensure("<results>/abilities/equal_loss.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_emergence.log",
    benchmark:
        "<logs>/abilities/ability_emergence.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        bootstraps=experiment.abilities.bootstraps,
        code=code_of("abilities/ability_emergence.py"),
    message:
        "Fit ability against loss"
    script:
        "../scripts/abilities/ability_emergence.py"


rule ability_export:
    input:
        published=rules.ability_published.output[0],
        scores=ability_tables(experiment, "ability_scores"),
    output:
        directory("<results>/abilities/every_eval_ever"),
    log:
        "<logs>/abilities/ability_export.log",
    benchmark:
        "<logs>/abilities/ability_export.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        origins={suite: origin_of(suite, experiment.suites[suite]) for suite in experiment.abilities.suites},
        code=code_of("abilities/ability_export.py"),
    message:
        "Write all scores of checkpoints in the schema of every_eval_ever"
    script:
        "../scripts/abilities/ability_export.py"
