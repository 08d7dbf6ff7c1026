"""What a side of bench/generate.py is told, and what it gives back.

Standard library only: sides run in environments of their own.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Iterable
from typing import Any


def side_parser() -> argparse.ArgumentParser:
    """The arguments that our side and that of transformers have in common."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("out")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16")
    return parser


def read_prompts(path: str) -> list[dict[str, Any]]:
    """The rows of a file of prompts."""
    with open(path, encoding="utf-8") as source:
        return [json.loads(line) for line in source]


def report(out: str, completions: Iterable[str | None], tokens: int, seconds: float) -> None:
    """Write the completions to `out`, and print one JSON line: tokens written, seconds, peak memory in 10⁹ bytes."""
    with open(out, "w", encoding="utf-8") as sink:
        sink.writelines(json.dumps({"completion": text}, ensure_ascii=False) + "\n" for text in completions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"tokens": tokens, "seconds": seconds, "peak_gb": peak}))
