# What a softmax needs: the least loss of d dimensions on next-token laws, beside W-error. And what it does not see.
from lm_saturation.config.causes import (
    FactorialOptions,
    InterventionOptions,
    LanguageOptions,
    OffsetTrainingOptions,
    SaturationSearchOptions,
    SearchOptions,
    SoftmaxRankOptions,
)
from lm_saturation.config.ngrams import NgramSample
from lm_saturation.config.suites import TrainingOptions
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.paths import (
    final_span,
    head_or_trunk_rates,
    suite_tokenizer,
    suite_tokens,
    token_files,
    tokenizer_file,
)
from lm_saturation_workflow.project import resource
from lm_saturation_workflow.resources import BASE_MB, gpus, growing

experiment = experiment_of(config)


rule softmax_rank:
    input:
        matrix=rules.ngram_matrix.output[0],
        # of the sample and of the Kneser–Ney model, where its laws are asked for
        counts=lambda wildcards: (
            collect(
                rules.ngram_counts.output[0],
                **wildcards,
                partition=experiment.ngrams.partitions(wildcards.sample_size),
            )
            if experiment.smoothed_search(NgramSample(**wildcards))
            else []
        ),
        tokens=lambda wildcards: (
            token_files(experiment, wildcards.corpus, wildcards.tokenizer)
            if experiment.smoothed_search(NgramSample(**wildcards))
            else []
        ),
    output:
        ensure("<results>/causes/{corpus}/{tokenizer}/{order}/{sample_size}/softmax_rank.parquet", non_empty=True),
    log:
        "<logs>/causes/softmax_rank/{corpus}/{tokenizer}/{order}/{sample_size}.log",
    benchmark:
        "<logs>/causes/softmax_rank/{corpus}/{tokenizer}/{order}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: experiment.causes.threads
    resources:
        # a Kneser–Ney model takes what n-gram jobs may
        mem_mb=lambda wildcards, attempt: growing(
            max(
                experiment.causes.memory_mb,
                experiment.ngrams.memory_mb if experiment.smoothed_search(NgramSample(**wildcards)) else 0,
            )
        )(wildcards, attempt),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        options=lambda wildcards: (
            experiment.causes.part(SoftmaxRankOptions)
            if NgramSample(**wildcards) in experiment.ngrams.context_samples()
            else None
        ),
        smoothed=lambda wildcards: experiment.smoothed_search(NgramSample(**wildcards)),
        held_out=lambda wildcards: (
            experiment.held_out if experiment.smoothed_search(NgramSample(**wildcards)) else None
        ),
        seed=lambda wildcards: experiment.ngrams.sample_seeds(wildcards.order, wildcards.sample_size)[0],
        code=code_of("causes/softmax_rank.py"),
    message:
        "Find what a softmax needs on {wildcards.order}-grams of {wildcards.corpus} in {wildcards.tokenizer}"
    script:
        "../scripts/causes/softmax_rank.py"


rule softmax_rank_languages:
    output:
        ensure("<results>/causes/softmax_rank_languages.parquet", non_empty=True),
    log:
        "<logs>/causes/softmax_rank_languages.log",
    benchmark:
        "<logs>/causes/softmax_rank_languages.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: experiment.causes.threads
    resources:
        mem_mb=growing(experiment.causes.memory_mb),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        languages=experiment.causes.languages.part(LanguageOptions),
        search=experiment.causes.part(SearchOptions),
        code=code_of("causes/softmax_rank_languages.py"),
    message:
        "Find what a softmax needs on languages of known logit rank"
    script:
        "../scripts/causes/softmax_rank_languages.py"


rule softmax_rank_transformers:
    input:
        rules.softmax_rank_languages.output[0],
    output:
        ensure("<results>/causes/softmax_rank_transformers.parquet", non_empty=True),
    log:
        "<logs>/causes/softmax_rank_transformers.log",
    benchmark:
        "<logs>/causes/softmax_rank_transformers.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.causes.threads
    resources:
        mem_mb=growing(experiment.causes.memory_mb),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        languages=experiment.causes.languages.part(LanguageOptions),
        transformers=experiment.causes.languages.transformers,
        seed=experiment.causes.seed,
        code=code_of("causes/softmax_rank_transformers.py"),
    message:
        "Train small transformers on languages of known logit rank"
    script:
        "../scripts/causes/softmax_rank_transformers.py"


rule offset_intervention:
    input:
        checkpoints=lambda wildcards: [
            final_span(experiment, wildcards.suite, model) for model in experiment.suites[wildcards.suite].model_names
        ],
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
        figure_2=resource("figure_2_published.csv"),
        figure_4=resource("figure_4_published.csv"),
        figure_5=resource("figure_5_published.csv"),
    output:
        ensure("<results>/causes/{suite}/offset_intervention.parquet", non_empty=True),
    log:
        "<logs>/causes/offset_intervention/{suite}.log",
    benchmark:
        "<logs>/causes/offset_intervention/{suite}.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.metrics.threads
    resources:
        mem_mb=growing(experiment.metrics.memory_mb),
        gpu=gpus(experiment.metrics.device),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        models=lambda wildcards: experiment.suites[wildcards.suite].model_names,
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        sample=lambda wildcards: experiment.intervention_sample(wildcards.suite),
        options=experiment.causes.intervention.part(InterventionOptions),
        held_out=experiment.held_out,
        code=code_of("causes/offset_intervention.py"),
    message:
        "Change the last checkpoints of {wildcards.suite} where softmax does not see it"
    script:
        "../scripts/causes/offset_intervention.py"


