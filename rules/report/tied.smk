# Figures and tables of shared embeddings.


TIED_STUDIED = bool(config["tied"]["remedies"])
FIGURES += ["figure_tied_initial_loss"] if TIED_STUDIED else []
FIGURES += ["figure_tied_convergence", "figure_tied_saturation"] if trained_remedies(config) else []


rule table_tied:
    input:
        losses=[rules.tied_initial_loss.output.losses] if TIED_STUDIED else [],
        moments=[rules.tied_initial_loss.output.moments] if TIED_STUDIED else [],
        models=[rules.tied_models.output[0]] if TIED_STUDIED else [],
        runs=rules.tied_comparison.output.runs,
        comparison=rules.tied_comparison.output.comparison,
    output:
        losses=report(
            ensure("<results>/tables/tied_initial_loss.csv", non_empty=True),
            caption="../../scripts/report/captions/table_tied_initial_loss.rst",
            category="Shared embeddings",
        ),
        moments=report(
            ensure("<results>/tables/tied_moments.csv", non_empty=True),
            caption="../../scripts/report/captions/table_tied_moments.rst",
            category="Shared embeddings",
        ),
        models=report(
            ensure("<results>/tables/tied_models.csv", non_empty=True),
            caption="../../scripts/report/captions/table_tied_models.rst",
            category="Shared embeddings",
        ),
        training=report(
            ensure("<results>/tables/tied_training.csv", non_empty=True),
            caption="../../scripts/report/captions/table_tied_training.rst",
            category="Shared embeddings",
        ),
        comparison=report(
            ensure("<results>/tables/tied_comparison.csv", non_empty=True),
            caption="../../scripts/report/captions/table_tied_comparison.rst",
            category="Shared embeddings",
        ),
    log:
        "<logs>/report/table_tied.log",
    benchmark:
        "<logs>/report/table_tied.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_tied.py"),
    message:
        "Write shared embeddings in numbers"
    script:
        "../../scripts/report/table_tied.py"


rule figure_tied_initial_loss:
    input:
        losses=rules.table_tied.output.losses,
        models=rules.table_tied.output.models,
    output:
        pdf=ensure("<results>/figures/figure_tied_initial_loss.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_tied_initial_loss.png", non_empty=True),
            caption="../../scripts/report/captions/figure_tied_initial_loss.rst",
            category="Shared embeddings",
        ),
        csv=ensure("<results>/figures/figure_tied_initial_loss.csv", non_empty=True),
    log:
        "<logs>/report/figure_tied_initial_loss.log",
    benchmark:
        "<logs>/report/figure_tied_initial_loss.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_tied_initial_loss.py"),
    message:
        "Draw the loss that shared embeddings start with"
    script:
        "../../scripts/report/figure_tied_initial_loss.py"


rule figure_tied_convergence:
    input:
        training=tied_tables(config, "tied_training"),
        comparison=rules.table_tied.output.comparison,
        summary=rules.table_tied.output.training,
    output:
        pdf=ensure("<results>/figures/figure_tied_convergence.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_tied_convergence.png", non_empty=True),
            caption="../../scripts/report/captions/figure_tied_convergence.rst",
            category="Shared embeddings",
        ),
        csv=ensure("<results>/figures/figure_tied_convergence.csv", non_empty=True),
    log:
        "<logs>/report/figure_tied_convergence.log",
    benchmark:
        "<logs>/report/figure_tied_convergence.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_tied_convergence.py"),
    message:
        "Draw how fast models with each remedy learn"
    script:
        "../../scripts/report/figure_tied_convergence.py"


rule figure_tied_saturation:
    input:
        training=tied_tables(config, "tied_training"),
        spectra=tied_tables(config, "tied_spectrum"),
    output:
        pdf=ensure("<results>/figures/figure_tied_saturation.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_tied_saturation.png", non_empty=True),
            caption="../../scripts/report/captions/figure_tied_saturation.rst",
            category="Shared embeddings",
        ),
        csv=ensure("<results>/figures/figure_tied_saturation.csv", non_empty=True),
    log:
        "<logs>/report/figure_tied_saturation.log",
    benchmark:
        "<logs>/report/figure_tied_saturation.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_tied_saturation.py"),
    message:
        "Draw heads and hidden states of models with each remedy"
    script:
        "../../scripts/report/figure_tied_saturation.py"
