"""Several processes that train together: who they are, how they share a batch and how they split the weights."""
