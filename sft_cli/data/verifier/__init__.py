"""Questions for a model that verifies: does the evidence support the claim? Prompts, labels, and rows to train it."""
