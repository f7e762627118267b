# Token ids to n-gram counts, to the matrix W of next-token distributions, to its singular values.


rule ngram_shard:
    input:
        records="<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.json",
        ids="<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.bin",
        ends="<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.ends.bin",
    output:
        temp("<results>/ngrams/{corpus}/{tokenizer}/{order}/all/shards/{shard}.parquet"),
    log:
        "<logs>/ngrams/ngram_shard/{corpus}/{tokenizer}/{order}/{shard}.log",
    benchmark:
        "<logs>/ngrams/ngram_shard/{corpus}/{tokenizer}/{order}/{shard}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: config["ngrams"]["threads"]
    resources:
        mem_mb=growing(config["ngrams"]["memory_mb"]),
        runtime=growing(120),
        disk_mb=written(8),
    params:
        seeds=lambda wildcards: sample_seeds(config, wildcards.order, "all"),
        code=code_of("ngrams/ngram_shard.py"),
    message:
        "Count the {wildcards.order}-grams of {wildcards.corpus} in {wildcards.tokenizer}, shard {wildcards.shard}"
    script:
        "../scripts/ngrams/ngram_shard.py"


rule ngram_counts:
    input:
        records=collect("<results>/corpus/tokens/{{corpus}}/{{tokenizer}}/{shard}.json", shard=corpus_shards(config)),
        ids=collect("<results>/corpus/tokens/{{corpus}}/{{tokenizer}}/{shard}.bin", shard=corpus_shards(config)),
        ends=collect("<results>/corpus/tokens/{{corpus}}/{{tokenizer}}/{shard}.ends.bin", shard=corpus_shards(config)),
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
        sample_size=counted_at_once(config),
    conda:
        "../envs/ngrams.yaml"
    threads: config["ngrams"]["threads"]
    resources:
        mem_mb=growing(config["ngrams"]["memory_mb"]),
        runtime=growing(120),
        disk_mb=written(8),
    params:
        cross_documents=lookup(within=config, dpath="ngrams/cross_documents"),
        seeds=lambda wildcards: sample_seeds(config, wildcards.order, wildcards.sample_size),
        code=code_of("ngrams/ngram_counts.py"),
    message:
        "Count the {wildcards.order}-grams of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_counts.py"


rule ngram_merge:
    input:
        collect(
            "<results>/ngrams/{{corpus}}/{{tokenizer}}/{{order}}/all/shards/{shard}.parquet",
            shard=corpus_shards(config),
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
        mem_mb=growing(config["ngrams"]["memory_mb"]),
        runtime=growing(120),
        disk_mb=written(1),
    params:
        seeds=lambda wildcards: sample_seeds(config, wildcards.order, "all"),
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
            partition=count_partitions(config, wildcards.sample_size),
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
    threads: config["ngrams"]["threads"]
    resources:
        # counting's memory for rows of W, and the largest block that may be solved
        mem_mb=growing(config["ngrams"]["memory_mb"] + 8 * config["ngrams"]["exact_limit"] ** 2 // 10**6),
        gpu=gpus(config["ngrams"]["device"]),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        variants=lambda wildcards: matrix_variants(config, wildcards.order),
        exact_limit=lookup(within=config, dpath="ngrams/exact_limit"),
        tolerance=lookup(within=config, dpath="ngrams/tolerance"),
        device=lookup(within=config, dpath="ngrams/device"),
        code=code_of("ngrams/ngram_spectrum.py"),
    message:
        "Find the singular values of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_spectrum.py"


rule ngram_language_model:
    input:
        records=collect("<results>/corpus/tokens/{{corpus}}/{{tokenizer}}/{shard}.json", shard=corpus_shards(config)),
        ids=collect("<results>/corpus/tokens/{{corpus}}/{{tokenizer}}/{shard}.bin", shard=corpus_shards(config)),
        ends=collect("<results>/corpus/tokens/{{corpus}}/{{tokenizer}}/{shard}.ends.bin", shard=corpus_shards(config)),
        texts=collect("<results>/corpus/text/{{corpus}}/{shard}.parquet", shard=corpus_shards(config)),
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
        mem_mb=growing(config["ngrams"]["memory_mb"]),
        runtime=growing(120),
        disk_mb=written(60),
    params:
        held_out=lookup(within=config, dpath="held_out/share"),
        split_seed=lookup(within=config, dpath="held_out/seed"),
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
            partition=count_partitions(config, wildcards.sample_size),
        ),
        records=rules.ngram_language_model.input.records,
        ids=rules.ngram_language_model.input.ids,
        ends=rules.ngram_language_model.input.ends,
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
    threads: config["ngrams"]["threads"]
    resources:
        mem_mb=growing(config["ngrams"]["memory_mb"]),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        held_out=lookup(within=config, dpath="held_out/share"),
        split_seed=lookup(within=config, dpath="held_out/seed"),
        seeds=lambda wildcards: sample_seeds(config, wildcards.order, "all"),
        code=code_of("ngrams/ngram_smoothed_spectrum.py"),
    message:
        "Find the singular values of the smoothed rows of {wildcards.corpus} in {wildcards.tokenizer}"
    script:
        "../scripts/ngrams/ngram_smoothed_spectrum.py"
