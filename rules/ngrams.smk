# Token ids to n-gram counts, to the matrix W of next-token distributions, to its singular values.
from lm_saturation.config.ngrams import SpectrumOptions
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.paths import text_tables, token_files
from lm_saturation_workflow.resources import BASE_MB, gpus, growing, written

experiment = experiment_of(config)


rule ngram_shard:
    input:
        multiext("<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}", ".json", ".bin", ".ends.bin"),
    output:
        temp("<results>/ngrams/{corpus}/{tokenizer}/{order}/all/shards/{shard}.parquet"),
    log:
        "<logs>/ngrams/ngram_shard/{corpus}/{tokenizer}/{order}/{shard}.log",
    benchmark:
        "<logs>/ngrams/ngram_shard/{corpus}/{tokenizer}/{order}/{shard}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: experiment.ngrams.threads
    resources:
        mem_mb=growing(experiment.ngrams.memory_mb),
        runtime=growing(120),
        disk_mb=written(8),
    params:
        seeds=lambda wildcards: experiment.ngrams.sample_seeds(wildcards.order, "all"),
        code=code_of("ngrams/ngram_shard.py"),
    message:
        "Count the {wildcards.order}-grams of {wildcards.corpus} in {wildcards.tokenizer}, shard {wildcards.shard}"
    script:
        "../scripts/ngrams/ngram_shard.py"


rule ngram_counts:
    input:
        lambda wildcards: token_files(experiment, wildcards.corpus, wildcards.tokenizer),
    output:
        ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{order}/{sample_size}/ngram_counts/{partition}.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_counts/{corpus}/{tokenizer}/{order}/{sample_size}/{partition}.log",
    benchmark:
        "<logs>/ngrams/ngram_counts/{corpus}/{tokenizer}/{order}/{sample_size}/{partition}.tsv"
    wildcard_constraints:
        sample_size=r"\d+" if experiment.ngrams.shards > 1 else r"\d+|all",  # others are merged from shards
    conda:
        "../envs/ngrams.yaml"
    threads: experiment.ngrams.threads
    resources:
        mem_mb=growing(experiment.ngrams.memory_mb),
        runtime=growing(120),
        disk_mb=written(8),
    params:
        cross_documents=experiment.ngrams.cross_documents,
        seeds=lambda wildcards: experiment.ngrams.sample_seeds(wildcards.order, wildcards.sample_size),
        code=code_of("ngrams/ngram_counts.py"),
    message:
        "Count the {wildcards.order}-grams of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_counts.py"


rule ngram_merge:
    input:
        collect(
            "<results>/ngrams/{{corpus}}/{{tokenizer}}/{{order}}/all/shards/{shard}.parquet",
            shard=experiment.shards,
        ),
    output:
        ensure("<results>/ngrams/{corpus}/{tokenizer}/{order}/all/ngram_counts/{partition}.parquet", non_empty=True),
    log:
        "<logs>/ngrams/ngram_merge/{corpus}/{tokenizer}/{order}/{partition}.log",
    benchmark:
        "<logs>/ngrams/ngram_merge/{corpus}/{tokenizer}/{order}/{partition}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: 1
    resources:
        mem_mb=growing(experiment.ngrams.memory_mb),
        runtime=growing(120),
        disk_mb=written(1),
    params:
        seeds=lambda wildcards: experiment.ngrams.sample_seeds(wildcards.order, "all"),
        code=code_of("ngrams/ngram_merge.py"),
    message:
        "Merge the counts of {wildcards.corpus} in {wildcards.tokenizer}, partition {wildcards.partition}"
    script:
        "../scripts/ngrams/ngram_merge.py"


ruleorder: ngram_counts > ngram_merge


