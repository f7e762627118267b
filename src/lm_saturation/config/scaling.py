"""Options of stage scaling: the scaling law, figure 1b."""

from typing import Annotated

from pydantic import Field

from lm_saturation.options import AnyNames, Section, option


class ScalingOptions(Section):
    """What is fitted."""

    fit_from: dict[str, Annotated[int, Field(ge=0)]] = option(
        {}, "SUITE: minimum parameters of the models that the law with held constants is fitted to; 0 if not named"
    )
    bootstraps: int = option(200, "bootstrap samples for intervals; from 2", ge=2)


class ScalingConfig(ScalingOptions):
    """The scaling law."""

    suites: AnyNames = option(
        ["mini"], "suites whose losses the law is fitted to, beside the paper's own points; [] for none"
    )
    threads: int = option(2, "threads of the job; changes no number", ge=1)
