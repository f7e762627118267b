# What a softmax needs: the least loss of d dimensions on next-token laws, beside W-error.
from lm_saturation.config.causes import SearchOptions, SoftmaxRankOptions
from lm_saturation.config.ngrams import NgramSample
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.resources import BASE_MB, growing

experiment = experiment_of(config)


rule softmax_rank:
    input:
        rules.ngram_matrix.output[0],
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
        mem_mb=growing(experiment.causes.memory_mb),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        options=lambda wildcards: (
            experiment.causes.part(SoftmaxRankOptions)
            if NgramSample(**wildcards) in experiment.ngrams.context_samples()
            else None
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
        languages=experiment.causes.languages,
        search=experiment.causes.part(SearchOptions),
        code=code_of("causes/softmax_rank_languages.py"),
    message:
        "Find what a softmax needs on languages of known logit rank"
    script:
        "../scripts/causes/softmax_rank_languages.py"
