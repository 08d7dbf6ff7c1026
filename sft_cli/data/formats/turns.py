"""Parts that the formats share: turns under any of their names, tool calls, tools, and fields that pass through."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from sft_cli.data.rows import says_something
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.jsonl import loads

# The names that data sets give to the four roles.
ALIASES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
}
PLAIN_TURN_KEYS = ({"role", "content"}, {"from", "value"})
# Axolotl's `train`, ms-swift's `loss` and `loss_scale` and LLaMA-Factory's `loss_weight` set the weight of a turn;
# here that is its `weight`.
WEIGHT_NAMES = ("weight", "train", "loss", "loss_scale", "loss_weight")
# The types of the parts of a content; only an assistant turn may have the last two.
CONTENT_PARTS = ("text", "reasoning", "tool_call")
KNOWN_TURN_KEYS = frozenset({"role", "from", "content", "value", "tool_calls", "function_call", *WEIGHT_NAMES})
# A null in one of these fields means that the row has no value; in an unknown field it passes through.
OPTIONAL = frozenset({"id", "task", "weight", "references", "choices", "answer", "tools", "source", "text"})


def first_column(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of the names for which the record has a value."""
    return next((name for name in names if record.get(name) is not None), None)


def read_turns(value: Any, field: str) -> list[dict[str, Any]]:
    """The messages of a list of turns (or of its JSON), with role and content or with from and value."""
    turns = read_json(value, field)
    if not isinstance(turns, list) or not turns:
        raise FieldError(field, f"expected a list with at least one turn, got {shown(value)}")
    return [read_turn(turn, f"{field}[{index}]") for index, turn in enumerate(turns)]


def read_turn(turn: Any, where: str) -> dict[str, Any]:
    """One message from one turn; FieldError names the field as it is in the raw data."""
    if not isinstance(turn, dict):
        raise FieldError(where, f"expected an object with role and content, got {shown(turn)}")
    role_key, text_key = ("role", "content") if "role" in turn or "from" not in turn else ("from", "value")
    name = turn.get(role_key)
    role = ALIASES.get(name) if isinstance(name, str) else None
    if role is None:
        known = "system, user, assistant or tool" if role_key == "role" else f"one of {', '.join(ALIASES)}"
        raise FieldError(f"{where}.{role_key}", f"expected {known}, got {shown(name)}")
    content = turn.get(text_key)
    if name == "function_call":
        calls = _read_calls(content, f"{where}.{text_key}")
        message: dict[str, Any] = {"role": role, "content": "", "tool_calls": calls}
    else:
        message = {"role": role, "content": content}
        if turn.get("tool_calls"):
            message["tool_calls"] = _read_calls(turn["tool_calls"], f"{where}.tool_calls")
        elif turn.get("function_call"):
            message["tool_calls"] = _read_calls(turn["function_call"], f"{where}.function_call")
        if not isinstance(content, str):
            message["content"] = _read_content(content, message, f"{where}.{text_key}")
            if text_key not in turn:
                del message["content"]  # a call without content: null would mean something else
    if turn.keys() not in PLAIN_TURN_KEYS:
        _copy_extras(turn, message, where)
    if role == "assistant" and not says_something(message):
        raise FieldError(f"{where}.{text_key}", f"expected text or tool calls, got {shown(content)}")
    return message


def _read_content(content: Any, message: dict[str, Any], where: str) -> str | None:
    if content is None and "tool_calls" in message:
        return None  # and not "": templates treat the two differently
    if isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content):
        return _read_parts(content, message, where)
    if message["role"] == "tool" and isinstance(content, (dict, list)):
        return json.dumps(content, ensure_ascii=False)
    raise FieldError(where, f"expected a string, got {'nothing' if content is None else shown(content)}")


