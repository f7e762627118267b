# Heads of constrained rank on frozen trunks, and the theory of the bottleneck.


rule head_states:
    input:
        checkpoints=lambda wildcards: final_span(config, wildcards.suite, wildcards.model),
        tokenizer=lambda wildcards: suite_tokenizer(config, wildcards.suite),
        records=lambda wildcards: suite_tokens(config, wildcards.suite, "json"),
        ids=lambda wildcards: suite_tokens(config, wildcards.suite, "bin"),
        ends=lambda wildcards: suite_tokens(config, wildcards.suite, "ends.bin"),
    output:
        ensure("<results>/heads/{suite}/{model}/head_states.safetensors", non_empty=True),
    log:
        "<logs>/heads/head_states/{suite}/{model}.log",
    benchmark:
        "<logs>/heads/head_states/{suite}/{model}.tsv"
    conda:
        "../envs/heads.yaml"
    threads: config["heads"]["threads"]
    resources:
        mem_mb=growing(config["heads"]["memory_mb"]),
        gpu=gpus(config["heads"]["device"]),
        runtime=growing(120),
        disk_mb=10 * BASE_MB,
    params:
        definition=lambda wildcards: measured_of(config, wildcards.suite),
        heads=lambda wildcards: held_out_of(config, wildcards.suite),
        held_out=lookup(within=config, dpath="held_out"),
        step=lambda wildcards: final_step(config, wildcards.suite),
        code=code_of("heads/head_states.py"),
    message:
        "Run the trunk of {wildcards.model} of {wildcards.suite} over held-out text"
    script:
        "../scripts/heads/head_states.py"


rule head_rank_sweep:
    input:
        states=rules.head_states.output[0],
        checkpoints=rules.head_states.input.checkpoints,
        tokenizer=rules.head_states.input.tokenizer,
        records=rules.head_states.input.records,
        ids=rules.head_states.input.ids,
        ends=rules.head_states.input.ends,
    output:
        heads=ensure("<results>/heads/{suite}/{model}/{job}/head_rank_sweep.parquet", non_empty=True),
        losses=ensure("<results>/heads/{suite}/{model}/{job}/head_losses.parquet", non_empty=True),
        training=ensure("<results>/heads/{suite}/{model}/{job}/head_training.parquet", non_empty=True),
    log:
        "<logs>/heads/head_rank_sweep/{suite}/{model}/{job}.log",
    benchmark:
        "<logs>/heads/head_rank_sweep/{suite}/{model}/{job}.tsv"
    wildcard_constraints:
        job=r"\d+",
    priority: 1  # long jobs before short ones
    conda:
        "../envs/heads.yaml"
    threads: config["heads"]["threads"]
    resources:
        mem_mb=growing(config["heads"]["memory_mb"]),
        gpu=gpus(config["heads"]["device"]),
        runtime=growing(2880),
        disk_mb=BASE_MB,
    params:
        definition=lambda wildcards: measured_of(config, wildcards.suite),
        heads=lambda wildcards: swept_of(config, wildcards.suite),
        held_out=lookup(within=config, dpath="held_out"),
        ranks=lambda wildcards: ranks_of(config, wildcards.job),
        whole=lambda wildcards: wildcards.job == "0",  # also the unfactored heads
        code=code_of("heads/head_rank_sweep.py"),
    message:
        "Train heads of rank {params.ranks} for {wildcards.model} of {wildcards.suite}"
    script:
        "../scripts/heads/head_rank_sweep.py"


rule bottleneck_bound:
    input:
        states=rules.head_states.output[0],
        losses=collect("<results>/heads/{{suite}}/{{model}}/{job}/head_losses.parquet", job=head_jobs(config)),
    output:
        ensure("<results>/heads/{suite}/{model}/bottleneck_bound.parquet", non_empty=True),
    log:
        "<logs>/heads/bottleneck_bound/{suite}/{model}.log",
    benchmark:
        "<logs>/heads/bottleneck_bound/{suite}/{model}.tsv"
    conda:
        "../envs/heads.yaml"
    threads: config["heads"]["threads"]
    resources:
        mem_mb=growing(config["heads"]["memory_mb"]),
        gpu=gpus(config["heads"]["device"]),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        heads=lambda wildcards: bounded_of(config),
        code=code_of("heads/bottleneck_bound.py"),
    message:
        "Compare what heads of {wildcards.model} of {wildcards.suite} lose with its bounds"
    script:
        "../scripts/heads/bottleneck_bound.py"


rule loss_expansion:
    output:
        changes=ensure("<results>/heads/loss_expansion.parquet", non_empty=True),
        orders=ensure("<results>/heads/loss_expansion_orders.parquet", non_empty=True),
    log:
        "<logs>/heads/loss_expansion.log",
    benchmark:
        "<logs>/heads/loss_expansion.tsv"
    conda:
        "../envs/heads.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("heads/loss_expansion.py"),
    message:
        "Expand the loss around random heads and around optima"
    script:
        "../scripts/heads/loss_expansion.py"


rule head_thresholds:
    input:
        bounds=[f"<results>/heads/{suite}/{model}/bottleneck_bound.parquet" for suite, model in head_models(config)],
        losses=head_tables(config, "head_losses"),
        published=project_file("resources/figure_6_published.csv"),
    output:
        ensure("<results>/heads/head_thresholds.parquet", non_empty=True),
    log:
        "<logs>/heads/head_thresholds.log",
    benchmark:
        "<logs>/heads/head_thresholds.tsv"
    conda:
        "../envs/heads.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        disk_mb=BASE_MB,
    params:
        code=code_of("heads/head_thresholds.py"),
    message:
        "Look for thresholds in rank and W-error"
    script:
        "../scripts/heads/head_thresholds.py"
