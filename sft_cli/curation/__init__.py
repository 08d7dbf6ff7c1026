"""Which rows to keep: rows of a test among those of a training, and how the texts match."""
