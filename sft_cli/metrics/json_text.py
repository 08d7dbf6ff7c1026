"""JSON inside a text: its objects and arrays."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

FENCE = re.compile(r"```[ \t]*[\w-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
MOST_STARTS = 1000  # brackets tried per text: a long run of `[` must not take quadratic time


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_reject)


def is_json(text: str, kind: str = "container") -> bool:
    """Whether the whole text is one JSON value (RFC 8259: no NaN, no Infinity); `container`: an object or array."""
    try:
        value = json.loads(text, parse_constant=_reject)
    except (ValueError, RecursionError):
        return False
    return kind == "any" or isinstance(value, (dict, list))


def embedded_values(text: str) -> Iterator[Any]:
    """The objects and arrays in a text, tried from each opening bracket."""
    for start in list(re.finditer(r"[{\[]", text))[:MOST_STARTS]:
        with contextlib.suppress(ValueError, RecursionError):
            yield DECODER.raw_decode(text, start.start())[0]


def first_json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text; None if there is no object."""
    return next((value for value in embedded_values(text) if isinstance(value, dict)), None)


def json_field(text: str, path: list[str]) -> str | None:
    """A field of the first JSON object in a text, by its path; None if the field is missing or null.

    A value that is not text is returned as JSON.
    """
    value: Any = first_json_object(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def json_value(text: str) -> Any:
    """The JSON object or array that is the whole text, or the first in a code fence; None if there is neither."""
    for part in (text.strip(), *FENCE.findall(text)):
        if is_json(part):
            return json.loads(part)
    return None


def parted_json(text: str) -> tuple[str, list[Any]]:
    """The text without JSON, and the JSON in it: the whole text, code fences, and objects within the text."""
    if is_json(text.strip()):
        return "", [json.loads(text)]
    values: list[Any] = []

    def take(fence: re.Match[str]) -> str:
        if not is_json(fence[1]):
            return fence[0]
        values.append(json.loads(fence[1]))
        return "\n"

    rest, kept, done = FENCE.sub(take, text), [], 0
    for brace in list(re.finditer(r"{", rest))[:MOST_STARTS]:
        if brace.start() >= done:
            with contextlib.suppress(ValueError, RecursionError):
                value, end = DECODER.raw_decode(rest, brace.start())
                values.append(value)
                kept.append(rest[done : brace.start()])
                done = end
    return "\n".join([*kept, rest[done:]]), values


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of every string and number in a JSON value; an item of a list has the key of the list."""
    left = [(key, value)]
    while left:
        name, each = left.pop()
        if isinstance(each, str):
            yield name, each
        elif isinstance(each, dict):
            left += reversed(each.items())
        elif isinstance(each, list):
            left += [(name, item) for item in reversed(each)]
        elif each is not None and not isinstance(each, bool):
            yield name, json.dumps(each)
