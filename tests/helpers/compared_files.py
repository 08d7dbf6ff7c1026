"""Generations, scores and runs for a page: three systems, two languages, hostile texts, confidences, curves."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

HOSTILE = [
    "<script>document.title = 'run'</script>",
    "</script><script>document.title = 'run'</script>",
    '<img src="x" onerror="document.title = \'run\'">',
    "]]><!-- <svg onload=alert(1)> \u2028 line \u2029 paragraph & ampersand",
    "{{ 7 * 7 }} {% raw %} \u202e right to left",
]
SYSTEMS = ("base", "plain", "replay")


def rows_of(system: str, count: int = 60) -> list[dict[str, Any]]:
    """Generations of a system; the same every time."""
    rng = random.Random(system)
    rows = []
    for place in range(count):
        is_chinese, answer = place % 3 == 0, str(place * 7)
        question = (
            f"{place} 乘以七是多少？" if is_chinese else "What is " + "the " * (place % 5) + f"product {place} * 7?"
        )
        share = {"base": 0.4, "plain": 0.9 if is_chinese else 0.1, "replay": 0.8}[system]
        is_right = rng.random() < share
        words = "word " * rng.randrange(1, 30)
        completion: str | None = answer if is_right else f"{words}{HOSTILE[place % len(HOSTILE)]}"
        reason = "stop" if is_right or place % 4 else "length"
        if place == 50 and system == "plain":
            completion, reason = None, "error"
        tokens = rng.randrange(3, 20)
        rows.append(
            {
                "id": f"q{place}",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
                "task": "<b>old</b> task" if place % 2 else "new",
                "references": [answer],
                "completion": completion,
                "sample": 0,
                "finish_reason": reason,
                "completion_logprob": {"sum": -tokens * rng.random(), "tokens": tokens},
            }
        )
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_run(folder: Path, start: float) -> None:
    """A run with 500 steps, with losses of held-out and old rows from step 0."""
    folder.mkdir(parents=True)
    lines: list[dict[str, Any]] = [{"step": 0, "eval_loss": start, "retain_loss": start / 2}]
    for step in range(1, 501):
        lines.append({"step": step, "loss": start / step**0.5})
        if step % 100 == 0:
            lines.append({"step": step, "eval_loss": start / step**0.4, "retain_loss": start / 2 + step / 1000})
    write_rows(folder / "metrics.jsonl", lines)


def score_systems(folder: Path, sft: Any, count: int = 60) -> None:
    """Write generations and scores of each system, and two runs."""
    for system in SYSTEMS:
        write_rows(folder / f"{system}.gen.jsonl", rows_of(system, count))
        words = ("--metric", "exact-match", "--metric", "token-f1", "-q", "-o", f"{system}.jsonl")
        result = sft("score", f"{system}.gen.jsonl", *words)
        assert result.code == 0, result.err
    write_run(folder / "runs" / "plain", 4.0)
    write_run(folder / "runs" / "replay", 3.0)
