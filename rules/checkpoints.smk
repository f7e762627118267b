# Suites of checkpoints, trained here, fetched from the hub or found on disk: one layout, whatever their source.


rule checkpoint_train:
    input:
        records=lambda wildcards: suite_tokens(config, wildcards.suite, "json"),
        ids=lambda wildcards: suite_tokens(config, wildcards.suite, "bin"),
        ends=lambda wildcards: suite_tokens(config, wildcards.suite, "ends.bin"),
    output:
        checkpoints=directory("<results>/checkpoints/{suite}/{model}/0"),
        log=ensure("<results>/checkpoints/{suite}/{model}/training.parquet", non_empty=True),
    log:
        "<logs>/checkpoints/checkpoint_train/{suite}/{model}.log",
    benchmark:
        "<logs>/checkpoints/checkpoint_train/{suite}/{model}.tsv"
    wildcard_constraints:
        suite=suites_from(config, "train"),
    priority: 2  # the longest jobs first
    conda:
        "../envs/checkpoints.yaml"
    threads: lambda wildcards: config["suites"][wildcards.suite]["threads"]
    resources:
        mem_mb=growing(4000),
        gpu=lambda wildcards: gpus(config["suites"][wildcards.suite]["device"]),
        runtime=growing(2880),
        disk_mb=lambda wildcards: trained_mb(config, **wildcards),
    params:
        definition=lambda wildcards: training_of(config, wildcards.suite),
        model=lookup(within=config, dpath="suites/{suite}/models/{model}"),
        steps=lambda wildcards: steps_of(config["suites"][wildcards.suite]),
        held_out=lookup(within=config, dpath="held_out"),
        code=code_of("checkpoints/checkpoint_train.py"),
    message:
        "Train {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/checkpoints/checkpoint_train.py"


rule checkpoint_audit:
    input:
        lambda wildcards: suite_files(config, wildcards.suite, wildcards.model),
    output:
        ensure("<results>/checkpoints/{suite}/{model}/audit.parquet", non_empty=True),
    log:
        "<logs>/checkpoints/checkpoint_audit/{suite}/{model}.log",
    benchmark:
        "<logs>/checkpoints/checkpoint_audit/{suite}/{model}.tsv"
    wildcard_constraints:
        suite=suites_from(config, "hub", "local"),
    localrule: True  # here is a network, where jobs may run on machines without one
    conda:
        "../envs/checkpoints.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=240,
        disk_mb=BASE_MB,
    params:
        definition=lambda wildcards: source_of(config, wildcards.suite),
        code=code_of("checkpoints/checkpoint_audit.py"),
    message:
        "Ask what checkpoints there are of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/checkpoints/checkpoint_audit.py"


# Bounds what lies on disk: a span's turn comes when the one `checkpoints.prefetch` before it has served all, and is deleted.
# An empty file that the download takes for ancient, so that another prefetch does not fetch and measure all anew.
rule checkpoint_turn:
    input:
        lambda wildcards: span_served(config, wildcards.suite, wildcards.model, wildcards.span),
    output:
        touch("<results>/checkpoints/{suite}/{model}/turns/{span}"),
    wildcard_constraints:
        suite=suites_from(config, "hub", "local"),
    localrule: True  # here is a network, where jobs may run on machines without one
    message:
        "Span {wildcards.span} of {wildcards.model} of {wildcards.suite} may be fetched"


rule checkpoint_download:
    input:
        audit=ancient(rules.checkpoint_audit.output[0]),
        turn=ancient("<results>/checkpoints/{suite}/{model}/turns/{span}"),
    output:
        temp(directory("<results>/checkpoints/{suite}/{model}/{span}")),
    log:
        "<logs>/checkpoints/checkpoint_download/{suite}/{model}/{span}.log",
    benchmark:
        "<logs>/checkpoints/checkpoint_download/{suite}/{model}/{span}.tsv"
    wildcard_constraints:
        suite=suites_from(config, "hub", "local"),
    localrule: True  # here is a network, where jobs may run on machines without one
    conda:
        "../envs/checkpoints.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=1440,
        disk_mb=lambda wildcards, input: fetched_mb(config, wildcards.suite, wildcards.span, input.audit),
    params:
        definition=lambda wildcards: fetched_of(config, wildcards.suite),
        steps=lambda wildcards: span_steps(config, wildcards.suite, wildcards.span)["steps"],
        first=lambda wildcards: span_steps(config, wildcards.suite, wildcards.span)["first"],
        last=lambda wildcards: span_steps(config, wildcards.suite, wildcards.span)["last"],
        code=code_of("checkpoints/checkpoint_download.py"),
    message:
        "Fetch span {wildcards.span} of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/checkpoints/checkpoint_download.py"
