# Losses to the scaling law.


rule scaling_fit:
    input:
        metrics=[
            path for suite in config["scaling"]["suites"] for path in suite_tables(config, suite, "checkpoint_metrics")
        ],
        published=project_file("resources/figure_1b_published.csv"),
    output:
        fits=ensure("<results>/scaling/scaling_fit.parquet", non_empty=True),
        gaps=ensure("<results>/scaling/scaling_gaps.parquet", non_empty=True),
    log:
        "<logs>/scaling/scaling_fit.log",
    benchmark:
        "<logs>/scaling/scaling_fit.tsv"
    conda:
        "../envs/scaling.yaml"
    threads: config["scaling"]["threads"]
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        fit_from=lookup(within=config, dpath="scaling/fit_from"),
        bootstraps=lookup(within=config, dpath="scaling/bootstraps"),
        code=code_of("scaling/scaling_fit.py"),
    message:
        "Fit the scaling law"
    script:
        "../scripts/scaling/scaling_fit.py"
