"""JSON inside a text: its objects and arrays."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

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


class JsonPart(NamedTuple):
    """JSON in a text: its value, its own offsets, and the offsets with the code fence around it."""

    value: Any
    start: int
    end: int
    outer_start: int
    outer_end: int


def json_parts(text: str) -> list[JsonPart]:
    """The JSON in a text, in order: the whole text, code fences, and objects within the text."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if is_json(text.strip()):
        return [JsonPart(json.loads(text), start, end, 0, len(text))]
    parts = [
        JsonPart(json.loads(fence[1]), *fence.span(1), *fence.span())
        for fence in FENCE.finditer(text)
        if is_json(fence[1])
    ]
    starts = [brace.start() for brace in re.finditer(r"{", text)]
    outside = [place for place in starts if not any(part.outer_start <= place < part.outer_end for part in parts)]
    done = 0
    for place in outside[:MOST_STARTS]:
        if place >= done:
            with contextlib.suppress(ValueError, RecursionError):
                value, done = DECODER.raw_decode(text, place)
                parts.append(JsonPart(value, place, done, place, done))
    return sorted(parts, key=lambda part: part.start)


def parted_json(text: str) -> tuple[str, list[Any]]:
    """The text without JSON, and the JSON in it: the whole text, code fences, and objects within the text."""
    parts = json_parts(text)
    starts = [0, *(part.outer_end for part in parts)]
    stops = [*(part.outer_start for part in parts), len(text)]
    prose = "\n".join(text[start:stop] for start, stop in zip(starts, stops, strict=True))
    return prose if prose.strip() else "", [part.value for part in parts]


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
