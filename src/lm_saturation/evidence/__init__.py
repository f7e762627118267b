"""Published evidence: the papers' own curves."""
