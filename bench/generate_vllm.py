"""vLLM's offline batch, greedy: prints one JSON line. Run by bench/generate.py in vLLM's own environment."""

from __future__ import annotations

import argparse
import json
import resource
import time


def main() -> None:
    """Write completions of all prompts; the clock starts when the engine has started and written one completion."""
    from vllm import LLM, SamplingParams

    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("--new-tokens", type=int, default=128)
    given = parser.parse_args()
    with open(given.prompts, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source]
    engine = LLM(given.model, dtype="bfloat16", enforce_eager=True, max_model_len=2048)
    greedy = SamplingParams(temperature=0, max_tokens=given.new_tokens)
    engine.chat([rows[0]["messages"]], SamplingParams(temperature=0, max_tokens=1), use_tqdm=False)
    begun = time.perf_counter()
    outputs = engine.chat([row["messages"] for row in rows], greedy, use_tqdm=False)
    seconds = time.perf_counter() - begun
    written = sum(len(output.outputs[0].token_ids) for output in outputs)
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6
    print(json.dumps({"tokens": written, "seconds": seconds, "peak_gb": peak}))


if __name__ == "__main__":
    main()
