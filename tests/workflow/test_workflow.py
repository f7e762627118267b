"""The whole workflow on config/smoke.yaml: what comes out, and what runs again after which change."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE, NOT_TESTED, PAPER, PUBLISHED, SU
from lm_saturation.io.tables import read_csv, read_table
from lm_saturation_workflow.catalogue import FIGURES, SECTIONS, TABLES
from tests.conftest import ROOT, SMOKE, copy_results, results_of, snakemake

REPORT = {"provenance", "workflow_graph", "report", "all"}
OF_SECTION = {
    section.name: {figure.name for figure in section.figures} | {rule.name for rule in section.tables}
    for section in SECTIONS
}
OF_CONTROLS = {"figure_controls", "table_controls"}  # of suites of their own, also in the section on saturation
SCALING = ("figure_1b", "table_scaling")  # of the scaling law, in the section on saturation
BOUNDED = {"bottleneck_bound", "head_thresholds", "claims", *OF_SECTION["bottleneck"]}
SWEPT = {"head_rank_sweep", *BOUNDED}
OF_PUBLISHED = {"figure_natural_experiments"}  # evaluations alone, which no measurement changes
EMERGED = {"ability_emergence", *OF_SECTION["abilities"]} - OF_PUBLISHED
EVALUATED = {"ability_evaluation", "ability_saturation", *EMERGED}
SCALED = {"scaling_fit", *SCALING, *EMERGED}
MEASURED = {"checkpoint_metrics", "saturation", *OF_SECTION["saturation"], *SCALED}
TIED_INITIAL = {"claims", *OF_SECTION["tied"]} - {"figure_tied_saturation"}
TIED_TRAINED = {"tied_training", "tied_comparison", "figure_tied_saturation", *TIED_INITIAL}
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
NEEDED = {"figure_softmax_rank", "table_softmax_rank"}  # what a softmax needs
OF_LANGUAGES = {"softmax_rank_languages", "softmax_rank_transformers"}
MINIATURE = {"figure_miniature", "table_saturation_search"}
COMPARED = {"figure_head_or_trunk", "table_head_or_trunk"}  # heads of low rank beside narrow models
HALVES = {"offset_training", "table_half_precision", "figure_half_precision"}
UNSEEN = OF_SECTION["causes"] - NEEDED - COMPARED - MINIATURE - HALVES  # what softmax does not see
FACTORIAL = {"head_or_trunk_rates", "head_or_trunk", "claims", *COMPARED}
CHANGED = {"offset_intervention", *UNSEEN}
CONTROLS = {"figure_7_controls", "table_7_controls"}
SMOOTHED = {"ngram_language_model", "ngram_smoothed_spectrum"}


@pytest.fixture(scope="module")
def finished(undisturbed, tmp_path_factory):
    """A copy of the project in which the smoke configuration has been run."""
    project = tmp_path_factory.mktemp("workflow") / "project"
    shutil.copytree(undisturbed, project)
    return project


def would_run(project, *arguments):
    """The rules that a dry run says it would run, and how often."""
    output = snakemake(project, "--cores", "2", "--dry-run", *arguments)
    jobs = output.split("Job stats:")[1].split("\n\n")[0] if "Job stats:" in output else ""
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", jobs, re.MULTILINE) if name != "total"}


def edited(project, tmp_path, path, value):
    """The smoke configuration with one key changed, as another file."""
    config = yaml.safe_load((project / "config" / "smoke.yaml").read_text())
    *parents, last = path.split("/")
    place = config
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = value
    (tmp_path / "edited.yaml").write_text(yaml.safe_dump(config))
    return ["--configfile", str(tmp_path / "edited.yaml")]


def test_every_output_is_there(finished):
    results = finished / "results" / "smoke"
    for figure in FIGURES:
        for kind in ("pdf", "png"):
            assert (results / "figures" / f"{figure}.{kind}").stat().st_size > 5000
        assert len(pd.read_csv(results / "figures" / f"{figure}.csv")) > 0, figure
    for name, table in TABLES.items():
        read_csv(table.schema, results / "tables" / f"{name}.csv")
    claims = read_csv("claims", results / "claims.csv")
    assert claims.claim.drop_duplicates().tolist() == list(CLAIMS)
    assert len(read_csv("claim_curves", results / "claim_curves.csv")) == claims.curves.sum()
    assert (
        read_csv("table_tied_training", results / "tables" / "tied_training.csv").remedy.tolist()
        == [
            "plain",
            "scaled",
            "swap",
        ]
        * 2
    )  # with residual branches from 0 and from 1
    controls = read_csv("table_controls", results / "tables" / "controls.csv")
    assert controls.set_index("control").as_expected.to_dict() == {"positive": 1, "negative": 1}
    assert read_csv("table_saturation", results / "tables" / "saturation.csv").suite.unique().tolist() == ["tiny"]
    verdicts = {source: group.set_index("claim").verdict for source, group in claims.groupby("source")}
    here = verdicts[HERE]
    tied = here[[name for name, claim in CLAIMS.items() if claim.paper == SU]]
    untested = tied[tied == NOT_TESTED].index.tolist()
    ends = ["remedies_end_alike", "remedies_gain_nothing", "remedies_end_alike_without_the_premise"]
    assert untested == ["other_remedies_converge_alike", *ends]
    assert here["gap_is_order_epsilon"] == "reproduced"
    assert here["small_models_saturate"] == NOT_TESTED  # far too short a training
    assert NOT_TESTED not in set(verdicts[PAPER])
    assert verdicts[PUBLISHED]["small_models_saturate"] == "in part"
    assert verdicts[PUBLISHED]["narrow_models_saturate"] == "in part"
    table = pd.read_csv(results / "tables" / "table_7.csv")
    assert len(table[table.source == "ours"]) == 4
    assert len(table[table.source == "paper"]) == 6
    provenance = json.loads((results / "provenance.json").read_text())
    assert provenance["config"]["ngrams"]["sample_size"] == 5000
    assert provenance["packages"]["snakemake"].startswith("9.")
    hashes = [record["sha256"] for path, record in provenance["inputs"].items() if "/tokenizers/" not in path]
    assert len(hashes) == 6
    assert all(len(sha256) == 64 for sha256 in hashes)
    page = (results / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r"""(src|href)=["']https?:""", page)


