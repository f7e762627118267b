"""Intervals, and tests that are free of the choice of the best step."""
