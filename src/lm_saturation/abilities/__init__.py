"""Abilities of checkpoints: evaluations by lm-evaluation-harness, abilities that are lost, and ability against loss."""
