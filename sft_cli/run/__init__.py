"""Plumbing of every command, on the standard library alone."""
