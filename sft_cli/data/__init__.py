"""Rows: reading, checking, converting, splitting, selecting. No torch."""