def test_every_job_leaves_a_log_and_a_time(finished):
    logs = finished / "logs" / "smoke"
    names = {path.relative_to(logs).with_suffix("") for path in logs.rglob("*.log")}
    assert len(names) == 162
    assert {path.relative_to(logs).with_suffix("") for path in logs.rglob("*.tsv")} == names


def test_tables_agree_with_each_other(finished):
    sample = finished / "results" / "smoke" / "ngrams" / "python-docs" / "bpe-1k" / "5" / "5000"
    summary = read_table("ngram_summary", sample / "ngram_summary.parquet").to_pandas()
    spectrum = read_table("ngram_spectrum", sample / "ngram_spectrum.parquet").to_pandas()
    keys = ["seed", "weighting", "min_count"]
    squares = (spectrum.singular_value**2).groupby([spectrum[key] for key in keys], observed=True).sum()
    norms = summary.set_index(keys).frobenius_norm ** 2
    pd.testing.assert_series_equal(squares.sort_index(), norms.sort_index(), check_names=False, check_index_type=False)
    assert summary.seed.unique().tolist() == [0, 1]


def test_nothing_runs_again(finished):
    assert would_run(finished, *SMOKE) == {}


def test_the_gpu_profile_moves_what_can_run_on_one(finished):
    again = would_run(finished, "--workflow-profile", "profiles/gpu", *SMOKE)
    assert {"checkpoint_metrics", "head_states", "head_rank_sweep", "bottleneck_bound", "ngram_spectrum"} <= set(again)
    assert not {"corpus", "tokens", "ngram_counts", "checkpoint_train"} & set(again)


def test_a_fresh_clone_runs_nothing_again(finished):
    for path in finished.rglob("*"):
        if path.is_file() and not {"results", "logs", ".snakemake"} & set(path.parts):
            path.touch()
    assert would_run(finished, *SMOKE) == {}


