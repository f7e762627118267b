"""What may import what, and that rules and scripts go by the same names."""

from tests.conftest import ROOT
from tests.imports import imports, modules
from tests.rules import rules, script_of

SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))
LIBRARY = modules("lm_saturation")
ABOVE = {"snakemake", "lm_saturation_workflow", "snakemake_logger_plugin_saturation", "scripts", "tests"}

# The parts of lm_saturation: sub-packages, and modules beside them. Each may import those of the lines above its own.
LAYERS = """
discovery errors statistics
devices io options
inference jobs text
tied.remedies
config
checkpoints
metrics ngrams saturation scaling training
abilities heads in_memory softmax_rank stacked tied
evidence
head_or_trunk invisible miniature
claims figures
probing report
"""
# Remedies, whose names the configuration allows; the rest of tied is above both.
REMEDIES = {f"lm_saturation.tied.{name}" for name in ("remedies", "formulas", "maps")}
LEVEL = {part: level for level, line in enumerate(LAYERS.strip().splitlines()) for part in line.split()}


def part_of(module):
    """The part of lm_saturation that a module belongs to; None for lm_saturation itself."""
    if module in REMEDIES:
        return "tied.remedies"
    return [*module.split("."), None][1]


def wrong(files, allowed):
    """Which of these files, by name, import what, where that is not allowed."""
    found = {name: {module for module in imports(file) if not allowed(name, module)} for name, file in files.items()}
    return {name: modules for name, modules in found.items() if modules}


def test_no_script_imports_a_script():
    names = {"scripts", *(path.stem for path in SCRIPTS)}
    assert wrong({path.stem: path for path in SCRIPTS}, lambda _, module: module.split(".")[0] not in names) == {}


def test_the_library_imports_nothing_of_the_workflow():
    assert wrong(LIBRARY, lambda _, module: module.split(".")[0] not in ABOVE) == {}


def test_imports_within_the_library_point_one_way():
    def allowed(name, module):
        part, other = part_of(name), part_of(module)
        inside = module.split(".")[0] == "lm_saturation"
        return not inside or part in (None, other) or LEVEL[other] < LEVEL[part]

    assert wrong(LIBRARY, allowed) == {}


def test_every_part_has_a_layer():
    assert {part_of(module) for module in LIBRARY} - {None} == set(LEVEL)


def test_a_rule_has_a_script_of_its_name():
    scripts = {rule.name: script_of(rule) for rule in rules().values() if rule.script}
    shared = {"corpus_hub": "corpus", "tokenizer_hub": "tokenizer"}  # `use rule corpus as corpus_hub`
    for name, script in scripts.items():
        assert script.stem == shared.get(name, name)
    assert set(scripts.values()) == set(SCRIPTS)


def test_a_script_lies_in_the_folder_of_its_rules_stage():
    for rule in rules().values():
        if rule.script:
            assert script_of(rule).parent.name == str(rule.snakefile).rsplit("/", 1)[-1].removesuffix(".smk")


def test_rules_without_a_script_do_no_work():
    assert {name for name, rule in rules().items() if not rule.script} == {"all", "figures", "tables", "download_slot"}