def _read_parts(parts: list[dict[str, Any]], message: dict[str, Any], where: str) -> str | None:
    """The text of typed parts, as OpenAI (`text`) and LLaMA-Factory (`value`, also thoughts and calls) write them."""
    texts: dict[str, list[str]] = {"text": []}
    for index, part in enumerate(parts):
        kind, place = part["type"], f"{where}[{index}]"
        known = CONTENT_PARTS if message["role"] == "assistant" else CONTENT_PARTS[:1]
        if kind not in known:
            raise FieldError(f"{place}.type", f"expected {' or '.join(map(shown, known))}, got {shown(kind)}")
        name = "text" if "text" in part else "value"
        text = part.get(name)
        if not isinstance(text, str):
            raise FieldError(f"{place}.{name}", f"expected a string, got {shown(text) if name in part else 'nothing'}")
        if kind == "tool_call":
            message["tool_calls"] = [*message.get("tool_calls", []), *_read_calls(text, f"{place}.{name}")]
        else:
            texts.setdefault(kind, []).append(text)
    if "reasoning" in texts:
        message["reasoning_content"] = "".join(texts["reasoning"])
    return "".join(texts["text"]) if texts["text"] or "tool_calls" not in message else None


def _copy_extras(turn: dict[str, Any], message: dict[str, Any], where: str) -> None:
    for name in WEIGHT_NAMES:
        if turn.get(name) is not None:
            weight = turn[name]
            if not isinstance(weight, (bool, int, float)) or not -sys.float_info.max <= weight <= sys.float_info.max:
                raise FieldError(f"{where}.{name}", f"expected a number, true or false, got {shown(weight)}")
            message["weight"] = float(weight)
            break
    message.update((key, value) for key, value in turn.items() if key not in KNOWN_TURN_KEYS and value is not None)


def _read_calls(value: Any, where: str) -> list[dict[str, Any]]:
    calls = read_json(value, where)
    if isinstance(calls, dict):
        return [_read_call(calls, where)]
    if not isinstance(calls, list) or not calls:
        raise FieldError(where, f"expected a tool call with name and arguments, got {shown(value)}")
    return [_read_call(call, f"{where}[{index}]") for index, call in enumerate(calls)]


def _read_call(call: Any, where: str) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise FieldError(where, f"expected a tool call with name and arguments, got {shown(call)}")
    arguments = function.get("arguments", function.get("parameters"))
    # Chat templates print arguments as JSON themselves: a string here would be quoted twice.
    arguments = read_json({} if arguments in (None, "") else arguments, f"{where}.arguments")
    if not isinstance(arguments, dict):
        raise FieldError(f"{where}.arguments", f"expected an object, got {shown(arguments)}")
    read = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return read | {"id": call["id"]} if isinstance(call.get("id"), str) else read


def read_tools(value: Any) -> list[Any]:
    """The tools of a record in the form for chat templates: a list of {"type": "function", "function": {…}}."""
    tools = read_json([] if value in (None, "") else value, "tools")
    tools = [tools] if isinstance(tools, dict) else tools
    if not isinstance(tools, list):
        raise FieldError("tools", f"expected a list, got {shown(value)}")
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict) or not ("function" in tool or "name" in tool or "type" in tool):
            raise FieldError(f"tools[{index}]", f"expected an object with a function or a name, got {shown(tool)}")
    bare = [
        tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool} for tool in tools
    ]
    return bare


def read_json(value: Any, field: str) -> Any:
    """The value itself, or the value of its JSON if it is a string."""
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except ValueError as error:
        raise FieldError(field, f"expected JSON, got {shown(value)}") from error


def read_text(record: dict[str, Any], field: str) -> str:
    """A field that must have words."""
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise FieldError(field, f"expected text, got {shown(value) if field in record else 'nothing'}")
    return value


def system_turn(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The message of a `system` field, if it has words."""
    value = record.get("system")
    if value is None or value == "":
        return []
    if not isinstance(value, str):
        raise FieldError("system", f"expected a string, got {shown(value)}")
    return [{"role": "system", "content": value}]


def conversation_row(record: dict[str, Any], messages: list[dict[str, Any]], consumed: Iterable[str]) -> dict[str, Any]:
    """A row of these messages, with the record's tools and every field that the format did not read."""
    row: dict[str, Any] = {"messages": messages}
    if "tools" in record:
        tools = read_tools(record["tools"])
        if tools:
            row["tools"] = tools
    taken = {*consumed, "tools"}
    row.update(
        (key, value) for key, value in record.items() if key not in taken and not (value is None and key in OPTIONAL)
    )
    return row
