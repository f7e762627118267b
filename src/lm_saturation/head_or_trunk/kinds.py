"""The kinds of models that are compared, as the column `cell` of the table `head_or_trunk` names them."""

WIDE = "wide"  # wide trunk, full head
LOW_RANK = "low_rank"  # wide trunk, W = AB of rank r
NARROW = "narrow"  # a model of width r, with a full head
