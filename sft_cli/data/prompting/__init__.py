"""How rows become prompts: templates (built in or from a file), and worked examples before the question."""

# The answer that each built-in template requests. Its text is in NAME.LANGUAGE.j2 beside this file.
TEMPLATES = {
    "context-only": "an answer only from the row's `context`, or “I don't know”",
    "grounded": "an answer only from the passages of sft retrieve, or “I don't know”",
    "cited": "the same, with the number of the passage, [1], after each sentence",
    "evidence": "JSON with an answer from the row's `context` and the quotes that support it",
    "role": "the answer of an expert: the row's `role`, or an expert in the subject of the question",
    "chain-of-thought": "steps of thought, then `Answer: …` on a separate line",
    "plan-first": "a short plan, then the answer by this plan after `Answer:`",
    "decompose": "smaller questions and their answers, then `Answer: …` on a separate line",
    "ask-back": "a question back if the question can mean several things, otherwise the answer",
    "direct": "only the answer, without explanation",
}
