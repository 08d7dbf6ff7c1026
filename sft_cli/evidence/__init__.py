"""Answers with evidence: what a text claims, which facts its claims have, and what passages say of them."""
