"""When the metrics of a training run set in."""
