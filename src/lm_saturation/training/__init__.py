"""Training of models and LM heads: Pythia's architecture and recipe, batches, resumable runs."""
