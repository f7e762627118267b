"""What the papers claim, what this project asks, and the verdicts: a module per section, in the order of claims.csv."""

# Each declares its claims when it is imported.
# isort: off
from lm_saturation.claims import saturation as saturation
from lm_saturation.claims import evidence as evidence
from lm_saturation.claims import scaling as scaling
from lm_saturation.claims import abilities as abilities
from lm_saturation.claims import heads as heads
from lm_saturation.claims import ngrams as ngrams
from lm_saturation.claims import tied as tied
from lm_saturation.claims import real as real
from lm_saturation.claims import causes as causes
from lm_saturation.claims import half_precision as half_precision
from lm_saturation.claims import head_or_trunk as head_or_trunk
from lm_saturation.claims import miniature as miniature

# isort: on
from lm_saturation.claims.base import CLAIMS, SOURCES, Claim, Context

__all__ = ["CLAIMS", "SOURCES", "Claim", "Context"]
