"""How rows are asked: prompt templates, built-in or one's own, and worked examples before the question."""

# What each built-in template asks for. Its text is NAME.LANGUAGE.j2 beside this file.
TEMPLATES = {
    "context-only": "an answer from the row's `context` alone, or “I don't know”",
    "evidence": "JSON with an answer from the row's `context` and the quotes that support it",
    "role": "an answer as an expert gives it: the row's `role`, or an expert of the question's field",
    "chain-of-thought": "steps of thought, then `Answer: …` on a line of its own",
    "direct": "the answer alone, without explanation",
}
