"""Running a model: the sample it reads, the hidden states of its trunk, the logits of its head."""
