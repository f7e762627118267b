"""A search for saturation in miniature: tiny models trained on far more tokens than parameters, many at once."""
