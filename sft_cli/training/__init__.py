"""The training loop of `train` and `distill`."""