rule offset_training:
    input:
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
    output:
        ensure("<results>/causes/{suite}/{model}/offset_training.parquet", non_empty=True),
    log:
        "<logs>/causes/offset_training/{suite}/{model}.log",
    benchmark:
        "<logs>/causes/offset_training/{suite}/{model}.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.causes.threads
    resources:
        mem_mb=growing(experiment.metrics.memory_mb),
        runtime=growing(2880),
        disk_mb=BASE_MB,
    params:
        model=lambda wildcards: experiment.suites[wildcards.suite].models[wildcards.model],
        sequences=lambda wildcards: experiment.suites[wildcards.suite].part(TrainingOptions),
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        sample=lambda wildcards: experiment.intervention_sample(wildcards.suite),
        options=experiment.causes.training.part(OffsetTrainingOptions),
        held_out=experiment.held_out,
        code=code_of("causes/offset_training.py"),
    message:
        "Train {wildcards.model} of {wildcards.suite} in half precision"
    script:
        "../scripts/causes/offset_training.py"


rule head_or_trunk_rates:
    input:
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
    output:
        ensure("<results>/causes/{suite}/{model}/head_or_trunk_rates.parquet", non_empty=True),
    log:
        "<logs>/causes/head_or_trunk_rates/{suite}/{model}.log",
    benchmark:
        "<logs>/causes/head_or_trunk_rates/{suite}/{model}.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.causes.threads
    resources:
        mem_mb=growing(experiment.metrics.memory_mb),
        runtime=growing(2880),
        disk_mb=BASE_MB,
    params:
        models=lambda wildcards: experiment.factorial_models(wildcards.suite, wildcards.model),
        sequences=lambda wildcards: experiment.suites[wildcards.suite].part(TrainingOptions),
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        sample=lambda wildcards: experiment.loss_sample(wildcards.suite),
        options=experiment.causes.head_or_trunk.part(FactorialOptions),
        held_out=experiment.held_out,
        code=code_of("causes/head_or_trunk_rates.py"),
    message:
        "Choose learning rates of heads of low rank on {wildcards.model} of {wildcards.suite}, and of narrow models"
    script:
        "../scripts/causes/head_or_trunk_rates.py"


rule head_or_trunk:
    input:
        tokenizer=lambda wildcards: suite_tokenizer(experiment, wildcards.suite),
        tokens=lambda wildcards: suite_tokens(experiment, wildcards.suite),
        rates=lambda wildcards: head_or_trunk_rates(experiment, wildcards.suite, wildcards.model),
    output:
        ensure("<results>/causes/{suite}/{model}/head_or_trunk/{seed}.parquet", non_empty=True),
    log:
        "<logs>/causes/head_or_trunk/{suite}/{model}/{seed}.log",
    benchmark:
        "<logs>/causes/head_or_trunk/{suite}/{model}/{seed}.tsv"
    conda:
        "../envs/models.yaml"
    threads: experiment.causes.threads
    resources:
        mem_mb=growing(experiment.metrics.memory_mb),
        runtime=growing(2880),
        disk_mb=BASE_MB,
    params:
        models=lambda wildcards: experiment.factorial_models(wildcards.suite, wildcards.model),
        sequences=lambda wildcards: experiment.suites[wildcards.suite].part(TrainingOptions),
        weights=lambda wildcards: experiment.suites[wildcards.suite].weights,
        sample=lambda wildcards: experiment.loss_sample(wildcards.suite),
        options=experiment.causes.head_or_trunk.part(FactorialOptions),
        held_out=experiment.held_out,
        code=code_of("causes/head_or_trunk.py"),
    message:
        "Train heads of low rank on {wildcards.model} of {wildcards.suite}, and narrow models, with seed {wildcards.seed}"
    script:
        "../scripts/causes/head_or_trunk.py"


rule saturation_search:
    input:
        tokens=lambda wildcards: token_files(experiment, wildcards.corpus, wildcards.tokenizer),
        tokenizer=lambda wildcards: tokenizer_file(wildcards.tokenizer),
    output:
        runs=ensure(
            "<results>/causes/{corpus}/{tokenizer}/{width}/{batch_size}/saturation_search.parquet", non_empty=True
        ),
        curves=ensure(
            "<results>/causes/{corpus}/{tokenizer}/{width}/{batch_size}/saturation_search_curves.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/causes/saturation_search/{corpus}/{tokenizer}/{width}/{batch_size}.log",
    benchmark:
        "<logs>/causes/saturation_search/{corpus}/{tokenizer}/{width}/{batch_size}.tsv"
    wildcard_constraints:
        width=r"\d+",
        batch_size=r"\d+",
    conda:
        "../envs/models.yaml"
    threads: experiment.causes.threads
    resources:
        mem_mb=growing(experiment.causes.memory_mb),
        runtime=growing(2880),
        disk_mb=BASE_MB,
    params:
        options=experiment.causes.search.part(SaturationSearchOptions),
        weights=experiment.search_weights,
        sample=experiment.search_sample,
        held_out=experiment.held_out,
        code=code_of("causes/saturation_search.py"),
    message:
        "Search for saturation on {wildcards.corpus} in {wildcards.tokenizer}, width {wildcards.width}"
    script:
        "../scripts/causes/saturation_search.py"
