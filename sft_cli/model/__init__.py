"""A checkpoint in, tensors out: loading, encoding, attention, the output head, saving."""
