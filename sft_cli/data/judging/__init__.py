"""Questions for a model that judges answers: from what `sft generate` wrote to prompts, and built-in templates."""
