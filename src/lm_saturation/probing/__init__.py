"""The metrics for someone who trains a model: readings with their place among published models."""
