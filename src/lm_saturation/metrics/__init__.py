"""The metrics of a checkpoint, one a file."""
