# Checkpoints to their metrics, and metrics to saturation as numbers.


rule checkpoint_metrics:
    input:
        checkpoints="<results>/checkpoints/{suite}/{model}/{span}",
        audit=lambda wildcards: suite_audit(config, wildcards.suite, wildcards.model),
        tokenizer=lambda wildcards: suite_tokenizer(config, wildcards.suite),
        records=lambda wildcards: suite_tokens(config, wildcards.suite, "json"),
        ids=lambda wildcards: suite_tokens(config, wildcards.suite, "bin"),
        ends=lambda wildcards: suite_tokens(config, wildcards.suite, "ends.bin"),
        words_records=lambda wildcards: word_tokens(config, wildcards.suite, "json"),
        words_ids=lambda wildcards: word_tokens(config, wildcards.suite, "bin"),
        words_ends=lambda wildcards: word_tokens(config, wildcards.suite, "ends.bin"),
        words_texts=lambda wildcards: word_texts(config),
    output:
        metrics=ensure("<results>/metrics/{suite}/{model}/{span}/checkpoint_metrics.parquet", non_empty=True),
        layers=ensure("<results>/metrics/{suite}/{model}/{span}/layer_metrics.parquet", non_empty=True),
        spectrum=ensure("<results>/metrics/{suite}/{model}/{span}/head_spectrum.parquet", non_empty=True),
        losses=ensure("<results>/metrics/{suite}/{model}/{span}/sequence_losses.parquet", non_empty=True),
    log:
        "<logs>/metrics/checkpoint_metrics/{suite}/{model}/{span}.log",
    benchmark:
        "<logs>/metrics/checkpoint_metrics/{suite}/{model}/{span}.tsv"
    priority: 1  # before further downloads, so that disk becomes free
    conda:
        "../envs/metrics.yaml"
    threads: config["metrics"]["threads"]
    resources:
        mem_mb=growing(config["metrics"]["memory_mb"]),
        gpu=gpus(config["metrics"]["device"]),
        runtime=growing(720),
        disk_mb=BASE_MB,
    params:
        definition=lambda wildcards: measured_of(config, wildcards.suite),
        metrics=lambda wildcards: measuring_of(config, wildcards.suite),
        held_out=lookup(within=config, dpath="held_out"),
        code=code_of("metrics/checkpoint_metrics.py"),
    message:
        "Measure span {wildcards.span} of {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/metrics/checkpoint_metrics.py"


rule saturation:
    input:
        metrics=lambda wildcards: suite_tables(config, wildcards.suite, "checkpoint_metrics"),
        losses=lambda wildcards: suite_tables(config, wildcards.suite, "sequence_losses"),
    output:
        saturation=ensure("<results>/metrics/{suite}/saturation.parquet", non_empty=True),
        correlation=ensure("<results>/metrics/{suite}/onset_correlation.parquet", non_empty=True),
    log:
        "<logs>/metrics/saturation/{suite}.log",
    benchmark:
        "<logs>/metrics/saturation/{suite}.tsv"
    conda:
        "../envs/metrics.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        disk_mb=BASE_MB,
    params:
        code=code_of("metrics/saturation.py"),
    message:
        "Put the saturation of {wildcards.suite} in numbers"
    script:
        "../scripts/metrics/saturation.py"
