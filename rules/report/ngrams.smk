# Figures and tables of the rank of language: figure 7.


FIGURE_7_SAMPLES = ngram_samples(config, "figure_7")
CONTROL_SAMPLES = ngram_samples(config, "controls")
SMOOTHED_SAMPLES = ngram_samples(config, "smoothed")
FIGURES += ["figure_7", "figure_7_controls"]


rule figure_7:
    input:
        spectra=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_spectrum.parquet",
            sample=FIGURE_7_SAMPLES,
        ),
        published=project_file("resources/figure_7_published.csv"),
    output:
        pdf=ensure("<results>/figures/figure_7.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_7.png", non_empty=True),
            caption="../../scripts/report/captions/figure_7.rst",
            category="The rank of language",
        ),
        csv=ensure("<results>/figures/figure_7.csv", non_empty=True),
    log:
        "<logs>/report/figure_7.log",
    benchmark:
        "<logs>/report/figure_7.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        published=lookup(within=config, dpath="report/published"),
        order=lookup(within=config, dpath="ngrams/order"),
        sample_size=lookup(within=config, dpath="ngrams/sample_size"),
        code=code_of("report/figure_7.py"),
    message:
        "Draw figure 7: W-error against d"
    script:
        "../../scripts/report/figure_7.py"


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
            caption="../../scripts/report/captions/figure_7_controls.rst",
            category="The rank of language",
        ),
        csv=ensure("<results>/figures/figure_7_controls.csv", non_empty=True),
    log:
        "<logs>/report/figure_7_controls.log",
    benchmark:
        "<logs>/report/figure_7_controls.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        order=lookup(within=config, dpath="ngrams/order"),
        sample_size=lookup(within=config, dpath="ngrams/sample_size"),
        code=code_of("report/figure_7_controls.py"),
    message:
        "Draw the controls of figure 7: sample size, weighting, length of context, token frequency"
    script:
        "../../scripts/report/figure_7_controls.py"


rule table_7:
    input:
        summaries=collect(
            "<results>/ngrams/{sample[corpus]}/{sample[tokenizer]}/{sample[order]}/{sample[sample_size]}/ngram_summary.parquet",
            sample=FIGURE_7_SAMPLES,
        ),
        published=project_file("resources/figure_7_published.csv"),
    output:
        report(
            ensure("<results>/tables/table_7.csv", non_empty=True),
            caption="../../scripts/report/captions/table_7.rst",
            category="The rank of language",
        ),
    log:
        "<logs>/report/table_7.log",
    benchmark:
        "<logs>/report/table_7.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_7.py"),
    message:
        "Write table 7: figure 7 in numbers"
    script:
        "../../scripts/report/table_7.py"


rule table_7_controls:
    input:
        summaries=rules.figure_7_controls.input.summaries,
        smoothed=rules.figure_7_controls.input.smoothed,
    output:
        report(
            ensure("<results>/tables/table_7_controls.csv", non_empty=True),
            caption="../../scripts/report/captions/table_7_controls.rst",
            category="The rank of language",
        ),
    log:
        "<logs>/report/table_7_controls.log",
    benchmark:
        "<logs>/report/table_7_controls.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_7_controls.py"),
    message:
        "Write the controls of figure 7 in numbers"
    script:
        "../../scripts/report/table_7_controls.py"


rule table_language_models:
    input:
        collect(
            "<results>/ngrams/{model[corpus]}/{model[tokenizer]}/language_model/language_model.parquet",
            model=language_models(config),
        ),
    output:
        report(
            ensure("<results>/tables/language_models.csv", non_empty=True),
            caption="../../scripts/report/captions/table_language_models.rst",
            category="The rank of language",
        ),
    log:
        "<logs>/report/table_language_models.log",
    benchmark:
        "<logs>/report/table_language_models.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_language_models.py"),
    message:
        "Write what a 5-gram model knows of each corpus"
    script:
        "../../scripts/report/table_language_models.py"
