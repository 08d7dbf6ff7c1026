"""Our engine, greedy: prints one JSON line. Run by bench/generate.py; `sft generate` itself does nothing else."""

from __future__ import annotations

import argparse
import json
import resource
import time

from sft_cli.run.process import wait_politely


def main() -> None:
    """Write completions of all prompts; the clock starts when the model is loaded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("out")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16")
    given = parser.parse_args()
    wait_politely()
    from sft_cli.decoding.engines.transformers import TransformersEngine
    from sft_cli.decoding.generation import Generation, make_items
    from sft_cli.decoding.partial import PartialFile
    from sft_cli.decoding.settings import GenerateSettings

    settings = GenerateSettings(
        model=given.model,
        max_new_tokens=given.new_tokens,
        dtype=given.dtype,
        device="cpu",
        threads=given.threads,
        quiet=True,
    )
    engine = TransformersEngine.open(settings)
    with open(given.prompts, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source]
    begun = time.perf_counter()
    items = make_items(rows, engine, settings)
    found = list(Generation(engine, items, PartialFile(None, "", False), settings).run())
    seconds = time.perf_counter() - begun
    with open(given.out, "w", encoding="utf-8") as sink:
        sink.writelines(json.dumps({"completion": row["completion"]}, ensure_ascii=False) + "\n" for row in found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"tokens": sum(row["completion_tokens"] for row in found), "seconds": seconds, "peak_gb": peak}))


if __name__ == "__main__":
    main()
