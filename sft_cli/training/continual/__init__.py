"""Ways of not forgetting that act on the training step: one file for each formula."""
