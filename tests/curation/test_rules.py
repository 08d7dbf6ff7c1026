"""Rules that each need a reading of their own give, in one command, what several commands give one after another."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

RULES = (
    ["--where", "task != 'c'"],
    ["--filter", "conflict:keep=most"],
    ["--dedup", "normalised:on=answer"],
    ["--most-per-task", "4", "--rows", "5"],
)


def save(path: Path, seed: int) -> None:
    """Rows with equal questions, equal answers and, here and there, a line that is not a row."""
    draw = random.Random(seed)
    lines = []
    for _ in range(120):
        row = {
            "task": draw.choice("abc"),
            "prompt": f"q {draw.randrange(50)}?",
            "completion": f"A {draw.randrange(30)}.",
        }
        lines.append(json.dumps(row) if draw.random() < 0.9 else '{"prompt": 1}')
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", ["normalised:on=answer", "exact"])
def test_one_command_is_several_commands(here: Path, sft: Any, seed: int, way: str) -> None:
    save(here / "step0.jsonl", seed)
    rules = [["--dedup", way] if "--dedup" in each else each for each in RULES]
    skip = ["--on-error", "skip"]
    for number, each in enumerate(rules):
        assert sft("prep", f"step{number}.jsonl", *skip, *each, "-o", f"step{number + 1}.jsonl").code == 0
    together = sft("prep", "step0.jsonl", *skip, *[word for each in rules for word in each], "--ledger", "l.jsonl")
    one = [row["messages"] for row in together.rows]
    several = [json.loads(line)["messages"] for line in (here / "step4.jsonl").read_text().splitlines()]
    assert one == several
    assert len(one) == 5
    actions = [json.loads(line)["action"] for line in (here / "l.jsonl").read_text().splitlines()]
    assert len(actions) + len(one) == 120
    assert {"dropped", "left out", "rejected"} <= set(actions)
