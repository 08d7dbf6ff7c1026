"""Alpaca: `instruction`, `input`, `output`; `system` and `history` as LLaMA-Factory reads them."""

from __future__ import annotations

import json
from typing import ClassVar

from sft_cli.data.rows import Row
from sft_cli.data.writers.protocol import (
    FormatWriter,
    Written,
    bare_tools,
    check_own_names,
    check_turn,
    check_weight_is_one,
    turns_for,
)
from sft_cli.run.errors import FieldError, shown

ALPACA_FIELDS = ("instruction", "input", "output", "system", "history")
CURE = "--to messages has a place for it"


class AlpacaWriter(FormatWriter):
    """The last turns become `instruction` and `output`, earlier ones `history`, a system turn `system`."""

    name: ClassVar[str] = "alpaca"

    def record(self, row: Row) -> Written:
        """The record; raises FieldError for tool calls, thoughts, weights, and turns that are not in pairs."""
        turns = turns_for(self.name, row)
        check_own_names(self.name, row, ALPACA_FIELDS)
        left_out: list[str] = []
        for place, turn in enumerate(turns):
            where = f"messages[{place}]"
            if turn["role"] == "tool":
                raise FieldError(f"{where}.role", "expected no tool turn, because alpaca has no place for it", CURE)
            check_turn(self.name, turn, where, ("role", "content", "weight"))
            left_out += check_weight_is_one(self.name, turn, where)
        start = int(turns[0]["role"] == "system")
        for place in range(start, max(len(turns), start + 2)):
            role = turns[place]["role"] if place < len(turns) else "nothing"
            expected = ("user", "assistant")[(place - start) % 2]
            if role != expected or (place == len(turns) - 1 and role == "user"):
                problem = f"expected pairs of a user turn and an assistant turn for alpaca, got {shown(role)}"
                raise FieldError(f"messages[{place}].role", problem, CURE)
        texts = [turn["content"] for turn in turns]
        for place in [*range(start), len(turns) - 2]:
            if not texts[place].strip():
                raise FieldError(f"messages[{place}].content", f"expected text, got {shown(texts[place])}")
        pairs = [texts[place : place + 2] for place in range(start, len(turns) - 2, 2)]
        rest = {key: value for key, value in row.items() if key not in ("messages", "tools")}
        record = {
            "instruction": texts[-2],
            "input": "",
            "output": texts[-1],
            **({"system": texts[0]} if start else {}),
            **({"history": pairs} if pairs else {}),
            **({"tools": json.dumps(bare_tools(row["tools"]), ensure_ascii=False)} if row.get("tools") else {}),
        }
        return Written({**record, **rest}, left_out)
