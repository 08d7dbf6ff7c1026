"""Statistics and tables."""
