"""Facts of a text, one file for each kind, and the check of a claim against passages."""
