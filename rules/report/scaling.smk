# The figure and tables of the scaling law: figure 1b.


FIGURES += ["figure_1b"]


rule figure_1b:
    input:
        fits=rules.scaling_fit.output.fits,
        gaps=rules.scaling_fit.output.gaps,
        published=project_file("resources/figure_1b_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_1b.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_1b.png", non_empty=True),
            caption="../../scripts/report/captions/figure_1b.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_1b.csv", non_empty=True),
    log:
        "<logs>/report/figure_1b.log",
    benchmark:
        "<logs>/report/figure_1b.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_1b.py"),
    message:
        "Draw figure 1b: final and best losses beside the scaling law"
    script:
        "../../scripts/report/figure_1b.py"


rule table_scaling:
    input:
        fits=rules.scaling_fit.output.fits,
        gaps=rules.scaling_fit.output.gaps,
    output:
        fits=report(
            ensure("<results>/tables/scaling_fit.csv", non_empty=True),
            caption="../../scripts/report/captions/table_scaling_fit.rst",
            category="Saturation",
        ),
        gaps=report(
            ensure("<results>/tables/scaling_gaps.csv", non_empty=True),
            caption="../../scripts/report/captions/table_scaling_gaps.rst",
            category="Saturation",
        ),
    log:
        "<logs>/report/table_scaling.log",
    benchmark:
        "<logs>/report/table_scaling.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_scaling.py"),
    message:
        "Write the scaling law in numbers"
    script:
        "../../scripts/report/table_scaling.py"
