"""ShareGPT: `conversations` of `from` and `value`, with `function_call`, `observation` and `tools` as LLaMA-Factory."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from sft_cli.data.rows import Row
from sft_cli.data.writers.protocol import (
    CALL_NAMES,
    FormatWriter,
    Written,
    bare_tools,
    check_own_names,
    check_turn,
    check_weight_is_one,
    turns_for,
)
from sft_cli.run.errors import FieldError, shown

SHAREGPT_FIELDS = ("conversations", "conversation", "system")
SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
OF_CALLS = ("name", "tool_call_id")


class ShareGptWriter(FormatWriter):
    """Turns as `from` and `value`; a turn that calls tools is a `function_call`, its result an `observation`."""

    name: ClassVar[str] = "sharegpt"

    def record(self, row: Row) -> Written:
        """The record; raises FieldError for thoughts, weights, and a turn with text and tool calls."""
        turns = turns_for(self.name, row)
        check_own_names(self.name, row, SHAREGPT_FIELDS)
        left_out: list[str] = []
        conversation = []
        for place, turn in enumerate(turns):
            where = f"messages[{place}]"
            of_role = {"assistant": ("tool_calls",), "tool": OF_CALLS}.get(turn["role"], ())
            check_turn(self.name, turn, where, ("role", "content", "weight", *of_role))
            left_out += check_weight_is_one(self.name, turn, where)
            if turn.get("tool_calls"):
                if turn.get("content"):
                    problem = f"expected no text beside tool calls for sharegpt, got {shown(turn['content'])}"
                    raise FieldError(f"{where}.content", problem, "--to messages has a place for it")
                calls = [
                    _function_call(call, f"{where}.tool_calls[{number}]")
                    for number, call in enumerate(turn["tool_calls"])
                ]
                value: Any = calls if len(calls) > 1 else calls[0]
                conversation.append({"from": "function_call", "value": json.dumps(value, ensure_ascii=False)})
                left_out += [CALL_NAMES] if any("id" in call for call in turn["tool_calls"]) else []
            else:
                conversation.append({"from": SPEAKERS[turn["role"]], "value": turn["content"]})
                left_out += [CALL_NAMES] if any(key in turn for key in OF_CALLS) else []
        rest = {key: value for key, value in row.items() if key not in ("messages", "tools")}
        record: Row = {"conversations": conversation}
        if row.get("tools"):
            record["tools"] = json.dumps(bare_tools(row["tools"]), ensure_ascii=False)
        return Written({**record, **rest}, left_out)


def _function_call(call: dict[str, Any], where: str) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict) or not {"name", "arguments"} >= function.keys() or "name" not in function:
        raise FieldError(where, f"expected a function with name and arguments, got {shown(call)}")
    return {"name": function["name"], "arguments": function.get("arguments", {})}
