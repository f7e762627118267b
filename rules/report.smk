# Tables to figures, claims and one page to read.


FIGURE_7_SAMPLES = ngram_samples(config, "figure_7")
CONTROL_SAMPLES = ngram_samples(config, "controls")
SMOOTHED_SAMPLES = ngram_samples(config, "smoothed")
SUITES = config["checkpoints"]["suites"]
SUITE_TEXTS = {suite: [config["suites"][suite]["corpus"], config["suites"][suite]["tokenizer"]] for suite in SUITES}
HUB_NAMES = {model: name for model, name in hub_names(config).items() if model.split("/")[0] in SUITES}
CHECKPOINT_FIGURES = ["figure_1a", "figure_2", "figure_3", "figure_4", "figure_5", "figure_centred", "figure_precision"]
HEAD_FIGURES = ["figure_6", "figure_6_controls", "figure_8", "figure_9", "figure_bottleneck"]
HEAD_NAMES = {model: name for model, name in hub_names(config).items() if model in config["heads"]["models"]}
FIGURES = [
    *(CHECKPOINT_FIGURES if SUITES else []),
    "figure_1b",
    *(HEAD_FIGURES if head_models(config) else []),
    "figure_7",
    "figure_7_controls",
]


rule figure_1a:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        published="resources/figure_1a_published.csv",
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
            caption="../scripts/report/captions/figure_1a.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_1a.csv", non_empty=True),
    log:
        "<logs>/report/figure_1a.log",
    benchmark:
        "<logs>/report/figure_1a.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        texts=SUITE_TEXTS,
        code=code_hash("report/figure_1a.py"),
    message:
        "Draw figure 1a: loss over training"
    script:
        "../scripts/report/figure_1a.py"


rule figure_1b:
    input:
        fits=rules.scaling_fit.output.fits,
        gaps=rules.scaling_fit.output.gaps,
        published="resources/figure_1b_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_1b.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_1b.png", non_empty=True),
            caption="../scripts/report/captions/figure_1b.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_1b.csv", non_empty=True),
    log:
        "<logs>/report/figure_1b.log",
    benchmark:
        "<logs>/report/figure_1b.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_hash("report/figure_1b.py"),
    message:
        "Draw figure 1b: final and best losses beside the scaling law"
    script:
        "../scripts/report/figure_1b.py"


rule table_scaling:
    input:
        fits=rules.scaling_fit.output.fits,
        gaps=rules.scaling_fit.output.gaps,
    output:
        fits=report(
            ensure("<results>/tables/scaling_fit.csv", non_empty=True),
            caption="../scripts/report/captions/table_scaling_fit.rst",
            category="Saturation",
        ),
        gaps=report(
            ensure("<results>/tables/scaling_gaps.csv", non_empty=True),
            caption="../scripts/report/captions/table_scaling_gaps.rst",
            category="Saturation",
        ),
    log:
        "<logs>/report/table_scaling.log",
    benchmark:
        "<logs>/report/table_scaling.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_hash("report/table_scaling.py"),
    message:
        "Write the scaling law in numbers"
    script:
        "../scripts/report/table_scaling.py"


rule figure_2:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        layers=measured_tables(config, "layer_metrics"),
        published="resources/figure_2_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_2.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_2.png", non_empty=True),
            caption="../scripts/report/captions/figure_2.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_2.csv", non_empty=True),
    log:
        "<logs>/report/figure_2.log",
    benchmark:
        "<logs>/report/figure_2.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_hash("report/figure_2.py"),
    message:
        "Draw figure 2: anisotropy of the layers"
    script:
        "../scripts/report/figure_2.py"


rule figure_3:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        published="resources/figure_3_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_3.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_3.png", non_empty=True),
            caption="../scripts/report/captions/figure_3.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_3.csv", non_empty=True),
    log:
        "<logs>/report/figure_3.log",
    benchmark:
        "<logs>/report/figure_3.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_hash("report/figure_3.py"),
    message:
        "Draw figure 3: loss coloured by anisotropy"
    script:
        "../scripts/report/figure_3.py"


rule figure_4:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        spectra=measured_tables(config, "head_spectrum"),
        published="resources/figure_4_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_4.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_4.png", non_empty=True),
            caption="../scripts/report/captions/figure_4.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_4.csv", non_empty=True),
    log:
        "<logs>/report/figure_4.log",
    benchmark:
        "<logs>/report/figure_4.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_hash("report/figure_4.py"),
    message:
        "Draw figure 4: singular values of the LM head"
    script:
        "../scripts/report/figure_4.py"


