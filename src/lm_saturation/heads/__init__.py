"""LM heads of constrained rank on frozen trunks, and the theory of the softmax bottleneck."""
