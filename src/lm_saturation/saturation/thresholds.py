"""The thresholds by which metrics set in; docs/method/saturation.md has the definitions."""

WARM_UP_SHARE = 0.05  # of the steps, in which nothing but the loss is judged: metrics still leave their initial values
ENOUGH_DOCUMENTS = 200  # that the coverage of the interval of the loss increase was simulated with (docs/statistics.md)
ANISOTROPY_ONSET = 0.5  # mean cosine
ENTROPY_INCREASE = 0.1  # share of ln d; in the paper's Fig 5 small heads increase by .83 to .93 of it, large by .01
