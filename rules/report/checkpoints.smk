# Figures and tables of saturation: figures 1a, 2, 3, 4 and 5.


SUITES = config["checkpoints"]["suites"]
SUITE_TEXTS = {suite: [config["suites"][suite]["corpus"], config["suites"][suite]["tokenizer"]] for suite in SUITES}
HUB_NAMES = {model: name for model, name in hub_names(config).items() if model.split("/")[0] in SUITES}
FIGURES += (
    ["figure_1a", "figure_2", "figure_3", "figure_4", "figure_5", "figure_centred", "figure_precision"]
    if SUITES
    else []
)


rule figure_1a:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        published=project_file("resources/figure_1a_published.csv"),
        language_models=collect(
            "<results>/ngrams/{model[corpus]}/{model[tokenizer]}/language_model/language_model.parquet",
            model=[
                model
                for model in language_models(config)
                if [model["corpus"], model["tokenizer"]] in SUITE_TEXTS.values()
            ],
        ),
    output:
        pdf=ensure("<results>/figures/figure_1a.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_1a.png", non_empty=True),
            caption="../../scripts/report/captions/figure_1a.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_1a.csv", non_empty=True),
    log:
        "<logs>/report/figure_1a.log",
    benchmark:
        "<logs>/report/figure_1a.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        texts=SUITE_TEXTS,
        code=code_of("report/figure_1a.py"),
    message:
        "Draw figure 1a: loss over training"
    script:
        "../../scripts/report/figure_1a.py"


rule figure_2:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        layers=measured_tables(config, "layer_metrics"),
        published=project_file("resources/figure_2_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_2.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_2.png", non_empty=True),
            caption="../../scripts/report/captions/figure_2.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_2.csv", non_empty=True),
    log:
        "<logs>/report/figure_2.log",
    benchmark:
        "<logs>/report/figure_2.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_of("report/figure_2.py"),
    message:
        "Draw figure 2: anisotropy of the layers"
    script:
        "../../scripts/report/figure_2.py"


rule figure_3:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        published=project_file("resources/figure_3_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_3.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_3.png", non_empty=True),
            caption="../../scripts/report/captions/figure_3.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_3.csv", non_empty=True),
    log:
        "<logs>/report/figure_3.log",
    benchmark:
        "<logs>/report/figure_3.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_of("report/figure_3.py"),
    message:
        "Draw figure 3: loss coloured by anisotropy"
    script:
        "../../scripts/report/figure_3.py"


rule figure_4:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        spectra=measured_tables(config, "head_spectrum"),
        published=project_file("resources/figure_4_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_4.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_4.png", non_empty=True),
            caption="../../scripts/report/captions/figure_4.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_4.csv", non_empty=True),
    log:
        "<logs>/report/figure_4.log",
    benchmark:
        "<logs>/report/figure_4.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_of("report/figure_4.py"),
    message:
        "Draw figure 4: singular values of the LM head"
    script:
        "../../scripts/report/figure_4.py"


rule figure_5:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        published=project_file("resources/figure_5_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_5.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_5.png", non_empty=True),
            caption="../../scripts/report/captions/figure_5.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_5.csv", non_empty=True),
    log:
        "<logs>/report/figure_5.log",
    benchmark:
        "<logs>/report/figure_5.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_of("report/figure_5.py"),
    message:
        "Draw figure 5: singular entropy of the LM head"
    script:
        "../../scripts/report/figure_5.py"


rule figure_centred:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
    output:
        pdf=ensure("<results>/figures/figure_centred.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_centred.png", non_empty=True),
            caption="../../scripts/report/captions/figure_centred.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_centred.csv", non_empty=True),
    log:
        "<logs>/report/figure_centred.log",
    benchmark:
        "<logs>/report/figure_centred.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_centred.py"),
    message:
        "Draw raw against centred: what softmax cannot see"
    script:
        "../../scripts/report/figure_centred.py"


rule figure_precision:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
    output:
        pdf=ensure("<results>/figures/figure_precision.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_precision.png", non_empty=True),
            caption="../../scripts/report/captions/figure_precision.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_precision.csv", non_empty=True),
    log:
        "<logs>/report/figure_precision.log",
    benchmark:
        "<logs>/report/figure_precision.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_precision.py"),
    message:
        "Draw what rounded logits cost"
    script:
        "../../scripts/report/figure_precision.py"


rule table_saturation:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        saturation=collect("<results>/metrics/{suite}/saturation.parquet", suite=SUITES),
        correlation=collect("<results>/metrics/{suite}/onset_correlation.parquet", suite=SUITES),
    output:
        table=report(
            ensure("<results>/tables/saturation.csv", non_empty=True),
            caption="../../scripts/report/captions/table_saturation.rst",
            category="Saturation",
        ),
        correlation=report(
            ensure("<results>/tables/onset_correlation.csv", non_empty=True),
            caption="../../scripts/report/captions/table_onset_correlation.rst",
            category="Saturation",
        ),
    log:
        "<logs>/report/table_saturation.log",
    benchmark:
        "<logs>/report/table_saturation.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_saturation.py"),
    message:
        "Write saturation in numbers"
    script:
        "../../scripts/report/table_saturation.py"


rule table_checkpoints:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        audits=[
            path
            for suite in SUITES
            for model in suite_models(config, suite)
            for path in suite_audit(config, suite, model)
        ],
    output:
        report(
            ensure("<results>/tables/checkpoints.csv", non_empty=True),
            caption="../../scripts/report/captions/table_checkpoints.rst",
            category="Saturation",
        ),
    log:
        "<logs>/report/table_checkpoints.log",
    benchmark:
        "<logs>/report/table_checkpoints.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        steps={suite: steps_of(config["suites"][suite]) for suite in SUITES},
        code=code_of("report/table_checkpoints.py"),
    message:
        "Write which checkpoints were found and measured"
    script:
        "../../scripts/report/table_checkpoints.py"
