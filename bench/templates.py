"""What each prompt template and preset does to right answers and supported claims: a Markdown table.

    make bench-templates                                   # the questions and documents of make demo-evidence
    make bench-templates BENCH='--share 0.5'               # half of the questions
    make bench-templates BENCH='--model runs/a --keep DIR'

Every line asks the same questions with the same three passages. The differences are to `grounded`, paired by question,
with 95 % intervals over questions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from peers import ROOT
from sft_runs import sft

BASE = "`grounded`"
VARIANTS: dict[str, tuple[str, ...]] = {
    BASE: ("grounded",),
    "no template, no passages": (),
    "`context-only`": ("context-only",),
    "`cited`": ("cited",),
    "`evidence`": ("evidence",),
    "`role`, `grounded`": ("role", "grounded"),
    "`plan-first`, `grounded`": ("plan-first", "grounded"),
    "`decompose`, `grounded`": ("decompose", "grounded"),
    "`chain-of-thought`, `grounded`": ("chain-of-thought", "grounded"),
    "`ask-back`, `grounded`": ("ask-back", "grounded"),
    "`grounded`, `--preset factual`": ("grounded", "--preset", "factual"),
    "`grounded`, `--preset diverse`": ("grounded", "--preset", "diverse"),
    "`grounded`, `--no-repeat-ngram-size 12`": ("grounded", "--no-repeat-ngram-size", "12"),
}
VALUES = ("accuracy", "supported_claims", "supported_claims.abstained")
Differences = dict[tuple[str, str, str | None], dict[str, Any]]  # by file, value and language (None is both)


def flags_of(variant: tuple[str, ...]) -> list[str]:
    """The templates before the first flag, each as --prompt-template, and the flags."""
    templates = [word for place, word in enumerate(variant) if not any("--" in each for each in variant[: place + 1])]
    return [part for name in templates for part in ("--prompt-template", name)] + list(variant[len(templates) :])


def write_questions(folder: Path, share: float) -> Path:
    """The first questions of each language of the demo, with their passages."""
    subprocess.run([sys.executable, ROOT / "demo" / "evidence.py", folder], check=True)
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        kept += own[: max(1, round(share * len(own)))]
    asked, found = folder / "asked.jsonl", folder / "found.jsonl"
    asked.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    sft("retrieve", "--corpus", folder / "docs", asked, "--top-k", 3, "--skip-if-current", "-o", found)
    return found


def score(folder: Path, found: Path, model: str, number: int, flags: list[str]) -> Path:
    """The scores of one variant; a file that is current is kept."""
    answers, checked, scores = (folder / f"{number}.{kind}.jsonl" for kind in ("gen", "checked", "scores"))
    kept = ("--skip-if-current", "-o")
    sft("generate", model, found, "--max-new-tokens", 96, *flags, *kept, answers)
    sft("verify", answers, "--corpus", folder / "docs", *kept, checked)
    sft("score", checked, "--metric", "accuracy", "--metric", "supported-claims", *kept, scores)
    return scores


def compared(folder: Path, files: list[Path]) -> Differences:
    """The comparisons of `sft compare` of all files with the first, and the values of the first without differences."""
    out = folder / "compared.json"
    values = [part for value in VALUES for part in ("--metric", value)]
    sft("compare", *files, *values, "--allow-different", "any", "--json", "--force", "-o", out)
    found = json.loads(out.read_text(encoding="utf-8"))["comparisons"]
    base = {"other": files[0].stem, "difference": None}
    selves = [{**each, **base, "other_value": each["base_value"]} for each in found]
    return {(each["other"], each["value"], each["group"]): each for each in [*selves, *found]}


def line(name: str, file: str, found: Differences) -> str:
    """One line of the table: the values of a file, and their differences from the base."""
    right, supported = found[file, "accuracy", None], found[file, "supported_claims", None]
    cells = [
        *(_value(found[file, "accuracy", group]["other_value"]) for group in ("en", "zh")),
        _difference(right),
        _value(supported["other_value"]),
        _difference(supported),
        _value(found[file, "supported_claims.abstained", None]["other_value"]),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _difference(each: dict[str, Any]) -> str:
    if each["difference"] is None:
        return "–"
    bounds = " ({:+.2f} to {:+.2f})".format(*each["interval"]) if each["interval"] else ""
    return f"{each['difference']:+.3f}{bounds}"


def main() -> None:
    """Ask, verify and score every variant, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--share", type=float, default=1.0, help="share of the questions of each language")
    parser.add_argument("--keep", type=Path, help="folder for all files; a second run continues there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = write_questions(folder, given.share)
        files = {}
        for number, (variant, words) in enumerate(VARIANTS.items()):
            print(f"{number + 1} of {len(VARIANTS)}: {variant}", file=sys.stderr)
            files[variant] = score(folder, found, given.model, number, flags_of(words))
        differences = compared(folder, list(files.values()))
        print(
            "| prompt | right, English | right, Chinese | difference | supported claims | difference | abstained |\n"
            "|---|---|---|---|---|---|---|"
        )
        for variant, file in files.items():
            print(line(variant, file.stem, differences))


if __name__ == "__main__":
    main()
