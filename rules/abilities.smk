# What checkpoints can do: published evaluations, our own by lm-evaluation-harness, and ability against loss.


rule ability_tasks:
    input:
        tokenizer=lambda wildcards: suite_tokenizer(config, wildcards.suite),
        records=lambda wildcards: suite_tokens(config, wildcards.suite, "json"),
        ids=lambda wildcards: suite_tokens(config, wildcards.suite, "bin"),
        ends=lambda wildcards: suite_tokens(config, wildcards.suite, "ends.bin"),
    output:
        directory("<results>/abilities/tasks/{suite}/cloze"),
        directory("<results>/abilities/tasks/{suite}/next_sentence"),
    log:
        "<logs>/abilities/ability_tasks/{suite}.log",
    benchmark:
        "<logs>/abilities/ability_tasks/{suite}.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
        disk_mb=BASE_MB,
    params:
        definition=lambda wildcards: measured_of(config, wildcards.suite),
        held_out=lookup(within=config, dpath="held_out"),
        made=made_items(config),
        code=code_of("abilities/ability_tasks.py"),
    message:
        "Make tasks of held-out text for {wildcards.suite}"
    script:
        "../scripts/abilities/ability_tasks.py"


rule ability_data:
    output:
        directory("<results>/abilities/data/{task}"),
    log:
        "<logs>/abilities/ability_data/{task}.log",
    benchmark:
        "<logs>/abilities/ability_data/{task}.tsv"
    wildcard_constraints:
        task=r"[^/]+",
    localrule: True  # here is a network, where jobs may run on machines without one
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        storycloze=lookup(within=config, dpath="abilities/storycloze"),
        code=code_of("abilities/ability_data.py"),
    message:
        "Fetch the items of {wildcards.task}"
    script:
        "../scripts/abilities/ability_data.py"


rule ability_evaluation:
    input:
        checkpoints="<results>/checkpoints/{suite}/{model}/{span}",
        tokenizer=lambda wildcards: suite_tokenizer(config, wildcards.suite),
        tasks=lambda wildcards: task_folders(config, wildcards.suite),
    output:
        scores=ensure("<results>/abilities/{suite}/{model}/{span}/ability_scores.parquet", non_empty=True),
        samples=ensure("<results>/abilities/{suite}/{model}/{span}/ability_samples.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_evaluation/{suite}/{model}/{span}.log",
    benchmark:
        "<logs>/abilities/ability_evaluation/{suite}/{model}/{span}.tsv"
    priority: 1  # before further downloads, so that disk becomes free
    conda:
        "../envs/abilities.yaml"
    threads: config["abilities"]["threads"]
    resources:
        mem_mb=growing(config["abilities"]["memory_mb"]),
        gpu=gpus(config["abilities"]["device"]),
        runtime=growing(1440),
        disk_mb=BASE_MB,
    params:
        definition=lambda wildcards: measured_of(config, wildcards.suite),
        abilities=asked_of(config),
        steps=asked_steps(config),
        code=code_of("abilities/ability_evaluation.py"),
    message:
        "Ask span {wildcards.span} of {wildcards.model} of {wildcards.suite} what it can do"
    script:
        "../scripts/abilities/ability_evaluation.py"


rule ability_extract:
    output:
        ensure("<results>/abilities/pythia_evaluations.csv.xz", non_empty=True),
    log:
        "<logs>/abilities/ability_extract.log",
    benchmark:
        "<logs>/abilities/ability_extract.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        checkout=lookup(within=config, dpath="abilities/pythia_checkout"),
        code=code_of("abilities/ability_extract.py"),
    message:
        "Read the published evaluations in {params.checkout}"
    script:
        "../scripts/abilities/ability_extract.py"


rule ability_published:
    input:
        evaluations=(
            rules.ability_extract.output[0]
            if config["abilities"]["pythia_checkout"]
            else project_file("resources/pythia_evaluations.csv.xz")
        ),
        models=project_file("resources/pythia_models.csv"),
    output:
        ensure("<results>/abilities/published/ability_scores.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_published.log",
    benchmark:
        "<logs>/abilities/ability_published.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("abilities/ability_published.py"),
    message:
        "Read the published evaluations of Pythia"
    script:
        "../scripts/abilities/ability_published.py"


rule ability_saturation:
    input:
        published=rules.ability_published.output[0],
        scores=ability_tables(config, "ability_scores"),
        samples=ability_tables(config, "ability_samples"),
    output:
        ensure("<results>/abilities/ability_saturation.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_saturation.log",
    benchmark:
        "<logs>/abilities/ability_saturation.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        disk_mb=BASE_MB,
    params:
        code=code_of("abilities/ability_saturation.py"),
    message:
        "Look which models lose which ability"
    script:
        "../scripts/abilities/ability_saturation.py"


rule ability_emergence:
    input:
        published=rules.ability_published.output[0],
        scores=ability_tables(config, "ability_scores"),
        metrics=[
            path
            for suite in config["abilities"]["suites"]
            for path in suite_tables(config, suite, "checkpoint_metrics")
        ],
        fits=rules.scaling_fit.output.fits,
        figure=project_file("resources/figure_1a_published.csv"),
    output:
        emergence_points=ensure("<results>/abilities/emergence_points.parquet", non_empty=True),
        emergence_fits=ensure("<results>/abilities/emergence_fits.parquet", non_empty=True),
        emergence_sizes=ensure("<results>/abilities/emergence_sizes.parquet", non_empty=True),
        equal_loss=ensure("<results>/abilities/equal_loss.parquet", non_empty=True),
    log:
        "<logs>/abilities/ability_emergence.log",
    benchmark:
        "<logs>/abilities/ability_emergence.tsv"
    conda:
        "../envs/abilities.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        bootstraps=lookup(within=config, dpath="abilities/bootstraps"),
        code=code_of("abilities/ability_emergence.py"),
    message:
        "Set ability against loss"
    script:
        "../scripts/abilities/ability_emergence.py"
