# Text to token ids, one file a (corpus, tokenizer, shard).


rule corpus:
    input:
        lambda wildcards: corpus_files(config, wildcards.corpus),
    output:
        table=ensure("<results>/corpus/text/{corpus}/{shard}.parquet", non_empty=True),
        record=ensure("<results>/corpus/text/{corpus}/{shard}.json", non_empty=True),
    log:
        "<logs>/corpus/corpus/{corpus}/{shard}.log",
    benchmark:
        "<logs>/corpus/corpus/{corpus}/{shard}.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
        disk_mb=written(2),
    params:
        definition=lookup(within=config, dpath="corpora/{corpus}"),
        python=lambda wildcards: corpus_python(config, wildcards.corpus),
        shards=lookup(within=config, dpath="ngrams/shards"),
        code=code_of("corpus/corpus.py"),
    message:
        "Read the text of {wildcards.corpus}, shard {wildcards.shard}"
    script:
        "../scripts/corpus/corpus.py"


use rule corpus as corpus_hub with:
    wildcard_constraints:
        corpus=from_hub(config, "corpora"),
    localrule: True  # here is a network, where jobs may run on machines without one
    resources:
        mem_mb=growing(4000),  # a row group of Parquet, decompressed, and the buffer of a shuffle
        runtime=1440,
        disk_mb=20 * BASE_MB,
    message:
        "Fetch the text of {wildcards.corpus}, shard {wildcards.shard}"


rule tokenizer:
    input:
        corpora=lambda wildcards: collect(
            "<results>/corpus/text/{corpus}/{shard}.parquet",
            corpus=config["tokenizers"][wildcards.tokenizer].get("corpora", []),
            shard=corpus_shards(config),
        ),
        local=lambda wildcards: config["tokenizers"][wildcards.tokenizer].get("path", []),
    output:
        tokenizer=ensure("<results>/corpus/tokenizers/{tokenizer}.json", non_empty=True),
        record=ensure("<results>/corpus/tokenizers/{tokenizer}.record.json", non_empty=True),
    log:
        "<logs>/corpus/tokenizer/{tokenizer}.log",
    benchmark:
        "<logs>/corpus/tokenizer/{tokenizer}.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        disk_mb=BASE_MB,
    params:
        definition=lookup(within=config, dpath="tokenizers/{tokenizer}"),
        code=code_of("corpus/tokenizer.py"),
    message:
        "Make the tokenizer {wildcards.tokenizer}"
    script:
        "../scripts/corpus/tokenizer.py"


use rule tokenizer as tokenizer_hub with:
    wildcard_constraints:
        tokenizer=from_hub(config, "tokenizers"),
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
    conda:
        "../envs/corpus.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
        disk_mb=written(4),
    params:
        max_tokens=lookup(within=config, dpath="corpora/{corpus}/max_tokens", default=None),
        shards=lookup(within=config, dpath="ngrams/shards"),
        code=code_of("corpus/tokens.py"),
    message:
        "Tokenise {wildcards.corpus} with {wildcards.tokenizer}, shard {wildcards.shard}"
    script:
        "../scripts/corpus/tokens.py"


ruleorder: corpus_hub > corpus
ruleorder: tokenizer_hub > tokenizer
