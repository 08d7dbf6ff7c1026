"""From a checkpoint to tensors: loading, encoding, attention, the output head, saving."""
