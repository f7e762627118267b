# Figures and tables of the softmax bottleneck: figures 6, 8 and 9.


HEAD_NAMES = {model: name for model, name in hub_names(config).items() if model in config["heads"]["models"]}
FIGURES += ["figure_6", "figure_6_controls", "figure_8", "figure_9", "figure_bottleneck"] if head_models(config) else []


rule table_heads:
    input:
        sweep=head_tables(config, "head_rank_sweep"),
        bounds=rules.head_thresholds.input.bounds,
        thresholds=rules.head_thresholds.output[0],
        orders=rules.loss_expansion.output.orders,
    output:
        heads=report(
            ensure("<results>/tables/heads.csv", non_empty=True),
            caption="../../scripts/report/captions/table_heads.rst",
            category="The softmax bottleneck",
        ),
        bounds=report(
            ensure("<results>/tables/bottleneck_bound.csv", non_empty=True),
            caption="../../scripts/report/captions/table_bottleneck_bound.rst",
            category="The softmax bottleneck",
        ),
        thresholds=report(
            ensure("<results>/tables/head_thresholds.csv", non_empty=True),
            caption="../../scripts/report/captions/table_head_thresholds.rst",
            category="The softmax bottleneck",
        ),
        orders=report(
            ensure("<results>/tables/loss_expansion_orders.csv", non_empty=True),
            caption="../../scripts/report/captions/table_loss_expansion_orders.rst",
            category="The softmax bottleneck",
        ),
    log:
        "<logs>/report/table_heads.log",
    benchmark:
        "<logs>/report/table_heads.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_heads.py"),
    message:
        "Write heads, bounds and thresholds in numbers"
    script:
        "../../scripts/report/table_heads.py"


rule figure_6:
    input:
        heads=rules.table_heads.output.heads,
        published=project_file("resources/figure_6_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_6.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_6.png", non_empty=True),
            caption="../../scripts/report/captions/figure_6.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_6.csv", non_empty=True),
    log:
        "<logs>/report/figure_6.log",
    benchmark:
        "<logs>/report/figure_6.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HEAD_NAMES,
        code=code_of("report/figure_6.py"),
    message:
        "Draw figure 6: accuracy and loss of heads by rank"
    script:
        "../../scripts/report/figure_6.py"


rule figure_6_controls:
    input:
        heads=rules.table_heads.output.heads,
        bounds=rules.head_thresholds.input.bounds,
        training=head_tables(config, "head_training"),
    output:
        pdf=ensure("<results>/figures/figure_6_controls.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_6_controls.png", non_empty=True),
            caption="../../scripts/report/captions/figure_6_controls.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_6_controls.csv", non_empty=True),
    log:
        "<logs>/report/figure_6_controls.log",
    benchmark:
        "<logs>/report/figure_6_controls.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_6_controls.py"),
    message:
        "Draw the controls of figure 6: what the start of a head costs"
    script:
        "../../scripts/report/figure_6_controls.py"


rule figure_8:
    input:
        heads=rules.table_heads.output.heads,
        published=project_file("resources/figure_6_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_8.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_8.png", non_empty=True),
            caption="../../scripts/report/captions/figure_8.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_8.csv", non_empty=True),
    log:
        "<logs>/report/figure_8.log",
    benchmark:
        "<logs>/report/figure_8.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HEAD_NAMES,
        code=code_of("report/figure_8.py"),
    message:
        "Draw figure 8: loss of heads against W-error"
    script:
        "../../scripts/report/figure_8.py"


rule figure_9:
    input:
        heads=rules.table_heads.output.heads,
        published=project_file("resources/figure_6_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_9.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_9.png", non_empty=True),
            caption="../../scripts/report/captions/figure_9.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_9.csv", non_empty=True),
    log:
        "<logs>/report/figure_9.log",
    benchmark:
        "<logs>/report/figure_9.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HEAD_NAMES,
        code=code_of("report/figure_9.py"),
    message:
        "Draw figure 9: learning rates of heads"
    script:
        "../../scripts/report/figure_9.py"


rule figure_bottleneck:
    input:
        bounds=rules.head_thresholds.input.bounds,
        expansion=rules.loss_expansion.output.changes,
    output:
        pdf=ensure("<results>/figures/figure_bottleneck.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_bottleneck.png", non_empty=True),
            caption="../../scripts/report/captions/figure_bottleneck.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_bottleneck.csv", non_empty=True),
    log:
        "<logs>/report/figure_bottleneck.log",
    benchmark:
        "<logs>/report/figure_bottleneck.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_bottleneck.py"),
    message:
        "Draw what heads lose, and at most"
    script:
        "../../scripts/report/figure_bottleneck.py"
