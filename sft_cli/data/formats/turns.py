"""Parts that the formats share: turns under any of their names, tool calls, tools, and fields that pass through."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from sft_cli.data.formats.content import is_with_results, read_calls, read_content, read_json, turns_of_results
from sft_cli.data.rows import says_something
from sft_cli.run.errors import FieldError, shown

# The names that data sets give to the four roles.
ALIASES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "ai": "assistant",
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
KNOWN_TURN_KEYS = frozenset({"role", "from", "content", "value", "tool_calls", "function_call", *WEIGHT_NAMES})
# XTuner's and other sets have a question and its answer in one turn, under these names.
QUESTION_NAMES = ("human", "user", "input", "question", "prompt", "query", "instruction")
ANSWER_NAMES = ("assistant", "bot", "gpt", "output", "answer", "response")
PAIR_KEYS = (("system", ("system",)), ("user", QUESTION_NAMES), ("assistant", ANSWER_NAMES))
# The fields of a record with the text of a system turn.
SYSTEM_FIELDS = ("system", "system_prompt")
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
    messages: list[dict[str, Any]] = []
    for index, turn in enumerate(turns):
        where = f"{field}[{index}]"
        if not isinstance(turn, dict) or isinstance(turn.get("content"), str):  # most turns
            messages.append(read_turn(turn, where))
        elif is_with_results(turn):
            messages += [read_turn(each, where) for each in turns_of_results(turn, where)]
        elif is_pair(turn):
            messages += _turns_of_pair(turn, where)
        else:
            messages.append(read_turn(turn, where))
    return messages


def is_pair(turn: Any) -> bool:
    """Whether a turn has no role, but an answer, probably with its question."""
    has_role = not isinstance(turn, dict) or "role" in turn or "from" in turn
    return not has_role and any(name in turn for name in ANSWER_NAMES)


def _turns_of_pair(turn: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """The question and the answer of a turn, after its system text; the other fields belong to the answer."""
    names = {role: next((name for name in known if name in turn), "") for role, known in PAIR_KEYS}
    rest = {key: value for key, value in turn.items() if key not in names.values()}
    messages = []
    for role, name in names.items():
        # Only the first pair has a system text, and an opening answer has no question: these fields are then empty.
        if role != "assistant" and turn.get(name) in (None, ""):
            continue
        try:
            messages.append(
                read_turn({"role": role, "content": turn[name], **(rest if role == "assistant" else {})}, where)
            )
        except FieldError as error:
            field = error.field.replace(f"{where}.content", f"{where}.{name}", 1)
            raise FieldError(field, error.problem, error.hint) from error
    return messages


def read_turn(turn: Any, where: str) -> dict[str, Any]:
    """One message from one turn; FieldError names the field as it is in the raw data."""
    if not isinstance(turn, dict):
        raise FieldError(where, f"expected an object with role and content, got {shown(turn)}")
    role_key, text_key = "role", "content"
    if "role" not in turn or "content" not in turn:
        role_key = "role" if "role" in turn or "from" not in turn else "from"
        usual, other = ("content", "value") if role_key == "role" else ("value", "content")
        text_key = other if other in turn and usual not in turn else usual
    name = turn.get(role_key)
    role = ALIASES.get(name) if isinstance(name, str) else None
    if role is None:
        known = "system, user, assistant or tool" if role_key == "role" else f"one of {', '.join(ALIASES)}"
        raise FieldError(f"{where}.{role_key}", f"expected {known}, got {shown(name)}")
    content = turn.get(text_key)
    if name == "function_call":
        calls = read_calls(content, f"{where}.{text_key}")
        message: dict[str, Any] = {"role": role, "content": "", "tool_calls": calls}
    else:
        message = {"role": role, "content": content}
        if turn.get("tool_calls"):
            message["tool_calls"] = read_calls(turn["tool_calls"], f"{where}.tool_calls")
        elif turn.get("function_call"):
            message["tool_calls"] = read_calls(turn["function_call"], f"{where}.function_call")
        if not isinstance(content, str):
            message["content"] = read_content(content, message, f"{where}.{text_key}")
            if text_key not in turn:
                del message["content"]  # a call without content: null would mean something else
    if turn.keys() not in PLAIN_TURN_KEYS:
        _copy_extras(turn, message, where)
    if role == "assistant" and not says_something(message):
        raise FieldError(f"{where}.{text_key}", f"expected text or tool calls, got {shown(content)}")
    return message


def _copy_extras(turn: dict[str, Any], message: dict[str, Any], where: str) -> None:
    for name in WEIGHT_NAMES:
        if turn.get(name) is not None:
            weight = turn[name]
            if not isinstance(weight, (bool, int, float)) or not -sys.float_info.max <= weight <= sys.float_info.max:
                raise FieldError(f"{where}.{name}", f"expected a number, true or false, got {shown(weight)}")
            message["weight"] = float(weight)
            break
    message.update((key, value) for key, value in turn.items() if key not in KNOWN_TURN_KEYS and value is not None)


def read_tools(value: Any) -> list[Any]:
    """The tools of a record in the form for chat templates: a list of {"type": "function", "function": {…}}."""
    tools = read_json([] if value in (None, "") else value, "tools")
    tools = [tools] if isinstance(tools, dict) else tools
    if not isinstance(tools, list):
        raise FieldError("tools", f"expected a list, got {shown(value)}")
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict) or not ("function" in tool or "name" in tool or "type" in tool):
            raise FieldError(f"tools[{index}]", f"expected an object with a function or a name, got {shown(tool)}")
    return [tool if "function" in tool or "name" not in tool else _bare_tool(tool) for tool in tools]


def _bare_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool without its wrapper, or Anthropic's, whose parameters are its `input_schema`."""
    function = {"parameters" if key == "input_schema" else key: value for key, value in tool.items()}
    return {"type": "function", "function": function}


def read_text(record: dict[str, Any], field: str) -> str:
    """A field that must have words."""
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise FieldError(field, f"expected text, got {shown(value) if field in record else 'nothing'}")
    return value


def system_turn(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The message of a `system` or `system_prompt` field, if it has words; Anthropic's may be a list of text parts."""
    name = "system" if record.get("system") is not None else "system_prompt"
    if record.get(name) in (None, ""):
        return []
    message: dict[str, Any] = {"role": "system", "content": record[name]}
    if not isinstance(record[name], str):
        message["content"] = read_content(record[name], message, name)
    return [message]


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
