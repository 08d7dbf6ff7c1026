"""Named decoding settings, for `sft generate --preset`."""

from __future__ import annotations

GREEDY: dict[str, float] = {
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}
# Each preset sets every value that a checkpoint's generation_config may change, except lengths.
PRESETS: dict[str, dict[str, float]] = {
    # Greedy, because random draws make more factual errors (Lee et al. 2022, "Factuality enhanced language models for
    # open-ended text generation", §4). No guard against loops: an n-gram block (Paulus et al. 2018, "A deep reinforced
    # model for abstractive summarization", §2.5) puts other words into a repeated statement. With one of 12 tokens no
    # more claims were supported: 0.79, without it 0.85 (12 questions, docs/log.md).
    "factual": GREEDY,
    # Nguyen et al. 2024, "Turning up the heat: min-p sampling for creative and coherent LLM outputs": 0.05 to 0.1.
    "diverse": {**GREEDY, "temperature": 1.0, "min_p": 0.1},
    "deterministic": GREEDY,
}
