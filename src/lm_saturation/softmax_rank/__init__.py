"""What d dimensions must cost behind a softmax: the least loss of rank-d logits on given next-token laws."""
