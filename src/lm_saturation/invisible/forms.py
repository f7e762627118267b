"""The forms that a head and its states are given, by name, and the precisions that their logits are rounded to."""

AS_TRAINED, PRODUCED, LOUD, CENTRED = "as_trained", "produced", "produced_loud", "centred"
CANONICAL, CANONICAL_AS_TRAINED, MOVED, CUT, OFFSET = "canonical", "canonical_as_trained", "moved", "cut", "offset"
HALVES = ("bfloat16", "float16")
