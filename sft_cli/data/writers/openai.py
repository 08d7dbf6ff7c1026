"""OpenAI's fine-tuning files: `messages` and `tools` and no other field, arguments as text, an id for each call."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from sft_cli.data.rows import Row
from sft_cli.data.writers.protocol import OTHER_WEIGHTS, FormatWriter, Written, check_turn, turns_for
from sft_cli.run.errors import FieldError, shown

WRITTEN_TURN_KEYS = ("role", "content", "name", "weight", "tool_calls", "tool_call_id")
IDS_ADDED = "ids of tool calls added"


class OpenAiWriter(FormatWriter):
    """Records that OpenAI's own checker accepts; fields besides `messages` and `tools` are left out."""

    name: ClassVar[str] = "openai"

    def record(self, row: Row) -> Written:
        """The record; raises FieldError for thoughts, weights other than 0 and 1, and a row without an answer."""
        turns = turns_for(self.name, row)
        if row.get("weight", 1) != 1:
            problem = f"expected 1, because openai has no weight of a row, got {shown(row['weight'])}"
            raise FieldError("weight", problem, "--to messages has a place for it")
        if turns[-1]["role"] != "assistant":
            problem = f"expected an assistant turn at the end for openai, got {shown(turns[-1]['role'])}"
            raise FieldError(f"messages[{len(turns) - 1}].role", problem)
        left_out: list[str] = []
        messages: list[dict[str, Any]] = []
        waiting: list[str] = []  # ids of calls whose results have not come
        for place, turn in enumerate(turns):
            where = f"messages[{place}]"
            check_turn(self.name, turn, where, WRITTEN_TURN_KEYS)
            message = {key: value for key, value in turn.items() if key != "weight"}
            left_out += _copy_weight(turn, message, where)
            if turn.get("tool_calls"):
                message["content"] = turn.get("content")
                message["tool_calls"] = [
                    _openai_call(call, f"call_{place}_{number}") for number, call in enumerate(turn["tool_calls"])
                ]
                waiting = [call["id"] for call in message["tool_calls"]]
                left_out += [] if all("id" in call for call in turn["tool_calls"]) else [IDS_ADDED]
            if turn["role"] == "tool":
                if "tool_call_id" not in turn:
                    if not waiting:
                        raise FieldError(f"{where}.role", "expected a tool call before the tool turn, got none")
                    message["tool_call_id"] = waiting[0]
                    left_out.append(IDS_ADDED)
                waiting = [name for name in waiting if name != message["tool_call_id"]]
            messages.append(message)
        rest = [key for key in row if key not in ("messages", "tools")]
        left_out += [f"{', '.join(sorted(rest))} left out"] if rest else []
        record: Row = {"messages": messages}
        if row.get("tools"):
            record["tools"] = [
                tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool}
                for tool in row["tools"]
            ]
        return Written(record, left_out)


def _copy_weight(turn: dict[str, Any], message: dict[str, Any], where: str) -> list[str]:
    weight = turn.get("weight")
    if weight is None:
        return []
    if turn["role"] != "assistant":
        return [OTHER_WEIGHTS]
    if weight not in (0, 1):
        raise FieldError(f"{where}.weight", f"expected 0 or 1 for openai, got {shown(weight)}")
    message["weight"] = int(weight)
    return []


def _openai_call(call: dict[str, Any], name: str) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    if not isinstance(function.get("arguments"), str):
        function["arguments"] = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    return {**call, "id": call.get("id", name), "type": "function", "function": function}
