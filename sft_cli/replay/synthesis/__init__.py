"""Rows of old tasks that a model writes: its prompts, the reading of its text, and the filters."""
