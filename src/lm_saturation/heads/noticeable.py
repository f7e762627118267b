"""What the paper judges heads by: its initialisation, and when a loss counts as noticeably higher."""

PAPER_INITIALISATION = "normal"  # entries N(0, 1)
NOTICEABLE = 0.05  # nats above the loss of the full rank: what can be seen in Fig 6b
LEVELS = (0.02, NOTICEABLE, 0.1, 0.2)  # nats, at which the table has where the loss becomes noticeable
HALF, TWICE = LEVELS[0], LEVELS[2]  # the levels beside it that verdicts are shown at