rule ngram_matrix:
    input:
        lambda wildcards: collect(
            rules.ngram_counts.output[0],
            **wildcards,
            partition=experiment.ngrams.partitions(wildcards.sample_size),
        ),
    output:
        ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{order}/{sample_size}/ngram_matrix.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_matrix/{corpus}/{tokenizer}/{order}/{sample_size}.log",
    benchmark:
        "<logs>/ngrams/ngram_matrix/{corpus}/{tokenizer}/{order}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
        disk_mb=written(2),
    params:
        code=code_of("ngrams/ngram_matrix.py"),
    message:
        "Write W of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_matrix.py"


rule ngram_spectrum:
    input:
        matrix=rules.ngram_matrix.output[0],
        record="<results>/corpus/tokens/{corpus}/{tokenizer}/0.json",
    output:
        spectrum=ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{order}/{sample_size}/ngram_spectrum.parquet",
            non_empty=True,
        ),
        summary=ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{order}/{sample_size}/ngram_summary.parquet",
            non_empty=True,
        ),
        components=ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{order}/{sample_size}/ngram_components.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_spectrum/{corpus}/{tokenizer}/{order}/{sample_size}.log",
    benchmark:
        "<logs>/ngrams/ngram_spectrum/{corpus}/{tokenizer}/{order}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: experiment.ngrams.threads
    resources:
        # counting's memory for rows of W, and the largest block that may be solved
        mem_mb=growing(experiment.ngrams.memory_mb + 8 * experiment.ngrams.exact_limit**2 // 10**6),
        gpu=gpus(experiment.ngrams.device),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        variants=lambda wildcards: experiment.ngrams.matrix_variants(wildcards.order),
        options=experiment.ngrams.part(SpectrumOptions),
        code=code_of("ngrams/ngram_spectrum.py"),
    message:
        "Find the singular values of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_spectrum.py"


rule ngram_language_model:
    input:
        tokens=lambda wildcards: token_files(experiment, wildcards.corpus, wildcards.tokenizer),
        texts=lambda wildcards: text_tables(experiment, wildcards.corpus),
    output:
        model=ensure("<results>/ngrams/{corpus}/{tokenizer}/language_model/model.arpa", non_empty=True),
        table=ensure("<results>/ngrams/{corpus}/{tokenizer}/language_model/language_model.parquet", non_empty=True),
    log:
        "<logs>/ngrams/ngram_language_model/{corpus}/{tokenizer}.log",
    benchmark:
        "<logs>/ngrams/ngram_language_model/{corpus}/{tokenizer}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: 1
    resources:
        mem_mb=growing(experiment.ngrams.memory_mb),
        runtime=growing(120),
        disk_mb=written(60),
    params:
        held_out=experiment.held_out,
        code=code_of("ngrams/ngram_language_model.py"),
    message:
        "Estimate the Kneser–Ney model of {wildcards.corpus} in {wildcards.tokenizer}"
    script:
        "../scripts/ngrams/ngram_language_model.py"


rule ngram_smoothed_spectrum:
    input:
        counts=lambda wildcards: collect(
            rules.ngram_counts.output[0],
            **wildcards,
            partition=experiment.ngrams.partitions(wildcards.sample_size),
        ),
        tokens=rules.ngram_language_model.input.tokens,
    output:
        ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{order}/{sample_size}/ngram_smoothed_spectrum.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_smoothed_spectrum/{corpus}/{tokenizer}/{order}/{sample_size}.log",
    benchmark:
        "<logs>/ngrams/ngram_smoothed_spectrum/{corpus}/{tokenizer}/{order}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: experiment.ngrams.threads
    resources:
        mem_mb=growing(experiment.ngrams.memory_mb),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        held_out=experiment.held_out,
        seeds=lambda wildcards: experiment.ngrams.sample_seeds(wildcards.order, "all"),
        code=code_of("ngrams/ngram_smoothed_spectrum.py"),
    message:
        "Find the singular values of the smoothed rows of {wildcards.corpus} in {wildcards.tokenizer}"
    script:
        "../scripts/ngrams/ngram_smoothed_spectrum.py"
