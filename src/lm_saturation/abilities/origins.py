"""Who trained and who evaluated the models of a suite, as the export of their scores says it."""

from dataclasses import dataclass

from lm_saturation.config.suites import HubSuite, Suite, TrainedSuite

OURS = "lm-saturation"


@dataclass(frozen=True)
class Origin:
    """What every_eval_ever asks of a suite, in its words."""

    collection: str  # of results that were made in the same way
    model_id: str  # owner/name, {model} for the name of the model
    organization: str  # that evaluated
    url: str  # of the organization; empty if there is none
    source_type: str  # evaluation_run, or documentation of which only scores are known
    relationship: str  # of those who evaluated to those who trained: first_party, third_party or other
    availability: str  # of the weights: open_weights or unknown
    corpus: str = ""  # that the tasks made here are made of
    library_version: str = "unknown"  # of lm-evaluation-harness


def _published(version: str) -> Origin:
    """Of EleutherAI's evaluations of Pythia; models of version 0 have that in their name on the hub."""
    return Origin(
        collection="pythia-evals",
        model_id="EleutherAI/pythia-{model}" + "-v0" * (version == "v0"),
        organization="EleutherAI",
        url="https://github.com/EleutherAI/pythia",
        source_type="documentation",
        relationship="first_party",
        availability="open_weights",
    )


PUBLISHED = {f"pythia-{version}": _published(version) for version in ("v0", "v1")}  # by suite of `ability_published`


def origin_of(name: str, suite: Suite) -> Origin:
    """Of a suite that is evaluated here; the version of the harness is known where it runs."""
    if isinstance(suite, HubSuite):
        model_id, relationship, availability = suite.repository, "third_party", "open_weights"
    else:
        owner, relationship = (OURS, "first_party") if isinstance(suite, TrainedSuite) else ("local", "other")
        model_id, availability = f"{owner}/{name}-{{model}}", "unknown"
    return Origin(OURS, model_id, OURS, "", "evaluation_run", relationship, availability, suite.corpus)
