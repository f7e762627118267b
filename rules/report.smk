# What all parts come to: claims, provenance and one page to read.


rule claims:
    input:
        saturation=rules.table_saturation.output.table,
        correlation=rules.table_saturation.output.correlation,
        scaling=rules.table_scaling.output.fits,
        table_1=rules.table_1.output[0],
        lost=rules.table_abilities.output.ability_saturation,
        emergence=rules.table_abilities.output.emergence_fits,
        equal_loss=rules.table_abilities.output.equal_loss,
        thresholds=rules.table_heads.output.thresholds,
        orders=rules.table_heads.output.orders,
        table_7=rules.table_7.output[0],
        controls=rules.table_7_controls.output[0],
        tied_losses=rules.table_tied.output.losses,
        tied_moments=rules.table_tied.output.moments,
        tied_models=rules.table_tied.output.models,
        tied_comparison=rules.table_tied.output.comparison,
    output:
        report(
            ensure("<results>/claims.csv", non_empty=True),
            caption="../scripts/report/captions/claims.rst",
            category="Claims",
        ),
    log:
        "<logs>/report/claims.log",
    benchmark:
        "<logs>/report/claims.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        sample_size=lookup(within=config, dpath="ngrams/sample_size"),
        synthetic=synthetic_corpora(config),
        code=code_of("report/claims.py"),
    message:
        "Judge every claim"
    script:
        "../scripts/report/claims.py"


rule provenance:
    input:
        records=collect(
            "<results>/corpus/{record}.json",
            record=[
                path
                for text in texts_used(config)
                for shard in corpus_shards(config)
                for path in (
                    f"text/{text['corpus']}/{shard}",
                    f"tokens/{text['corpus']}/{text['tokenizer']}/{shard}",
                    f"tokenizers/{text['tokenizer']}.record",
                )
            ],
        ),
        audits=[
            path
            for suite in SUITES
            for model in suite_models(config, suite)
            for path in suite_audit(config, suite, model)
        ],
    output:
        ensure("<results>/provenance.json", non_empty=True),
    log:
        "<logs>/report/provenance.log",
    benchmark:
        "<logs>/report/provenance.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=config,
        code=code_of("report/provenance.py"),
    message:
        "Record what the results can be traced to"
    script:
        "../scripts/report/provenance.py"


rule findings:
    input:
        template=project_file("scripts/report/findings.md.jinja"),
        figure_1a=project_file("resources/figure_1a_published.csv"),
        figure_4=project_file("resources/figure_4_published.csv"),
        figure_5=project_file("resources/figure_5_published.csv"),
        figure_7=project_file("resources/figure_7_published.csv"),
        evaluations=project_file("resources/pythia_evaluations.csv.xz"),
        claims=rules.claims.output[0],
        table_1=rules.table_1.output[0],
        scaling_fit=rules.table_scaling.output.fits,
        table_7=rules.table_7.output[0],
        head_thresholds=rules.table_heads.output.thresholds,
        loss_expansion_orders=rules.table_heads.output.orders,
        ability_saturation=rules.table_abilities.output.ability_saturation,
        equal_loss=rules.table_abilities.output.equal_loss,
        tied_moments=rules.table_tied.output.moments,
        tied_models=rules.table_tied.output.models,
        provenance=rules.provenance.output[0],
    output:
        ensure("<results>/findings.md", non_empty=True),
    log:
        "<logs>/report/findings.log",
    benchmark:
        "<logs>/report/findings.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        figures=["figure_1a", "figure_4", "figure_5", "figure_7", "evaluations"],
        code=code_of("report/findings.py"),
    message:
        "Write where the papers disagree with their own data and with this run"
    script:
        "../scripts/report/findings.py"


rule workflow_graph:
    output:
        ensure("<results>/workflow.svg", non_empty=True),
    log:
        "<logs>/report/workflow_graph.log",
    benchmark:
        "<logs>/report/workflow_graph.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=config,
        rules=rules_hash(),
        code=code_of("report/workflow_graph.py"),
    message:
        "Draw the rules of this run"
    script:
        "../scripts/report/workflow_graph.py"


rule report:
    input:
        template=project_file("scripts/report/report.html.jinja"),
        style=project_file("scripts/report/report.css"),
        behaviour=project_file("scripts/report/report.js"),
        claims=rules.claims.output[0],
        saturation=rules.table_saturation.output.table,
        onsets=rules.table_saturation.output.table,
        onset_correlation=rules.table_saturation.output.correlation,
        checkpoints=rules.table_checkpoints.output[0],
        scaling_fit=rules.table_scaling.output.fits,
        table_1=rules.table_1.output[0],
        ability_saturation=rules.table_abilities.output.ability_saturation,
        emergence_fits=rules.table_abilities.output.emergence_fits,
        equal_loss=rules.table_abilities.output.equal_loss,
        heads=rules.table_heads.output.heads,
        head_thresholds=rules.table_heads.output.thresholds,
        loss_expansion_orders=rules.table_heads.output.orders,
        tied_models=rules.table_tied.output.models,
        tied_moments=rules.table_tied.output.moments,
        tied_training=rules.table_tied.output.training,
        tied_comparison=rules.table_tied.output.comparison,
        table_7=rules.table_7.output[0],
        table_7_controls=rules.table_7_controls.output[0],
        language_models=rules.table_language_models.output[0],
        provenance=rules.provenance.output[0],
        workflow=rules.workflow_graph.output[0],
        images=collect("<results>/figures/{figure}.png", figure=FIGURES),
        data=collect("<results>/figures/{figure}.csv", figure=FIGURES),
        captions=collect(project_file("scripts/report/captions/{figure}.rst"), figure=FIGURES),
    output:
        page=ensure("<results>/report.html", non_empty=True),
        summary=ensure("<results>/summary.txt", non_empty=True),
    log:
        "<logs>/report/report.log",
    benchmark:
        "<logs>/report/report.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        logs=lookup(within=config, dpath="pathvars/logs"),
        code=code_of("report/report.py"),
    message:
        "Write the page to read: results/report.html"
    script:
        "../scripts/report/report.py"


rule figures:
    input:
        collect("<results>/figures/{figure}.{kind}", figure=FIGURES, kind=["pdf", "png", "csv"]),
    localrule: True
    message:
        "Every figure"


rule tables:
    input:
        rules.table_saturation.output,
        rules.table_checkpoints.output,
        rules.table_scaling.output,
        rules.table_1.output,
        rules.table_abilities.output,
        rules.table_heads.output,
        rules.table_tied.output,
        rules.table_7.output,
        rules.table_7_controls.output,
        rules.table_language_models.output,
        rules.claims.output,
    localrule: True
    message:
        "Every table"
