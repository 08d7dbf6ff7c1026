"""The index: passages on disk, and for each word the passages that have it."""
