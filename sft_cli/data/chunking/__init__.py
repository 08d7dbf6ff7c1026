"""From documents to passages: blocks, sentences, chunks; `sft prep` and `sft retrieve` cut by the same rules."""
