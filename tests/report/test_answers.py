"""The sentences that the page begins with, on evidence of each kind."""

import pandas as pd
import pytest

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import CONTRADICTED, IN_PART, INCONCLUSIVE, NOT_TESTED, PUBLISHED, REPRODUCED
from lm_saturation.evidence.pythia_seeds import seed_runs
from lm_saturation.evidence.rounding import rounding_pairs
from lm_saturation.report.answers import answers
from tests.conftest import RESOURCES
from tests.report.judging import empty

SEEDS = seed_runs(pd.read_csv(RESOURCES / "pythia_seeds.csv.xz"))
PAIRS = rounding_pairs(pd.read_csv(RESOURCES / "output_embeddings.csv"))


def claims(verdict, curves=10, agreeing=4):
    """claims.csv with the same verdict everywhere."""
    numbers = {
        "curves": curves,
        "agreeing": agreeing,
        "contradicting": 0,
        "ours": 0.8,
        "ours_low": 0.7,
        "ours_high": 0.9,
    }
    return pd.DataFrame(
        [
            {"claim": name, "source": source, "verdict": claim.called(verdict), **numbers}
            for name, claim in CLAIMS.items()
            for source in claim.sources()
        ]
    )


@pytest.mark.parametrize(
    ("verdict", "lead", "width"),
    [
        (REPRODUCED, "Yes: 4 of 10 published", "is necessary"),
        (IN_PART, "In part: 4 of 10 published", "may be necessary (in part)"),
        (CONTRADICTED, "No: 4 of 10 published", "may be necessary (contradicted)"),
        (INCONCLUSIVE, "It is open: 4 of 10 published", "may be necessary (inconclusive)"),
    ],
)
def test_sentences_follow_the_verdicts(verdict, lead, width):
    happens, whom, by_width, head, rounding, todo = answers(claims(verdict), SEEDS, PAIRS)
    assert happens.text.startswith(lead)
    assert "14M 11 of 11, 70M 10 of 11, 160M 5 of 10, 410M 2 of 5 (spikes" in whom.text
    assert "the paper's run of 160M is the worst" in whom.text
    assert width in by_width.text
    assert "4 of 10" in head.text
    assert "0.8 (0.7 to 0.9)" in rounding.text
    assert "33 of 35 pairs fit" in rounding.text
    assert "unigram" in todo.text


def test_missing_evidence_is_said():
    missing = claims(NOT_TESTED, curves=0, agreeing=0)
    texts = [answer.text for answer in answers(missing, empty("seed_runs"), empty("rounding_pairs"))]
    assert texts[0].startswith("Not tested on published trainings")
    assert "No model trained here saw enough tokens to tell." in texts[0]
    assert texts[1] == "Not tested: there are no published trainings by seed."
    assert texts[2] == ("A width below 1000 may be necessary (not tested here). It may be enough (not tested here).")
    assert "Whether a degenerate head costs loss by itself is not tested here." in texts[3]
    assert texts[4].startswith("Not tested")
    assert texts[5] == "Which warning to watch is not tested."
    assert "Yes" not in " ".join(texts)


def test_every_claim_that_is_linked_is_there():
    for answer in answers(claims(REPRODUCED), SEEDS, PAIRS):
        assert set(answer.claims) <= set(CLAIMS)
        assert answer.question.endswith("?")
    assert PUBLISHED in CLAIMS["unigram_text_tells"].evidence
