"""N-gram counts, the matrix W of next-token distributions and its spectrum, Kneser–Ney models."""
