"""What is expected of a call: its arguments by value, or the allowed values of each argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IGNORED = re.compile(r"[ ,./\-_*^]")
# The Python types of a JSON Schema, with the names that the leaderboard also has.
TYPES: dict[str, type] = {
    "string": str,
    "any": str,
    "integer": int,
    "float": float,
    "number": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
}
SEQUENCES = ("array", "tuple")
OPTIONAL_ARGUMENT = ""  # among the allowed values: the argument may be missing


@dataclass(frozen=True)
class ExpectedCall:
    """A call whose arguments are known by value."""

    name: str
    arguments: dict[str, Any]

    @property
    def needed(self) -> list[str]:
        """The arguments that the call must have."""
        return list(self.arguments)

    def is_right(self, argument: str, value: Any) -> bool:
        """Whether an argument has the right value."""
        return argument in self.arguments and is_same_value(value, self.arguments[argument])


@dataclass(frozen=True)
class AllowedCall:
    """A call with the allowed values of each argument, as the Berkeley function-calling leaderboard has them.

    `schema` is the definition of the tool, if it is known. The rule is that of `simple_function_checker` in bfcl_eval
    2026.3 for Python: types must be those of the schema, a whole number is also a float, case, spaces and the marks
    , . / - _ * ^ of strings do not count.
    """

    name: str
    allowed: dict[str, list[Any]]
    schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> list[str]:
        """The arguments that the call must have."""
        required = self.schema.get("required")
        always = required if isinstance(required, list) else []
        return [name for name in dict.fromkeys([*self.allowed, *always]) if name in always or not _may_miss(self, name)]

    def is_right(self, argument: str, value: Any) -> bool:
        """Whether an argument has an allowed value of the right type."""
        properties = self.schema.get("properties")
        if argument not in self.allowed or (isinstance(properties, dict) and argument not in properties):
            return False
        told = properties.get(argument) if isinstance(properties, dict) else None
        kind = told.get("type") if isinstance(told, dict) else None
        items = told.get("items") if isinstance(told, dict) else None
        inner = items.get("type") if isinstance(items, dict) else None
        return is_allowed(value, self.allowed[argument], str(kind), inner if isinstance(inner, str) else None)


def _may_miss(call: AllowedCall, name: str) -> bool:
    return OPTIONAL_ARGUMENT in call.allowed.get(name, [])


def is_same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, but not true; a tuple is a list."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same_value(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(is_same_value, one, other))
    return bool(one == other)


def is_allowed(value: Any, allowed: list[Any], kind: str, inner: str | None) -> bool:
    """Whether a value is one of the allowed values, for an argument of the type `kind` with items of the type `inner`.

    Without a known type it is that of the first allowed value. A value of another type is right only if the allowed
    values have its type and it equals one of them: the leaderboard writes names of variables so.
    """
    usual = _type_of(allowed)
    expected = TYPES.get(kind) or usual
    if kind == "tuple" and isinstance(value, tuple):
        value = list(value)
    if kind in ("float", "number") and type(value) is int:
        value = float(value)
    nested = TYPES.get(inner or "") if kind in SEQUENCES else None
    is_typed = type(value) is expected
    if type(value) not in (expected, usual) or (is_typed and nested and not _has_items_of(nested, value, allowed)):
        return False
    if not is_typed or usual not in (None, expected):
        return value in allowed  # a variable
    if expected is dict:
        return any(_fits_object(value, each) for each in allowed if each != OPTIONAL_ARGUMENT)
    if expected is list and nested is dict:
        return any(_fit_objects(value, each) for each in allowed)
    if expected is str:
        return _bare_text(value) in [_bare_text(each) for each in allowed if isinstance(each, str)]
    if expected is list:
        return [_bare_text(item) for item in value] in [[_bare_text(item) for item in each] for each in allowed]
    return value in allowed


def _type_of(allowed: list[Any]) -> type | None:
    return next((type(each) for each in allowed if each != OPTIONAL_ARGUMENT), None)


def _has_items_of(nested: type, value: list[Any], allowed: list[Any]) -> bool:
    """Whether each item has the type `nested`, or the type of the items of an allowed list."""
    return any(
        not isinstance(each, list) or all(type(item) in (nested, _type_of(each)) for item in value) for each in allowed
    )


def _bare_text(value: Any) -> Any:
    """A string without case, spaces and marks, quotes as double quotes; another value as it is."""
    return IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _fits_object(value: Any, allowed: Any) -> bool:
    """Whether an object has the keys of `allowed`, each with one of its allowed values."""
    if not isinstance(value, dict) or not isinstance(allowed, dict):
        return False
    fits = all(key in allowed and _bare_text(each) in map(_bare_text, allowed[key]) for key, each in value.items())
    return fits and all(key in value or OPTIONAL_ARGUMENT in each for key, each in allowed.items())


def _fit_objects(value: list[Any], allowed: Any) -> bool:
    return len(value) == len(allowed) and all(map(_fits_object, value, allowed))
