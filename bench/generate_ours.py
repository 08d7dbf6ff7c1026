"""Our engine, greedy: prints one JSON line. Run by bench/generate.py; `sft generate` itself does nothing else."""

from __future__ import annotations

import time

from generate_side import read_prompts, report, side_parser

from sft_cli.run.process import wait_politely


def main() -> None:
    """Write completions of all prompts; the clock starts when the model is loaded."""
    given = side_parser().parse_args()
    wait_politely()
    from sft_cli.decoding.engines.transformers import TransformersEngine
    from sft_cli.decoding.generation import Generation
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
    rows = read_prompts(given.prompts)
    begun = time.perf_counter()
    found = list(Generation(engine, rows, settings).complete())
    seconds = time.perf_counter() - begun
    written = sum(row["completion_tokens"] for row in found)
    report(given.out, (row["completion"] for row in found), written, seconds)


if __name__ == "__main__":
    main()