@pytest.mark.parametrize(
    ("path", "value", "rules"),
    [
        ("report/palette", "tab10", {name for name, figure in FIGURES.items() if figure.palette}),
        ("report/published", {"words": "pythia"}, {"figure_7"}),
        (
            "ngrams/min_counts",
            [3],
            {"ngram_spectrum", "figure_7", "table_7", "claims", *CONTROLS, *NEEDED},
        ),
        ("ngrams/controls/sample_sizes", [1000], {"claims", *CONTROLS}),
        (
            "held_out/share",
            0.1,
            {
                *CONTROLS,
                *SMOOTHED,
                "softmax_rank",  # a Kneser–Ney model's laws
                *NEEDED,
                "table_language_models",
                "checkpoint_train",
                *MEASURED,
                "ability_tasks",
                *EVALUATED,
                "head_states",
                *SWEPT,
                *TIED_TRAINED,
                *CHANGED,
                *HALVES,
                *FACTORIAL,
                "saturation_search",
                *MINIATURE,
            },
        ),
        ("metrics/tokens", 900, {"claims", *MEASURED, *FACTORIAL}),
        ("metrics/batch_size", 8, {"claims", *MEASURED, *CHANGED, *HALVES, *FACTORIAL}),
        ("metrics/memory_mb", 3000, set()),
        (
            "suites/tiny/models/d16/learning_rate",
            0.02,
            {"claims", "checkpoint_train", *MEASURED, *EVALUATED, *CHANGED, *HALVES, *FACTORIAL} - OF_CONTROLS,
        ),
        (
            "suites/tiny-positive/later_corpus/after",
            0.4,
            {"checkpoint_train", "checkpoint_metrics", "saturation", *OF_CONTROLS},
        ),
        ("scaling/bootstraps", 11, {*SCALED, "claims"}),
        ("abilities/items", 13, {"claims", "ability_tasks", *EVALUATED}),
        ("abilities/num_fewshot", [0], {"claims", *EVALUATED}),
        ("abilities/bootstraps", 11, {"claims", *EMERGED}),
        ("abilities/memory_mb", 3000, set()),
        ("heads/learning_rates", [0.01], SWEPT),
        ("heads/held_out_tokens", 600, {"head_states", *SWEPT}),
        ("heads/refit_iterations", 6, BOUNDED),
        ("heads/memory_mb", 3000, set()),
        ("tied/initial/rows", 30, {"tied_initial_loss", *TIED_INITIAL}),
        ("tied/models/seed", 1, {"tied_models", *TIED_INITIAL}),
        ("tied/training/self_logit", 2.0, TIED_TRAINED),
        ("tied/memory_mb", 3000, set()),
        ("causes/contexts", 15, {"softmax_rank", "claims", *NEEDED}),
        ("causes/smoothed/dimensions", [1], {"softmax_rank", "claims", *NEEDED}),
        ("causes/languages/ranks", [2], {*OF_LANGUAGES, "claims", *NEEDED}),
        ("causes/languages/transformers/steps", 6, {"softmax_rank_transformers", "claims", *NEEDED}),
        ("causes/intervention/offsets", [8.0], {"claims", *CHANGED}),
        ("causes/training/steps", 9, {"claims", *HALVES}),
        ("causes/head_or_trunk/steps", 4, FACTORIAL),
        ("causes/head_or_trunk/seeds", [0, 1], FACTORIAL - {"head_or_trunk_rates"}),
        ("causes/search/checkpoints", 12, {"saturation_search", "claims", *MINIATURE}),
        ("causes/memory_mb", 3000, set()),
        ("ngrams/memory_mb", 5000, set()),
        ("ngrams/threads", 2, set()),
    ],
)
def test_an_edit_runs_only_what_it_must(finished, tmp_path, path, value, rules):
    findings = {"findings"} if "claims" in rules else set()  # they quote the claims
    assert set(would_run(finished, *edited(finished, tmp_path, path, value))) == rules | findings | REPORT


def test_another_sample_size_counts_again_but_reads_no_text(finished, tmp_path):
    rerun = would_run(finished, *edited(finished, tmp_path, "ngrams/sample_size", 4000))
    assert not {"corpus", "tokenizer", "tokens"} & set(rerun)
    # at the new size two tokenizers and two corpora, and for one tokenizer three more orders; at the old size only the
    # first seed is left for the controls
    assert rerun["ngram_counts"] == rerun["ngram_spectrum"] == 4 + 6 + 2


def test_another_vocabulary_touches_one_tokenizer(finished, tmp_path):
    rerun = would_run(finished, *edited(finished, tmp_path, "tokenizers/words/vocabulary_size", 900))
    assert (rerun["tokenizer"], rerun["tokens"], rerun["ngram_counts"]) == (1, 2, 2)
    assert "figure_7_controls" not in rerun


