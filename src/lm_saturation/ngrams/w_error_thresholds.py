"""The paper's statements about W-error, in numbers."""

HALF = 0.5
HALVES_AT = (1_000, 2_000)  # "W-error halves at 1000-2000 dimensions"
NEGLIGIBLE = 0.05  # the paper names no number; its six curves pass this between d = 8,000 and 14,000
LENIENT = 2 * NEGLIGIBLE
STRICT = NEGLIGIBLE / 2
NEGLIGIBLE_AT = (10_000, 15_000)  # "becomes negligible after 10,000-15,000"
