"""What gap counts, and where a search may end."""

GAP = 0.05  # nats; the paper's larger increases of the loss of small models are .05 to .07
LENIENT = 2 * GAP
STRICT = GAP / 2
ENOUGH = GAP / 10  # below it more dimensions are not tried
