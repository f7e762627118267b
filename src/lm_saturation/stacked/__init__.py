"""Many tiny models of one shape trained at once: their weights stacked, each with its own text order and recipe."""
