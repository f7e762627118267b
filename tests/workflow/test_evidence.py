"""make evidence: what is published and nothing trained, to the page."""

import pandas as pd

from lm_saturation.claims.base import HERE, NOT_TESTED, PAPER, SOURCES
from lm_saturation.io.tables import read_csv
from tests.conftest import snakemake


def test_published_numbers_alone_give_figures_and_verdicts(project):
    snakemake(project, "--cores", "2", "--configfile", "config/evidence.yaml")
    results = project / "results" / "evidence"
    assert not any((results / name).exists() for name in ("checkpoints", "metrics", "corpus", "ngrams"))
    claims = read_csv("claims", results / "claims.csv")
    tested = claims[claims.curves > 0]
    assert set(tested.source) == set(SOURCES)
    assert tested[tested.source == HERE].claim.tolist() == ["gap_is_order_epsilon"]  # problems that are solved here
    assert NOT_TESTED not in set(claims[claims.source == PAPER].verdict)
    seeds = pd.read_csv(results / "figures" / "figure_seeds.csv")
    assert seeds[["size", "seed"]].drop_duplicates().shape[0] == 42
    page = (results / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(list((results / "figures").glob("*.png")))
    assert (results / "summary.txt").read_text(encoding="utf-8").count("✓") > 10