rule figure_5:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        published="resources/figure_5_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_5.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_5.png", non_empty=True),
            caption="../scripts/report/captions/figure_5.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_5.csv", non_empty=True),
    log:
        "<logs>/report/figure_5.log",
    benchmark:
        "<logs>/report/figure_5.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HUB_NAMES,
        code=code_hash("report/figure_5.py"),
    message:
        "Draw figure 5: singular entropy of the LM head"
    script:
        "../scripts/report/figure_5.py"


rule figure_centred:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
    output:
        pdf=ensure("<results>/figures/figure_centred.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_centred.png", non_empty=True),
            caption="../scripts/report/captions/figure_centred.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_centred.csv", non_empty=True),
    log:
        "<logs>/report/figure_centred.log",
    benchmark:
        "<logs>/report/figure_centred.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_hash("report/figure_centred.py"),
    message:
        "Draw raw against centred: what softmax cannot see"
    script:
        "../scripts/report/figure_centred.py"


rule figure_precision:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
    output:
        pdf=ensure("<results>/figures/figure_precision.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_precision.png", non_empty=True),
            caption="../scripts/report/captions/figure_precision.rst",
            category="Saturation",
        ),
        csv=ensure("<results>/figures/figure_precision.csv", non_empty=True),
    log:
        "<logs>/report/figure_precision.log",
    benchmark:
        "<logs>/report/figure_precision.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_hash("report/figure_precision.py"),
    message:
        "Draw what rounded logits cost"
    script:
        "../scripts/report/figure_precision.py"


rule table_saturation:
    input:
        metrics=measured_tables(config, "checkpoint_metrics"),
        saturation=collect("<results>/metrics/{suite}/saturation.parquet", suite=SUITES),
        correlation=collect("<results>/metrics/{suite}/onset_correlation.parquet", suite=SUITES),
    output:
        table=report(
            ensure("<results>/tables/saturation.csv", non_empty=True),
            caption="../scripts/report/captions/table_saturation.rst",
            category="Saturation",
        ),
        correlation=report(
            ensure("<results>/tables/onset_correlation.csv", non_empty=True),
            caption="../scripts/report/captions/table_onset_correlation.rst",
            category="Saturation",
        ),
    log:
        "<logs>/report/table_saturation.log",
    benchmark:
        "<logs>/report/table_saturation.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_hash("report/table_saturation.py"),
    message:
        "Write saturation in numbers"
    script:
        "../scripts/report/table_saturation.py"


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
            caption="../scripts/report/captions/table_checkpoints.rst",
            category="Saturation",
        ),
    log:
        "<logs>/report/table_checkpoints.log",
    benchmark:
        "<logs>/report/table_checkpoints.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        steps={suite: steps_of(config["suites"][suite]) for suite in SUITES},
        code=code_hash("report/table_checkpoints.py"),
    message:
        "Write which checkpoints were found and measured"
    script:
        "../scripts/report/table_checkpoints.py"


rule table_heads:
    input:
        sweep=head_tables(config, "head_rank_sweep"),
        bounds=rules.head_thresholds.input.bounds,
        thresholds=rules.head_thresholds.output[0],
        orders=rules.loss_expansion.output.orders,
    output:
        heads=report(
            ensure("<results>/tables/heads.csv", non_empty=True),
            caption="../scripts/report/captions/table_heads.rst",
            category="The softmax bottleneck",
        ),
        bounds=report(
            ensure("<results>/tables/bottleneck_bound.csv", non_empty=True),
            caption="../scripts/report/captions/table_bottleneck_bound.rst",
            category="The softmax bottleneck",
        ),
        thresholds=report(
            ensure("<results>/tables/head_thresholds.csv", non_empty=True),
            caption="../scripts/report/captions/table_head_thresholds.rst",
            category="The softmax bottleneck",
        ),
        orders=report(
            ensure("<results>/tables/loss_expansion_orders.csv", non_empty=True),
            caption="../scripts/report/captions/table_loss_expansion_orders.rst",
            category="The softmax bottleneck",
        ),
    log:
        "<logs>/report/table_heads.log",
    benchmark:
        "<logs>/report/table_heads.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_hash("report/table_heads.py"),
    message:
        "Write heads, bounds and thresholds in numbers"
    script:
        "../scripts/report/table_heads.py"


rule figure_6:
    input:
        heads=rules.table_heads.output.heads,
        published="resources/figure_6_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_6.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_6.png", non_empty=True),
            caption="../scripts/report/captions/figure_6.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_6.csv", non_empty=True),
    log:
        "<logs>/report/figure_6.log",
    benchmark:
        "<logs>/report/figure_6.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HEAD_NAMES,
        code=code_hash("report/figure_6.py"),
    message:
        "Draw figure 6: accuracy and loss of heads by rank"
    script:
        "../scripts/report/figure_6.py"


