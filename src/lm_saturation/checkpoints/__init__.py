"""Checkpoints on the hub and on disk: which there are, which files hold their weights, and the model in one."""
