# Token ids to n-gram counts, to the matrix W of next-token distributions, to its exact singular values.


rule ngram_counts:
    input:
        record="<results>/corpus/tokens/{corpus}/{tokenizer}.json",
        ids="<results>/corpus/tokens/{corpus}/{tokenizer}.bin",
        ends="<results>/corpus/tokens/{corpus}/{tokenizer}.ends.bin",
    output:
        ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{sample_size}/ngram_counts.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_counts/{corpus}/{tokenizer}/{sample_size}.log",
    benchmark:
        "<logs>/ngrams/ngram_counts/{corpus}/{tokenizer}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: 500 + 15 * int(input.size_mb),
        runtime=60,
    params:
        order=lookup(within=config, dpath="ngrams/order"),
        cross_documents=lookup(within=config, dpath="ngrams/cross_documents"),
        seeds=lambda wildcards: sample_seeds(config, wildcards.sample_size),
        code=code_hash("ngrams/ngram_counts.py"),
    message:
        "Count the n-grams of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_counts.py"


rule ngram_matrix:
    input:
        rules.ngram_counts.output[0],
    output:
        ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{sample_size}/ngram_matrix.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_matrix/{corpus}/{tokenizer}/{sample_size}.log",
    benchmark:
        "<logs>/ngrams/ngram_matrix/{corpus}/{tokenizer}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: 500 + 50 * int(input.size_mb),
        runtime=60,
    params:
        code=code_hash("ngrams/ngram_matrix.py"),
    message:
        "Write W of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_matrix.py"


rule ngram_spectrum:
    input:
        matrix=rules.ngram_matrix.output[0],
        record="<results>/corpus/tokens/{corpus}/{tokenizer}.json",
    output:
        spectrum=ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{sample_size}/ngram_spectrum.parquet",
            non_empty=True,
        ),
        summary=ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{sample_size}/ngram_summary.parquet",
            non_empty=True,
        ),
        components=ensure(
            "<results>/ngrams/{corpus}/{tokenizer}/{sample_size}/ngram_components.parquet",
            non_empty=True,
        ),
    log:
        "<logs>/ngrams/ngram_spectrum/{corpus}/{tokenizer}/{sample_size}.log",
    benchmark:
        "<logs>/ngrams/ngram_spectrum/{corpus}/{tokenizer}/{sample_size}.tsv"
    conda:
        "../envs/ngrams.yaml"
    threads: config["ngrams"]["threads"]
    resources:
        mem_mb=lambda wildcards, input, attempt: 4**attempt * 1000 + 50 * int(input.size_mb),
        runtime=240,
    params:
        min_counts=lookup(within=config, dpath="ngrams/min_counts"),
        code=code_hash("ngrams/ngram_spectrum.py"),
    message:
        "Find the singular values of {wildcards.corpus} in {wildcards.tokenizer}, sample size {wildcards.sample_size}"
    script:
        "../scripts/ngrams/ngram_spectrum.py"
