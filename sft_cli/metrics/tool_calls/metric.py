"""Are the right tools called, with the right arguments?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.tool_calls.expected import AllowedCall, ExpectedCall
from sft_cli.metrics.tool_calls.reading import CallsRead, ToolCall, calls_in_text, calls_of_value
from sft_cli.run.errors import FieldError, shown

Expected = ExpectedCall | AllowedCall


class Matched(NamedTuple):
    """How far the calls of a completion are those expected."""

    is_exact: bool
    names: int  # calls with the right name
    calls: int  # calls expected or made, the larger number
    right: int  # arguments with the right value
    arguments: int


def match_calls(made: list[ToolCall], expected: list[Expected]) -> Matched:
    """Compare calls in any order: each expected call with the first call that is right, else with the best of its name.

    A call without arguments counts as one argument, so that it is not left out of the share.
    """
    left, open_calls = list(made), []
    right = arguments = names = exact = 0
    for each in expected:
        twin = next((call for call in left if _is_exact(call, each)), None)
        if twin is None:
            open_calls.append(each)
            continue
        left.remove(twin)
        exact, names = exact + 1, names + 1
        right, arguments = right + (len(twin.arguments) or 1), arguments + (len(twin.arguments) or 1)
    for each in open_calls:
        named = [call for call in left if call.name == each.name]
        best = max(named, key=lambda call: _right_arguments(call, each), default=None)
        if best is not None:
            left.remove(best)
            names, right = names + 1, right + _right_arguments(best, each)
        arguments += len({*each.needed, *(best.arguments if best else ())}) or 1
    arguments += sum(len(call.arguments) or 1 for call in left)
    return Matched(exact == len(expected) == len(made), names, max(len(made), len(expected)), right, arguments)


def _right_arguments(call: ToolCall, expected: Expected) -> int:
    return sum(expected.is_right(name, value) for name, value in call.arguments.items())


def _is_exact(call: ToolCall, expected: Expected) -> bool:
    return (
        call.name == expected.name
        and all(name in call.arguments for name in expected.needed)
        and _right_arguments(call, expected) == len(call.arguments)
    )


@dataclass(frozen=True, kw_only=True)
class ToolCalls(Metric):
    """Are the right tools called, by name and arguments, in any order? Needs a reference with tool calls.

    `tool_calls.exact`: rows whose calls are all right; `tool_calls.name`: calls with the right name;
    `tool_calls.arguments`: arguments with the right value; `tool_calls.valid`: rows whose calls can be read.
    """

    name: ClassVar[str] = "tool-calls"
    primary: ClassVar[str] = "tool_calls.exact"
    primary_sums: ClassVar[tuple[str, ...]] = ("exact", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "no_tool_calls"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The comparison with the reference that is nearest; None if no reference has calls."""
        accepted = expected_calls(row)
        if not accepted:
            return None
        read = made_calls(row)
        best = max(
            (match_calls(read.calls, expected) for expected in accepted),
            key=lambda each: (each.is_exact, each.right / (each.arguments or 1), each.names),
        )
        is_said = said(row) is not None or _has_call_field(row)
        is_none_right = not best.calls  # no call was expected, and none made
        return {
            "exact": int(best.is_exact and not read.is_broken and is_said),
            "valid": int(not read.is_broken and is_said and bool(read.calls or is_none_right)),
            "names": best.names + is_none_right,
            "calls": best.calls or 1,
            "right": best.right + is_none_right,
            "arguments": best.arguments or 1,
            "count": 1,
        }

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The shares of rows, of calls and of arguments."""
        parts = {
            "exact": ("exact", "count"),
            "name": ("names", "calls"),
            "arguments": ("right", "arguments"),
            "valid": ("valid", "count"),
        }
        return {
            f"tool_calls.{name}": ratio(sums[part], sums[whole])
            for name, (part, whole) in parts.items()
            if part in sums and whole in sums
        }


def made_calls(row: Mapping[str, Any]) -> CallsRead:
    """The calls of a generation: its `tool_calls`, as OpenAI has them, else those of its text."""
    if _has_call_field(row):
        read = calls_of_value(row["tool_calls"])
        return CallsRead(read.calls, read.is_broken or not read.calls)
    text = said(row)
    return CallsRead([]) if text is None else calls_in_text(text)


def _has_call_field(row: Mapping[str, Any]) -> bool:
    """Whether a server has found the calls: then a generation may have no text."""
    return bool(row.get("tool_calls")) and row.get("finish_reason") != "error"


def expected_calls(row: Mapping[str, Any]) -> list[list[Expected]]:
    """The calls of each reference that has calls, or of the field `ground_truth`; an empty one expects no calls.

    Raises FieldError for a `ground_truth` without the form of the leaderboard.
    """
    if row.get("ground_truth") is not None:
        value = row["ground_truth"]
        if not _is_allowed_form(value):
            problem = f'expected a list of {{"tool": {{"argument": [allowed values]}}}}, got {shown(value)}'
            raise FieldError("ground_truth", problem)
        return [_allowed(value, row)]
    found: list[list[Expected]] = []
    for text in row.get("references") or ():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if value and _is_allowed_form(value):
            found.append(_allowed(value, row))
        elif calls := calls_in_text(text).calls:
            found.append([ExpectedCall(call.name, call.arguments) for call in calls])
    return found


def _is_allowed_form(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(call, dict)
        and len(call) == 1
        and all(isinstance(arguments, dict) and _are_lists(arguments) for arguments in call.values())
        for call in value
    )


def _are_lists(arguments: dict[str, Any]) -> bool:
    return all(isinstance(allowed, list) for allowed in arguments.values())


def _allowed(value: list[dict[str, Any]], row: Mapping[str, Any]) -> list[Expected]:
    schemas = _schemas(row)
    return [AllowedCall(name, allowed, schemas.get(name, {})) for call in value for name, allowed in call.items()]


def _schemas(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parameters of each tool of a row, by name."""
    schemas: dict[str, Mapping[str, Any]] = {}
    for tool in row.get("tools") or ():
        inner = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            parameters = inner.get("parameters")
            schemas[inner["name"]] = parameters if isinstance(parameters, dict) else {}
    return schemas
