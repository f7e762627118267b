"""What softmax does not see of an LM head and the states that it reads: produced, measured and removed at will."""
