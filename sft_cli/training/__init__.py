"""The loop that serves `train` and `distill`."""
