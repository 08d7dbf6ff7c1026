"""Answers with evidence: passages for prompts, and checks of answers against sources."""
