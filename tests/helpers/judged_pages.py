"""A page of small answers and its key, without the command, and rows as its raters export them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sft_cli.report.human.answers import AnsweredPrompt
from sft_cli.report.human.blind import Showing, blind_document, key_document, page_kind, showings
from sft_cli.report.human.criteria import read_criteria

NAMES = ("base", "tuned", "third", "fourth")


def prompts_of(rows: int, systems: int = 2, answer: Callable[[int, int], str] | None = None) -> list[AnsweredPrompt]:
    """`rows` prompts with an answer of each system."""
    write = answer or (lambda row, system: f"{NAMES[system]} {row}")
    return [
        AnsweredPrompt(
            id=f"q{row}",
            sample=0,
            where=f"base.gen.jsonl:{row + 1}",
            prompt=[{"role": "user", "text": f"Question {row}?"}],
            hash=f"{row:016x}",
            answers=[write(row, system) for system in range(systems)],
        )
        for row in range(rows)
    ]


def make_key(
    path: Path, prompts: list[AnsweredPrompt], repeats: float = 0.0, criteria: str = "", shows_pairs: bool = False
) -> Any:
    """Write the key of a page of these prompts to `path`, and return it."""
    rows: list[Showing] = showings(prompts, 0, repeats, shows_pairs)
    systems = len(prompts[0].answers)
    file = None
    if criteria:
        file = path.with_name("criteria.toml")
        file.write_text(criteria, encoding="utf-8")
    page = blind_document(rows, read_criteria(file and str(file), page_kind(2 if shows_pairs else systems)), "en")
    key = key_document(rows, page, [f"{name}.gen.jsonl" for name in NAMES[:systems]], 0)
    path.write_text(json.dumps(key), encoding="utf-8")
    return key


def exported(key: Any, place: int, value: Any, rater: str = "anna", **more: Any) -> dict[str, Any]:
    """What a rater exports for the row at a place: a side, a rating or ranks in the order shown."""
    row = key["rows"][place]
    codes = row["codes"]
    fields = {
        "pair": lambda: {"left": codes[0], "right": codes[1], "choice": value},
        "single": lambda: {"code": codes[0], "rating": value},
        "ranking": lambda: {"codes": codes, "ranks": value},
    }[key["kind"]]()
    common = {"id": row["id"], "sample": row["sample"], "rater": rater, **fields, "criteria": {}, "note": ""}
    kept = {"ms": 4000, "page": key["page"], "repeat": row["repeat"], "ts": "2026-01-02T03:04:05Z"}
    return {**common, **kept, **more}


def side_of(key: Any, place: int, system: int) -> str:
    """The side on which a system's answer was shown."""
    return ("left", "right")[key["rows"][place]["systems"].index(system)]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