def test_comments_run_nothing_and_formulas_what_depends_on_them(finished, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    module = project / "src" / "lm_saturation" / "ngrams" / "spectrum.py"
    text = module.read_text()
    module.write_text(text.replace('"""The singular', '"""All the singular') + "\n# a remark\n")
    assert would_run(project, *SMOKE) == {}
    formula = "return upper_bound(singular_values**2)"
    assert formula in text
    module.write_text(text.replace(formula, f"{formula} * 1"))
    rerun = would_run(project, *SMOKE)
    assert rerun["ngram_spectrum"] == 14
    assert rerun["ngram_smoothed_spectrum"] == 2
    assert rerun["provenance"] == 1  # which names the commit
    assert not {"corpus", "tokens", "ngram_counts", "ngram_matrix"} & set(rerun)


def test_a_changed_text_file_is_read_again(project, tmp_path):
    (project / "mine").mkdir()
    text = project / "mine" / "a.txt"
    text.write_text("one two three four five six seven " * 40)
    config = edited(project, tmp_path, "corpora/mine", {"source": "local", "paths": ["mine"]})
    target = "results/smoke/corpus/text/mine/0.json"
    snakemake(project, "--cores", "1", target, *config)
    assert json.loads((project / target).read_text())["files"][0]["name"] == "mine/a.txt"
    assert would_run(project, target, *config) == {}
    text.write_text("other words " * 40)
    assert would_run(project, target, *config) == {"corpus": 1}
    (project / "mine" / "b.txt").write_text("more")
    assert would_run(project, target, *config) == {"corpus": 1}


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("ngrams/sampel_size", 5, "config: ngrams.sampel_size: unknown key, did you mean sample_size?; allowed: "),
        ("ngrams/corpora", ["python-doc"], "config: ngrams.corpora names 'python-doc', did you mean python-docs?; "),
    ],
)
def test_a_wrong_config_stops_with_one_line(project, tmp_path, path, value, line):
    output = snakemake(project, "--cores", "1", *edited(project, tmp_path, path, value), check=False)
    assert output.rstrip().splitlines()[-1].startswith(line)
    assert output.count("config: ") == 1
    assert "Traceback" not in output
    assert not (project / "results").exists()


def test_one_bad_corpus_stops_only_itself(project, tmp_path):
    (project / "bad.txt").write_bytes(b"abc\xff")
    config = edited(project, tmp_path, "corpora/bad", {"source": "local", "paths": ["bad.txt"]})
    targets = [f"results/smoke/corpus/text/{name}/0.json" for name in ("bad", "synthetic")]
    output = snakemake(project, "--cores", "1", *targets, *config, check=False)
    assert "error: bad.txt: byte 3 is not utf-8 text; name the file's `encoding`" in output
    assert (project / targets[1]).exists()
    assert not (project / targets[0]).exists()
    assert "Traceback" not in (project / "logs/smoke/corpus/corpus/bad/0.log").read_text()


def test_killed_and_started_again_gives_the_same_bytes(finished, tmp_path):
    """Twice, as it begins and in the midst of jobs, in the stages that tests/faults/test_kills.py leaves out."""
    project = copy_results(finished, tmp_path / "project", "corpus", "ngrams", "checkpoints", "metrics")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *SMOKE]
    for seconds in (6, 25):
        with subprocess.Popen(
            command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as run:
            time.sleep(seconds)
            os.killpg(run.pid, signal.SIGKILL)
        snakemake(project, "--unlock", *SMOKE)
    snakemake(project, "--cores", "2", *SMOKE)
    undisturbed, resumed = results_of(finished), results_of(project)
    assert set(resumed) == set(undisturbed)
    assert [name for name in resumed if resumed[name] != undisturbed[name]] == []


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_damaged_results_are_noticed_by_the_next_reader(finished, tmp_path, damage):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    tokens = project / "results" / "smoke" / "corpus" / "tokens" / "python-docs" / "words" / "0.bin"
    data = bytearray(tokens.read_bytes())
    data[10] ^= 1
    tokens.write_bytes(data if damage == "flip" else data[:-2])
    output = snakemake(project, "--cores", "1", "-R", "ngram_counts", "--until", "ngram_counts", *SMOKE, check=False)
    assert re.search(r"error: results/smoke/corpus/tokens/python-docs/words/0\.bin: .*delete it and run again", output)


def test_targets_by_name_read_as_documentation(finished):
    listed = snakemake(finished, "--list")
    rules = dict(re.findall(r"^(\w+)(?: \((.+)\))?$", listed, re.MULTILINE))
    targets = {"all", "figures", "tables", "claims", "report", *FIGURES}
    assert {*targets, "ngram_spectrum"} <= set(rules)
    assert [name for name, line in rules.items() if not line or "wildcards." in line] == []
    planned = would_run(finished, *targets, *SMOKE, "--force")
    assert targets <= set(planned)


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_only_what_exists(finished, page):
    text = (finished / page).read_text()
    named = set(re.findall(r"`((?:config|docs|scripts|rules|resources|benchmarks)/[\w./-]+\.\w+)`", text))
    if page == "docs/extending.md":  # whose files its reader makes, as tests/workflow/test_extending.py does
        named = set()
    links = set(re.findall(r"\]\(([\w./-]+)\)", text))
    assert [path for path in named if not (finished / path).exists() and "_x" not in path] == []
    assert [path for path in links if not ((finished / page).parent / path).exists()] == []
