# Figures, tables, claims, findings, provenance and the page. Figures and tables are declared in
# src/lm_saturation_workflow/catalogue/, a module per section of the page; the two loops make their rules.
from lm_saturation.claims import CLAIMS, Context
from lm_saturation_workflow.accessor import experiment_of
from lm_saturation_workflow.catalogue import FIGURES, TABLE_RULES, TABLES
from lm_saturation_workflow.code_hash import code_of
from lm_saturation_workflow.project import library_file, resource
from lm_saturation_workflow.paths import audits, text_records
from lm_saturation_workflow.rule_graph import graph_before
from lm_saturation_workflow.snakemake_9_27 import name_scripts

experiment = experiment_of(config)
SHOWN = [figure for figure in FIGURES.values() if figure.wanted(experiment)]
JUDGED = dict.fromkeys(table for claim in CLAIMS.values() for table in claim.tables)
READ_OFF = dict.fromkeys(figure for claim in CLAIMS.values() for figure in claim.figures)


for figure in FIGURES.values():

    rule:
        name:
            figure.name
        input:
            **figure.inputs(experiment),
        output:
            **{kind: ensure(path, non_empty=True) for kind, path in figure.files().items()},
        log:
            f"<logs>/report/{figure.name}.log",
        benchmark:
            f"<logs>/report/{figure.name}.tsv"
        group:
            "figures"
        conda:
            "../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=15,
        params:
            **figure.parameters(experiment),
            **({"palette": experiment.report.palette} if figure.palette else {}),
            figure=figure.name,
            code=code_of(f"report/{figure.name}.py"),
        message:
            f"Draw {figure.title[0].lower()}{figure.title[1:]}"
        script:
            "../scripts/report/{params.figure}.py"  # Snakemake fills it in; `figure` itself is the last one by then


for table in TABLE_RULES.values():

    rule:
        name:
            table.name
        input:
            **table.inputs(experiment),
        output:
            **{name: ensure(path, non_empty=True) for name, path in table.files().items()},
        log:
            f"<logs>/report/{table.name}.log",
        benchmark:
            f"<logs>/report/{table.name}.tsv"
        localrule: True
        conda:
            "../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=15,
        params:
            **table.parameters(experiment),
            table=table.name,
            code=code_of(f"report/{table.name}.py"),
        message:
            table.message
        script:
            "../scripts/report/{params.table}.py"


name_scripts(workflow)


rule claims:
    input:
        **{name: TABLES[name].file for name in JUDGED},
        **{name: resource(f"{name}_published.csv") for name in READ_OFF},
    output:
        claims=ensure("<results>/claims.csv", non_empty=True),
        curves=ensure("<results>/claim_curves.csv", non_empty=True),
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
        context=Context(
            sample_size=str(experiment.ngrams.sample_size),
            synthetic=tuple(name for name, corpus in experiment.corpora.items() if not corpus.natural),
        ),
        code=code_of("report/claims.py"),
    message:
        "Judge every claim"
    script:
        "../scripts/report/claims.py"


rule findings:
    input:
        **{
            name: TABLES[name].file
            for name in (
                "table_1",
                "scaling_fit",
                "table_7",
                "head_thresholds",
                "loss_expansion_orders",
                "ability_saturation",
                "equal_loss",
                "seed_runs",
                "rounding_pairs",
                "tied_moments",
                "tied_models",
            )
        },
        template=library_file("report/findings.md.jinja"),
        figure_1a=resource("figure_1a_published.csv"),
        figure_4=resource("figure_4_published.csv"),
        figure_5=resource("figure_5_published.csv"),
        figure_7=resource("figure_7_published.csv"),
        evaluations=resource("pythia_evaluations.csv.xz"),
        claims=rules.claims.output.claims,
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
        suites=list(experiment.measured_suites),
        corpora=experiment.ngrams.corpora,
        code=code_of("report/findings.py"),
    message:
        "Write where the papers disagree with their own data and with this run"
    script:
        "../scripts/report/findings.py"


rule provenance:
    input:
        records=text_records(experiment),
        audits=audits(experiment),
        results=[  # what is remade by other code is recorded anew
            *[path for figure in SHOWN for path in figure.files().values()],
            *[table.file for table in TABLES.values()],
            *rules.claims.output,
            *rules.findings.output,
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
        experiment=experiment,
        code=code_of("report/provenance.py"),
        page=code_of("report/report.py"),
    message:
        "Record what the results can be traced to"
    script:
        "../scripts/report/provenance.py"


rule workflow_graph:
    input:
        rules.provenance.input.results,
        rules.provenance.output,
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
        graph=graph_before(workflow),
        code=code_of("report/workflow_graph.py"),
    message:
        "Draw the rules of this run"
    script:
        "../scripts/report/workflow_graph.py"


rule report:
    input:
        **{name: table.file for name, table in TABLES.items() if table.views},
        template=library_file("report/report.html.jinja"),
        style=library_file("report/report.css"),
        behaviour=library_file("report/report.js"),
        claims=rules.claims.output.claims,
        provenance=rules.provenance.output[0],
        workflow=rules.workflow_graph.output[0],
        images=[figure.files()["png"] for figure in SHOWN],
        data=[figure.files()["csv"] for figure in SHOWN],
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
        logs=experiment.pathvars.logs,
        code=code_of("report/report.py"),
    message:
        "Write the page to read: results/report.html"
    script:
        "../scripts/report/report.py"


rule figures:
    input:
        [path for figure in SHOWN for path in figure.files().values()],
    localrule: True
    message:
        "Every figure"


rule tables:
    input:
        [table.file for table in TABLES.values()],
        rules.claims.output,
    localrule: True
    message:
        "Every table"