rule figure_6_controls:
    input:
        heads=rules.table_heads.output.heads,
        bounds=rules.head_thresholds.input.bounds,
        training=head_tables(config, "head_training"),
    output:
        pdf=ensure("<results>/figures/figure_6_controls.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_6_controls.png", non_empty=True),
            caption="../scripts/report/captions/figure_6_controls.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_6_controls.csv", non_empty=True),
    log:
        "<logs>/report/figure_6_controls.log",
    benchmark:
        "<logs>/report/figure_6_controls.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_hash("report/figure_6_controls.py"),
    message:
        "Draw the controls of figure 6: what the start of a head costs"
    script:
        "../scripts/report/figure_6_controls.py"


rule figure_8:
    input:
        heads=rules.table_heads.output.heads,
        published="resources/figure_6_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_8.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_8.png", non_empty=True),
            caption="../scripts/report/captions/figure_8.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_8.csv", non_empty=True),
    log:
        "<logs>/report/figure_8.log",
    benchmark:
        "<logs>/report/figure_8.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HEAD_NAMES,
        code=code_hash("report/figure_8.py"),
    message:
        "Draw figure 8: loss of heads against W-error"
    script:
        "../scripts/report/figure_8.py"


rule figure_9:
    input:
        heads=rules.table_heads.output.heads,
        published="resources/figure_6_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_9.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_9.png", non_empty=True),
            caption="../scripts/report/captions/figure_9.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_9.csv", non_empty=True),
    log:
        "<logs>/report/figure_9.log",
    benchmark:
        "<logs>/report/figure_9.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        names=HEAD_NAMES,
        code=code_hash("report/figure_9.py"),
    message:
        "Draw figure 9: learning rates of heads"
    script:
        "../scripts/report/figure_9.py"


rule figure_bottleneck:
    input:
        bounds=rules.head_thresholds.input.bounds,
        expansion=rules.loss_expansion.output.changes,
    output:
        pdf=ensure("<results>/figures/figure_bottleneck.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_bottleneck.png", non_empty=True),
            caption="../scripts/report/captions/figure_bottleneck.rst",
            category="The softmax bottleneck",
        ),
        csv=ensure("<results>/figures/figure_bottleneck.csv", non_empty=True),
    log:
        "<logs>/report/figure_bottleneck.log",
    benchmark:
        "<logs>/report/figure_bottleneck.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_hash("report/figure_bottleneck.py"),
    message:
        "Draw what heads lose, and at most"
    script:
        "../scripts/report/figure_bottleneck.py"


rule figure_7:
    input:
        spectra=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_spectrum.parquet",
            sample=FIGURE_7_SAMPLES,
        ),
        published="resources/figure_7_published.csv",
    output:
        pdf=ensure("<results>/figures/figure_7.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_7.png", non_empty=True),
            caption="../scripts/report/captions/figure_7.rst",
            category="The rank of language",
        ),
        csv=ensure("<results>/figures/figure_7.csv", non_empty=True),
    log:
        "<logs>/report/figure_7.log",
    benchmark:
        "<logs>/report/figure_7.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        published=lookup(within=config, dpath="report/published"),
        order=lookup(within=config, dpath="ngrams/order"),
        sample_size=lookup(within=config, dpath="ngrams/sample_size"),
        code=code_hash("report/figure_7.py"),
    message:
        "Draw figure 7: W-error against d"
    script:
        "../scripts/report/figure_7.py"


rule figure_7_controls:
    input:
        spectra=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_spectrum.parquet",
            sample=CONTROL_SAMPLES,
        ),
        smoothed=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_smoothed_spectrum.parquet",
            sample=SMOOTHED_SAMPLES,
        ),
        summaries=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_summary.parquet",
            sample=CONTROL_SAMPLES,
        ),
    output:
        pdf=ensure("<results>/figures/figure_7_controls.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_7_controls.png", non_empty=True),
            caption="../scripts/report/captions/figure_7_controls.rst",
            category="The rank of language",
        ),
        csv=ensure("<results>/figures/figure_7_controls.csv", non_empty=True),
    log:
        "<logs>/report/figure_7_controls.log",
    benchmark:
        "<logs>/report/figure_7_controls.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        order=lookup(within=config, dpath="ngrams/order"),
        sample_size=lookup(within=config, dpath="ngrams/sample_size"),
        code=code_hash("report/figure_7_controls.py"),
    message:
        "Draw the controls of figure 7: sample size, weighting, length of context, token frequency"
    script:
        "../scripts/report/figure_7_controls.py"


