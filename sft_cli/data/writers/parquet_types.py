"""The Parquet type of a field, from the values of all rows."""

from __future__ import annotations

import json
from typing import Any

# A scalar type by its name, a list (of one shape), or an object (of a shape for each key); `json` is any value as text.
FieldShape = Any
SAFE_INTEGER = 1 << 53  # above it a float cannot hold every whole number
LARGEST_INTEGER = 1 << 63
# Objects with the same keys in all rows; `[]` is any place in a list.
OBJECTS = {
    ("messages", "[]"),
    ("messages", "[]", "tool_calls", "[]"),
    ("messages", "[]", "tool_calls", "[]", "function"),
}
AS_TEXT = {("tools",), ("messages", "[]", "tool_calls", "[]", "function", "arguments")}


def shape_of(value: Any, path: tuple[str, ...]) -> FieldShape:
    """The shape of one value at a path of a row."""
    if value is None:
        return None
    if path in AS_TEXT:
        return "json"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return (
            "int" if abs(value) <= SAFE_INTEGER else "long" if -LARGEST_INTEGER <= value < LARGEST_INTEGER else "json"
        )
    if isinstance(value, (float, str)):
        return "float" if isinstance(value, float) else "string"
    if isinstance(value, list):
        inner: FieldShape = None
        for item in value:
            inner = merged(inner, shape_of(item, (*path, "[]")))
        return "json" if inner == "json" or (None in value) else [inner]
    if path in OBJECTS:
        return {key: shape_of(item, (*path, key)) for key, item in value.items()}
    return "json"


def merged(one: FieldShape, other: FieldShape) -> FieldShape:
    """The shape that holds the values of both."""
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, list) and isinstance(other, list):
        inner = merged(one[0], other[0])
        return "json" if inner == "json" else [inner]
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in {**one, **other}}
    pair = {one, other} if isinstance(one, str) and isinstance(other, str) else set()
    if pair == {"int", "long"}:
        return "long"
    return "float" if pair == {"int", "float"} else "json"


def arrow_type(shape: FieldShape) -> Any:
    """The type of a column."""
    import pyarrow as arrow

    if isinstance(shape, list):
        return arrow.list_(arrow_type(shape[0]))
    if isinstance(shape, dict):
        return arrow.struct([(key, arrow_type(each)) for key, each in shape.items()])
    types = {"bool": arrow.bool_(), "int": arrow.int64(), "long": arrow.int64(), "float": arrow.float64()}
    return types.get(shape, arrow.string())


def column_value(value: Any, shape: FieldShape) -> Any:
    """A value in the form of its column."""
    if value is None:
        return None
    if shape == "json":
        return json.dumps(value, ensure_ascii=False)
    if shape == "float":
        return float(value)
    if isinstance(shape, list):
        return [column_value(item, shape[0]) for item in value]
    if isinstance(shape, dict):
        return {key: column_value(value.get(key), each) for key, each in shape.items()}
    return value


def json_fields(shape: FieldShape, path: str = "") -> list[str]:
    """The fields that are written as JSON text."""
    if shape == "json":
        return [path]
    if isinstance(shape, list):
        return json_fields(shape[0], f"{path}[]")
    if isinstance(shape, dict):
        return [name for key, each in shape.items() for name in json_fields(each, f"{path}.{key}" if path else key)]
    return []
