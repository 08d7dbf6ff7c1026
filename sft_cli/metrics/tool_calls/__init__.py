"""Calls of tools: the forms in which models write them, what is expected of them, and the metric."""
