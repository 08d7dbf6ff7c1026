"""Refusals, personal data, and words that an answer must not have, by lists and patterns."""
