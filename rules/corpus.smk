# Text to token ids, one file a (corpus, tokenizer).


rule corpus:
    input:
        lambda wildcards: corpus_files(config, wildcards.corpus),
    output:
        table=ensure("<results>/corpus/text/{corpus}.parquet", non_empty=True),
        record=ensure("<results>/corpus/text/{corpus}.json", non_empty=True),
    log:
        "<logs>/corpus/corpus/{corpus}.log",
    benchmark:
        "<logs>/corpus/corpus/{corpus}.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        definition=lookup(within=config, dpath="corpora/{corpus}"),
        python=lambda wildcards: corpus_python(config, wildcards.corpus),
        code=code_hash("corpus/corpus.py"),
    message:
        "Read the text of {wildcards.corpus}"
    script:
        "../scripts/corpus/corpus.py"


rule tokenizer:
    input:
        corpora=lambda wildcards: collect(
            "<results>/corpus/text/{corpus}.parquet",
            corpus=config["tokenizers"][wildcards.tokenizer].get("corpora", []),
        ),
        local=lambda wildcards: config["tokenizers"][wildcards.tokenizer].get("path", []),
    output:
        ensure("<results>/corpus/tokenizers/{tokenizer}.json", non_empty=True),
    log:
        "<logs>/corpus/tokenizer/{tokenizer}.log",
    benchmark:
        "<logs>/corpus/tokenizer/{tokenizer}.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        definition=lookup(within=config, dpath="tokenizers/{tokenizer}"),
        code=code_hash("corpus/tokenizer.py"),
    message:
        "Make the tokenizer {wildcards.tokenizer}"
    script:
        "../scripts/corpus/tokenizer.py"


rule tokens:
    input:
        corpus="<results>/corpus/text/{corpus}.parquet",
        tokenizer="<results>/corpus/tokenizers/{tokenizer}.json",
    output:
        ids="<results>/corpus/tokens/{corpus}/{tokenizer}.bin",
        ends=ensure("<results>/corpus/tokens/{corpus}/{tokenizer}.ends.bin", non_empty=True),
        record=ensure("<results>/corpus/tokens/{corpus}/{tokenizer}.json", non_empty=True),
    log:
        "<logs>/corpus/tokens/{corpus}/{tokenizer}.log",
    benchmark:
        "<logs>/corpus/tokens/{corpus}/{tokenizer}.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        code=code_hash("corpus/tokens.py"),
    message:
        "Tokenise {wildcards.corpus} with {wildcards.tokenizer}"
    script:
        "../scripts/corpus/tokens.py"
