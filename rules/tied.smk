# One matrix for embedding and LM head: what a model starts with, and what remedies change.
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation.config.tied import TiedTrainingOptions
from lm_saturation_workflow.paths import tied_tables, token_files
from lm_saturation_workflow.resources import BASE_MB, gpus, growing

experiment = experiment_of(config)


rule tied_initial_loss:
    output:
        losses=ensure("<results>/tied/tied_initial_loss.parquet", non_empty=True),
        moments=ensure("<results>/tied/tied_moments.parquet", non_empty=True),
        norms=ensure("<results>/tied/tied_norms.parquet", non_empty=True),
        underflow=ensure("<results>/tied/tied_underflow.parquet", non_empty=True),
    log:
        "<logs>/tied/tied_initial_loss.log",
    benchmark:
        "<logs>/tied/tied_initial_loss.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.tied.threads
    resources:
        mem_mb=growing(experiment.tied.memory_mb),
        runtime=growing(120),
        disk_mb=BASE_MB,
    params:
        options=experiment.tied.initial,
        remedies=experiment.tied.remedies,
        code=code_of("tied/tied_initial_loss.py"),
    message:
        "Sample the loss that shared embeddings start with"
    script:
        "../scripts/tied/tied_initial_loss.py"


rule tied_models:
    output:
        ensure("<results>/tied/tied_models.parquet", non_empty=True),
    log:
        "<logs>/tied/tied_models.log",
    benchmark:
        "<logs>/tied/tied_models.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.tied.threads
    resources:
        mem_mb=growing(experiment.tied.memory_mb),
        runtime=growing(120),
        disk_mb=BASE_MB,
    params:
        options=experiment.tied.models,
        code=code_of("tied/tied_models.py"),
    message:
        "Run models of transformers at their own initialisation"
    script:
        "../scripts/tied/tied_models.py"


rule tied_training:
    input:
        lambda wildcards: token_files(experiment, experiment.tied.training.corpus, wildcards.tokenizer),
    output:
        training=ensure("<results>/tied/{tokenizer}/{residual_scale}/{remedy}/tied_training.parquet", non_empty=True),
        spectrum=ensure("<results>/tied/{tokenizer}/{residual_scale}/{remedy}/tied_spectrum.parquet", non_empty=True),
        rates=ensure("<results>/tied/{tokenizer}/{residual_scale}/{remedy}/tied_rates.parquet", non_empty=True),
    log:
        "<logs>/tied/tied_training/{tokenizer}/{residual_scale}/{remedy}.log",
    benchmark:
        "<logs>/tied/tied_training/{tokenizer}/{residual_scale}/{remedy}.tsv"
    wildcard_constraints:
        residual_scale=r"[0-9.e+-]+",
        remedy=r"[a-z_]+",
    priority: 1  # long jobs before short ones
    conda:
        "../envs/models.yaml"
    threads: experiment.tied.threads
    resources:
        mem_mb=growing(experiment.tied.memory_mb),
        gpu=gpus(experiment.tied.training.device),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        options=experiment.tied.training.part(TiedTrainingOptions),
        held_out=experiment.held_out,
        code=code_of("tied/tied_training.py"),
    message:
        "Train models with the remedy {wildcards.remedy}, {wildcards.tokenizer}, branches times {wildcards.residual_scale}"
    script:
        "../scripts/tied/tied_training.py"


rule tied_comparison:
    input:
        training=tied_tables(experiment, "tied_training"),
        rates=tied_tables(experiment, "tied_rates"),
    output:
        runs=ensure("<results>/tied/tied_runs.parquet", non_empty=True),
        comparison=ensure("<results>/tied/tied_comparison.parquet", non_empty=True),
    log:
        "<logs>/tied/tied_comparison.log",
    benchmark:
        "<logs>/tied/tied_comparison.tsv"
    conda:
        "../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("tied/tied_comparison.py"),
    message:
        "Compare the remedies"
    script:
        "../scripts/tied/tied_comparison.py"
