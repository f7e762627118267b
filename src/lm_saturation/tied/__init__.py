"""Tied embeddings: their high initial loss, and remedies for it (Su 2023)."""
