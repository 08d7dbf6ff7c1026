"""Questions for a model that judges answers: from generations to prompts, with built-in templates."""

JUDGE_KINDS = ("pairwise", "rating")
