"""What a command says can have names of the input in it: a terminal shows them, and does nothing else with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_a_long_name_with_control_characters_is_cut_and_shown(here: Path, sft: Any) -> None:
    task = "t\x1b[31m" + "x" * 5000
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes", "k\x1b[2J" + "y" * 5000: 1}]
    Path("raw.jsonl").write_text(
        "".join(json.dumps({"messages": turns, "task": task, "n": n}) + "\n" for n in range(3))
    )
    result = sft("prep", "raw.jsonl", "--rows", "2", "-o", "rows.jsonl")
    assert result.code == 0
    assert "\x1b" not in result.err
    assert max(map(len, result.err.splitlines())) <= 2000
    assert "no command reads the key k" in result.err
