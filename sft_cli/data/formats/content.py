"""What a turn says: text, typed parts of OpenAI, Anthropic and LLaMA-Factory, and tool calls."""

from __future__ import annotations

import json
from typing import Any

from sft_cli.run.errors import FieldError, shown
from sft_cli.run.jsonl import loads

# The types of text parts: of chat messages, and of OpenAI's Responses.
TEXT_PARTS = ("text", "input_text", "output_text")
# Thoughts and calls, in the words of LLaMA-Factory and of Anthropic; only an assistant turn may have them.
THOUGHT_PARTS = ("reasoning", "thinking")
CALL_PARTS = ("tool_call", "tool_use")
RESULT_PART = "tool_result"
# Parts that no text can replace.
MEDIA_PARTS = {
    **dict.fromkeys(("image", "image_url", "input_image"), "an image"),
    **dict.fromkeys(("audio", "audio_url", "input_audio"), "audio"),
    **dict.fromkeys(("video", "video_url", "input_video"), "a video"),
    **dict.fromkeys(("file", "input_file", "document"), "a file"),
}
PARTS_OF_ROLES = {
    "assistant": (TEXT_PARTS[0], *THOUGHT_PARTS, *CALL_PARTS),
    "user": (TEXT_PARTS[0], RESULT_PART),
    "tool": (TEXT_PARTS[0], RESULT_PART),
    "system": (TEXT_PARTS[0],),
}


def read_content(content: Any, message: dict[str, Any], where: str) -> str | None:
    """The text of a content that is not a string; its thoughts and tool calls are added to the message.

    None for a turn that only calls tools. Raises FieldError, naming the part, for a part that is not text.
    """
    if content is None and "tool_calls" in message:
        return None  # and not "": templates treat the two differently
    if isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content):
        is_data = message["role"] == "tool" and not all(_is_text_or_media(part["type"]) for part in content)
        if not is_data:  # a tool may also return objects that have a type
            return _read_parts(content, message, where)
    if message["role"] == "tool" and isinstance(content, (dict, list)):
        return json.dumps(content, ensure_ascii=False)
    raise FieldError(where, f"expected a string, got {'nothing' if content is None else shown(content)}")


def _is_text_or_media(kind: Any) -> bool:
    return isinstance(kind, str) and (kind in TEXT_PARTS or kind in MEDIA_PARTS)


def _read_parts(parts: list[dict[str, Any]], message: dict[str, Any], where: str) -> str | None:
    texts: list[str] = []
    thoughts: list[str] = []
    is_answer = message["role"] == "assistant"
    for index, part in enumerate(parts):
        kind, place = part["type"], f"{where}[{index}]"
        if kind in TEXT_PARTS:
            texts.append(_text_of(part, ("text", "value"), place))
        elif is_answer and kind in THOUGHT_PARTS:
            thoughts.append(_text_of(part, ("thinking", "reasoning", "text", "value"), place))
        elif is_answer and kind in CALL_PARTS:
            message["tool_calls"] = [*message.get("tool_calls", []), *_calls_of(part, place)]
        else:
            refuse_media(kind, f"{place}.type")
            known = " or ".join(map(shown, PARTS_OF_ROLES[message["role"]]))
            raise FieldError(f"{place}.type", f"expected {known}, got {shown(kind)}")
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    return "".join(texts) if texts or "tool_calls" not in message else None


def refuse_media(kind: Any, where: str) -> None:
    """Raise FieldError for a part that is an image, audio, a video or a file."""
    if isinstance(kind, str) and kind in MEDIA_PARTS:
        raise FieldError(where, f"expected text, got {MEDIA_PARTS[kind]} ({kind}); sft trains on text only")


def _text_of(part: dict[str, Any], names: tuple[str, ...], place: str) -> str:
    name = next((name for name in names if name in part), names[-1])
    text = part.get(name)
    if not isinstance(text, str):
        raise FieldError(f"{place}.{name}", f"expected a string, got {shown(text) if name in part else 'nothing'}")
    return text


def _calls_of(part: dict[str, Any], place: str) -> list[dict[str, Any]]:
    if part["type"] == "tool_use":
        call = {"id": part.get("id"), "name": part.get("name"), "arguments": part.get("input")}
        return read_calls(call, place)
    name = next((name for name in ("value", "text", "tool_call") if name in part), "")
    return read_calls(part[name], f"{place}.{name}") if name else read_calls(part, place)


def is_with_results(turn: Any) -> bool:
    """Whether a turn has results of tools among its parts, as Anthropic writes them in user turns."""
    parts = turn.get("content") if isinstance(turn, dict) else None
    return isinstance(parts, list) and any(isinstance(part, dict) and part.get("type") == RESULT_PART for part in parts)


def turns_of_results(turn: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """A turn with results of tools as several turns: one for each result, and one for each run of other parts.

    Parts keep their places in the list, so that an error names them. Raises FieldError for a result that is not text.
    """
    if turn.get("role") not in ("user", "tool"):
        raise FieldError(f"{where}.role", f"expected user or tool beside a tool_result, got {shown(turn.get('role'))}")
    turns: list[dict[str, Any]] = []
    others: list[Any] = []
    for index, part in enumerate(turn["content"]):
        is_result = isinstance(part, dict) and part.get("type") == RESULT_PART
        if is_result:
            turns += [{**turn, "content": others}] if others else []
            turns.append(_result_turn(part, f"{where}.content[{index}]"))
            others = []
        elif others or part != {"type": "text", "text": ""}:
            # Empty parts take the places of those before.
            others = [*(others or [{"type": "text", "text": ""}] * index), part]
    return [*turns, {**turn, "content": others}] if others else turns


def _result_turn(part: dict[str, Any], where: str) -> dict[str, Any]:
    content = next((part[name] for name in ("content", "text", "value") if part.get(name) is not None), "")
    message: dict[str, Any] = {"role": "tool"}
    message["content"] = content if isinstance(content, str) else read_content(content, message, f"{where}.content")
    call = next((part[name] for name in ("tool_use_id", "tool_call_id") if part.get(name) is not None), None)
    if call is not None:
        message["tool_call_id"] = call
    return message | {"is_error": True} if part.get("is_error") else message


def read_calls(value: Any, where: str) -> list[dict[str, Any]]:
    """The tool calls of one call, of a list of calls, or of their JSON; raises FieldError for one without a name."""
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


def read_json(value: Any, field: str) -> Any:
    """The value itself, or the value of its JSON if it is a string."""
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except ValueError as error:
        raise FieldError(field, f"expected JSON, got {shown(value)}") from error
