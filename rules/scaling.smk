# The scaling law.
from lm_saturation.config.scaling import ScalingOptions
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.project import resource
from lm_saturation_workflow.paths import span_tables
from lm_saturation_workflow.resources import BASE_MB, growing

experiment = experiment_of(config)


rule scaling_fit:
    input:
        metrics=span_tables(experiment, experiment.scaling.suites, "metrics", "checkpoint_metrics"),
        published=resource("figure_1b_published.csv"),
    output:
        fits=ensure("<results>/scaling/scaling_fit.parquet", non_empty=True),
        gaps=ensure("<results>/scaling/scaling_gaps.parquet", non_empty=True),
    log:
        "<logs>/scaling/scaling_fit.log",
    benchmark:
        "<logs>/scaling/scaling_fit.tsv"
    conda:
        "../envs/scaling.yaml"
    threads: experiment.scaling.threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
        disk_mb=BASE_MB,
    params:
        options=experiment.scaling.part(ScalingOptions),
        code=code_of("scaling/scaling_fit.py"),
    message:
        "Fit the scaling law to final losses"
    script:
        "../scripts/scaling/scaling_fit.py"
