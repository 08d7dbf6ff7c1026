"""What each control of `sft generate` does to repetition and to quality: a Markdown table with 95 % intervals.

    python bench/controls.py rows.jsonl                       # rows with messages and long answers
    python bench/controls.py rows.jsonl --model runs/a -n 64

Every setting writes the same prompts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from encode import write_rows
from sft_runs import sft

SETTINGS: dict[str, tuple[str, ...]] = {
    "greedy": (),
    "`--repetition-penalty 1.1`": ("--repetition-penalty", "1.1"),
    "`--repetition-penalty 1.3`": ("--repetition-penalty", "1.3"),
    "`--frequency-penalty 0.5`": ("--frequency-penalty", "0.5"),
    "`--presence-penalty 1`": ("--presence-penalty", "1"),
    "`--no-repeat-ngram-size 3`": ("--no-repeat-ngram-size", "3"),
    "`--num-beams 4`": ("--num-beams", "4"),
    "`--temperature 0.7`": ("--temperature", "0.7"),
    "`--temperature 1`": ("--temperature", "1"),
    "`--temperature 1 --top-k 40`": ("--temperature", "1", "--top-k", "40"),
    "`--temperature 1 --top-p 0.9`": ("--temperature", "1", "--top-p", "0.9"),
    "`--temperature 1 --min-p 0.1`": ("--temperature", "1", "--min-p", "0.1"),
}
METRICS = ("repetition", "rouge-l", "chrf")


def long_rows(path: Path, count: int, words: int) -> list[dict[str, Any]]:
    """The first rows of a file whose answers have at least so many words."""
    with open(path, encoding="utf-8") as source:
        rows = [row for row in map(json.loads, source) if len(row["messages"][-1]["content"].split()) >= words]
    return rows[:count]


def measured(folder: Path, model: str, prompts: Path, flags: tuple[str, ...], name: str) -> dict[str, Any]:
    """The summary of one setting, and the share of its completions that end in a loop."""
    out, scores = folder / f"{name}.gen.jsonl", folder / f"{name}.scores.jsonl"
    sft("generate", model, prompts, "--max-new-tokens", 256, "--diagnose-repetition", *flags, "-o", out)
    sft("score", out, *(part for metric in METRICS for part in ("--metric", metric)), "-o", scores)
    with open(out, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source]
    summary: dict[str, Any] = json.loads(Path(f"{scores}.summary.json").read_text(encoding="utf-8"))
    loops = [row["repetition"]["loop_start"] is not None for row in rows]
    stopped = [row["finish_reason"] == "stop" for row in rows]
    return {"summary": summary, "loops": sum(loops) / len(rows), "stopped": sum(stopped) / len(rows)}


def cell(summary: dict[str, Any], metric: str, scale: float = 1) -> str:
    """A metric's main value and its interval."""
    found = summary["metrics"][metric]
    low, high = found["interval"]
    return f"{scale * found['value']:.1f} ({scale * low:.1f} to {scale * high:.1f})"


def main() -> None:
    """Measure every setting, print its line as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("-n", type=int, default=64, help="prompts")
    parser.add_argument("--words", type=int, default=120, help="an answer has at least so many")
    given = parser.parse_args()
    print("| setting | end in a loop | stop by themselves | seq-rep-4, % | ROUGE-L | chrF |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = write_rows(folder / "prompts.jsonl", long_rows(given.rows, given.n, given.words))
        for number, (setting, flags) in enumerate(SETTINGS.items()):
            found = measured(folder, given.model, prompts, flags, str(number))
            values = [cell(found["summary"], "repetition", 100), cell(found["summary"], "rouge-l", 100)]
            shares = f"{100 * found['loops']:.0f} % | {100 * found['stopped']:.0f} %"
            print(f"| {setting} | {shares} | {' | '.join([*values, cell(found['summary'], 'chrf')])} |", flush=True)


if __name__ == "__main__":
    main()
