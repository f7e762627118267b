# Figures and tables of abilities: table 1, natural experiments, ability against loss.


ASKED = config["abilities"]["suites"]
ASKED_NAMES = {model: name for model, name in hub_names(config).items() if model.split("/")[0] in ASKED}
FIGURES += ["figure_natural_experiments", "figure_emergence", "figure_equal_loss"]


rule table_1:
    input:
        published=rules.ability_published.output[0],
        scores=ability_tables(config, "ability_scores"),
        points=rules.ability_emergence.output.emergence_points,
        printed=project_file("resources/table_1_published.csv"),
    output:
        report(
            ensure("<results>/tables/table_1.csv", non_empty=True),
            caption="../../scripts/report/captions/table_1.rst",
            category="Abilities",
        ),
    log:
        "<logs>/report/table_1.log",
    benchmark:
        "<logs>/report/table_1.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        names=ASKED_NAMES,
        code=code_of("report/table_1.py"),
    message:
        "Write table 1: best and final checkpoint of Pythia-160M"
    script:
        "../../scripts/report/table_1.py"


rule table_abilities:
    input:
        ability_saturation=rules.ability_saturation.output[0],
        emergence_fits=rules.ability_emergence.output.emergence_fits,
        emergence_sizes=rules.ability_emergence.output.emergence_sizes,
        equal_loss=rules.ability_emergence.output.equal_loss,
    output:
        ability_saturation=report(
            ensure("<results>/tables/ability_saturation.csv", non_empty=True),
            caption="../../scripts/report/captions/table_ability_saturation.rst",
            category="Abilities",
        ),
        emergence_fits=report(
            ensure("<results>/tables/emergence_fits.csv", non_empty=True),
            caption="../../scripts/report/captions/table_emergence_fits.rst",
            category="Abilities",
        ),
        emergence_sizes=report(
            ensure("<results>/tables/emergence_sizes.csv", non_empty=True),
            caption="../../scripts/report/captions/table_emergence_sizes.rst",
            category="Abilities",
        ),
        equal_loss=report(
            ensure("<results>/tables/equal_loss.csv", non_empty=True),
            caption="../../scripts/report/captions/table_equal_loss.rst",
            category="Abilities",
        ),
    log:
        "<logs>/report/table_abilities.log",
    benchmark:
        "<logs>/report/table_abilities.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code_of("report/table_abilities.py"),
    message:
        "Write abilities in numbers"
    script:
        "../../scripts/report/table_abilities.py"


rule figure_natural_experiments:
    input:
        rules.ability_published.output[0],
    output:
        pdf=ensure("<results>/figures/figure_natural_experiments.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_natural_experiments.png", non_empty=True),
            caption="../../scripts/report/captions/figure_natural_experiments.rst",
            category="Abilities",
        ),
        csv=ensure("<results>/figures/figure_natural_experiments.csv", non_empty=True),
    log:
        "<logs>/report/figure_natural_experiments.log",
    benchmark:
        "<logs>/report/figure_natural_experiments.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_natural_experiments.py"),
    message:
        "Draw the natural experiments: same width, other optimisation"
    script:
        "../../scripts/report/figure_natural_experiments.py"


rule figure_emergence:
    input:
        points=rules.ability_emergence.output.emergence_points,
        fits=rules.ability_emergence.output.emergence_fits,
    output:
        pdf=ensure("<results>/figures/figure_emergence.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_emergence.png", non_empty=True),
            caption="../../scripts/report/captions/figure_emergence.rst",
            category="Abilities",
        ),
        csv=ensure("<results>/figures/figure_emergence.csv", non_empty=True),
    log:
        "<logs>/report/figure_emergence.log",
    benchmark:
        "<logs>/report/figure_emergence.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_emergence.py"),
    message:
        "Draw ability against loss"
    script:
        "../../scripts/report/figure_emergence.py"


rule figure_equal_loss:
    input:
        emergence_points=rules.ability_emergence.output.emergence_points,
        equal_loss=rules.ability_emergence.output.equal_loss,
        ability_saturation=rules.ability_saturation.output[0],
    output:
        pdf=ensure("<results>/figures/figure_equal_loss.pdf", non_empty=True),
        png=report(
            ensure("<results>/figures/figure_equal_loss.png", non_empty=True),
            caption="../../scripts/report/captions/figure_equal_loss.rst",
            category="Abilities",
        ),
        csv=ensure("<results>/figures/figure_equal_loss.csv", non_empty=True),
    log:
        "<logs>/report/figure_equal_loss.log",
    benchmark:
        "<logs>/report/figure_equal_loss.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        palette=lookup(within=config, dpath="report/palette"),
        code=code_of("report/figure_equal_loss.py"),
    message:
        "Draw ability at equal loss, before and after saturation"
    script:
        "../../scripts/report/figure_equal_loss.py"
