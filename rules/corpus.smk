# Text to token ids, one file per (corpus, tokenizer, shard).
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.paths import matching, text_tables
from lm_saturation_workflow.resources import BASE_MB, growing, written

experiment = experiment_of(config)
FIRST = 1000  # priority: all other jobs wait for these


rule corpus:
    input:
        lambda wildcards: experiment.corpora[wildcards.corpus].input_files(),
    output:
        table=ensure("<results>/corpus/text/{corpus}/{shard}.parquet", non_empty=True),
        record=ensure("<results>/corpus/text/{corpus}/{shard}.json", non_empty=True),
    log:
        "<logs>/corpus/corpus/{corpus}/{shard}.log",
    benchmark:
        "<logs>/corpus/corpus/{corpus}/{shard}.tsv"
    priority: FIRST
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
        disk_mb=written(2),
    params:
        source=lambda wildcards: experiment.corpora[wildcards.corpus],
        version=lambda wildcards: experiment.corpora[wildcards.corpus].version(),
        shards=experiment.ngrams.shards,
        code=code_of("corpus/corpus.py"),
    message:
        "Read the text of {wildcards.corpus}, shard {wildcards.shard}"
    script:
        "../scripts/corpus/corpus.py"


use rule corpus as corpus_hub with:
    wildcard_constraints:
        corpus=matching(name for name, corpus in experiment.corpora.items() if corpus.fetched),
    localrule: True  # here is a network, where jobs may run on machines without one
    resources:
        mem_mb=growing(4000),  # a row group of Parquet, decompressed, and the buffer of a shuffle
        runtime=1440,
        disk_mb=20 * BASE_MB,
    message:
        "Fetch the text of {wildcards.corpus}, shard {wildcards.shard}"


rule tokenizer:
    input:
        corpora=lambda wildcards: [
            table
            for corpus in experiment.tokenizers[wildcards.tokenizer].training_corpora()
            for table in text_tables(experiment, corpus)
        ],
        local=lambda wildcards: experiment.tokenizers[wildcards.tokenizer].input_files(),
    output:
        tokenizer=ensure("<results>/corpus/tokenizers/{tokenizer}.json", non_empty=True),
        record=ensure("<results>/corpus/tokenizers/{tokenizer}.record.json", non_empty=True),
    log:
        "<logs>/corpus/tokenizer/{tokenizer}.log",
    benchmark:
        "<logs>/corpus/tokenizer/{tokenizer}.tsv"
    priority: FIRST
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        disk_mb=BASE_MB,
    params:
        source=lambda wildcards: experiment.tokenizers[wildcards.tokenizer],
        version=lambda wildcards: experiment.tokenizers[wildcards.tokenizer].version(),
        code=code_of("corpus/tokenizer.py"),
    message:
        "Make the tokenizer {wildcards.tokenizer}"
    script:
        "../scripts/corpus/tokenizer.py"


use rule tokenizer as tokenizer_hub with:
    wildcard_constraints:
        tokenizer=matching(name for name, tokenizer in experiment.tokenizers.items() if tokenizer.fetched),
    localrule: True  # here is a network, where jobs may run on machines without one
    message:
        "Fetch the tokenizer {wildcards.tokenizer}"


rule tokens:
    input:
        corpus="<results>/corpus/text/{corpus}/{shard}.parquet",
        tokenizer="<results>/corpus/tokenizers/{tokenizer}.json",
    output:
        # empty where a shard is
        ids="<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.bin",
        ends="<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.ends.bin",
        record=ensure("<results>/corpus/tokens/{corpus}/{tokenizer}/{shard}.json", non_empty=True),
    log:
        "<logs>/corpus/tokens/{corpus}/{tokenizer}/{shard}.log",
    benchmark:
        "<logs>/corpus/tokens/{corpus}/{tokenizer}/{shard}.tsv"
    priority: FIRST
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
        disk_mb=written(4),
    params:
        max_tokens=lambda wildcards: experiment.corpora[wildcards.corpus].max_tokens,
        shards=experiment.ngrams.shards,
        code=code_of("corpus/tokens.py"),
    message:
        "Tokenise {wildcards.corpus} with {wildcards.tokenizer}, shard {wildcards.shard}"
    script:
        "../scripts/corpus/tokens.py"


ruleorder: corpus_hub > corpus
ruleorder: tokenizer_hub > tokenizer