rule table_7:
    input:
        summaries=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_summary.parquet",
            sample=FIGURE_7_SAMPLES,
        ),
        published="resources/figure_7_published.csv",
    output:
        report(
            ensure("<results>/tables/table_7.csv", non_empty=True),
            caption="../scripts/report/captions/table_7.rst",
            category="The rank of language",
        ),
    log:
        "<logs>/report/table_7.log",
    benchmark:
        "<logs>/report/table_7.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_hash("report/table_7.py"),
    message:
        "Write table 7: figure 7 in numbers"
    script:
        "../scripts/report/table_7.py"


rule table_7_controls:
    input:
        summaries=rules.figure_7_controls.input.summaries,
        smoothed=rules.figure_7_controls.input.smoothed,
    output:
        report(
            ensure("<results>/tables/table_7_controls.csv", non_empty=True),
            caption="../scripts/report/captions/table_7_controls.rst",
            category="The rank of language",
        ),
    log:
        "<logs>/report/table_7_controls.log",
    benchmark:
        "<logs>/report/table_7_controls.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_hash("report/table_7_controls.py"),
    message:
        "Write the controls of figure 7 in numbers"
    script:
        "../scripts/report/table_7_controls.py"


rule table_language_models:
    input:
        collect(
            "<results>/ngrams/{model[corpus]}/{model[tokenizer]}/language_model/language_model.parquet",
            model=language_models(config),
        ),
    output:
        report(
            ensure("<results>/tables/language_models.csv", non_empty=True),
            caption="../scripts/report/captions/table_language_models.rst",
            category="The rank of language",
        ),
    log:
        "<logs>/report/table_language_models.log",
    benchmark:
        "<logs>/report/table_language_models.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_hash("report/table_language_models.py"),
    message:
        "Write what a 5-gram model knows of each corpus"
    script:
        "../scripts/report/table_language_models.py"


rule claims:
    input:
        saturation=rules.table_saturation.output.table,
        correlation=rules.table_saturation.output.correlation,
        scaling=rules.table_scaling.output.fits,
        thresholds=rules.table_heads.output.thresholds,
        orders=rules.table_heads.output.orders,
        table_7=rules.table_7.output[0],
        controls=rules.table_7_controls.output[0],
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
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        sample_size=lookup(within=config, dpath="ngrams/sample_size"),
        synthetic=synthetic_corpora(config),
        code=code_hash("report/claims.py"),
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
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=config,
        code=code_hash("report/provenance.py"),
    message:
        "Record what the results can be traced to"
    script:
        "../scripts/report/provenance.py"


rule report:
    input:
        template="scripts/report/report.html.jinja",
        claims=rules.claims.output[0],
        table_7=rules.table_7.output[0],
        controls=rules.table_7_controls.output[0],
        models=rules.table_language_models.output[0],
        saturation=rules.table_saturation.output.table,
        correlation=rules.table_saturation.output.correlation,
        checkpoints=rules.table_checkpoints.output[0],
        scaling=rules.table_scaling.output.fits,
        gaps=rules.table_scaling.output.gaps,
        heads=rules.table_heads.output.heads,
        bottleneck=rules.table_heads.output.bounds,
        thresholds=rules.table_heads.output.thresholds,
        orders=rules.table_heads.output.orders,
        provenance=rules.provenance.output[0],
        images=collect("<results>/figures/{figure}.png", figure=FIGURES),
        data=collect("<results>/figures/{figure}.csv", figure=FIGURES),
        captions=collect("scripts/report/captions/{figure}.rst", figure=FIGURES),
    output:
        page=ensure("<results>/report.html", non_empty=True),
        summary=ensure("<results>/summary.txt", non_empty=True),
    log:
        "<logs>/report/report.log",
    benchmark:
        "<logs>/report/report.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_hash("report/report.py"),
    message:
        "Write the page to read: results/report.html"
    script:
        "../scripts/report/report.py"


rule figures:
    input:
        collect("<results>/figures/{figure}.{kind}", figure=FIGURES, kind=["pdf", "png", "csv"]),
    message:
        "Every figure"


rule tables:
    input:
        rules.table_saturation.output,
        rules.table_checkpoints.output,
        rules.table_scaling.output,
        rules.table_heads.output,
        rules.table_7.output,
        rules.table_7_controls.output,
        rules.table_language_models.output,
        rules.claims.output,
    message:
        "Every table"


localrules:
    claims,
    figures,
    provenance,
    report,
    table_7,
    table_7_controls,
    table_checkpoints,
    table_heads,
    table_scaling,
    table_language_models,
    table_saturation,
    tables,
    all,
