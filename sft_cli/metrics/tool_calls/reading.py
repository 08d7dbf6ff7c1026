"""The tool calls in a text: JSON, `<tool_call>` blocks, or calls as Python writes them."""

from __future__ import annotations

import ast
import json
import operator
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sft_cli.metrics.json_text import FENCE, json_parts

CALL_BLOCK = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
LONGEST_PYTHON = 20_000  # characters that are read as Python: longer texts are not calls
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class ToolCall(NamedTuple):
    """The name of a tool, and its arguments by name."""

    name: str
    arguments: dict[str, Any]


class CallsRead(NamedTuple):
    """The calls of a text, and whether it also has a call that cannot be read."""

    calls: list[ToolCall]
    is_broken: bool = False


def calls_in_text(text: str) -> CallsRead:
    """The calls of a text; the first of these forms that it has.

    `<tool_call>` blocks with JSON (Hermes, Qwen); JSON with a name and arguments, alone, in a code fence or within the
    text; and Python calls, `name(key=value)` or a list of them, as the whole text or a code fence (Patil et al. 2025,
    the Berkeley function-calling leaderboard).
    """
    if blocks := CALL_BLOCK.findall(text):
        return _all_calls(_calls_of_json_text(block) for block in blocks)
    values = [part.value for part in json_parts(text)]
    read = _all_calls(calls_of_value(value) for value in values)
    if read.calls or read.is_broken:
        return read
    for part in (text, *FENCE.findall(text)):
        if (calls := _python_calls(part.strip().strip("'"))) is not None:
            return calls
    return CallsRead([])


def calls_of_value(value: Any) -> CallsRead:
    """The calls of a JSON value: an object with a name and arguments, OpenAI's form of it, or a list of them."""
    if isinstance(value, list):
        return _all_calls(map(calls_of_value, value))
    if not isinstance(value, dict):
        return CallsRead([])
    if isinstance(value.get("tool_calls"), list):
        return calls_of_value(value["tool_calls"])
    inner = value.get("function")
    call = inner if isinstance(inner, dict) else value
    key = next((key for key in ("arguments", "parameters") if key in call), None)
    if not isinstance(call.get("name"), str) or key is None:
        return CallsRead([])
    arguments = call[key]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            return CallsRead([], is_broken=True)
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        return CallsRead([], is_broken=True)
    return CallsRead([ToolCall(call["name"], arguments)])


def _calls_of_json_text(text: str) -> CallsRead:
    """The calls of a block, which is broken if it has no calls."""
    try:
        read = calls_of_value(json.loads(text))
    except (ValueError, RecursionError):
        return CallsRead([], is_broken=True)
    return CallsRead(read.calls, read.is_broken or not read.calls)


def _all_calls(parts: Iterator[CallsRead]) -> CallsRead:
    found = list(parts)
    return CallsRead([call for part in found for call in part.calls], any(part.is_broken for part in found))


def _python_calls(text: str) -> CallsRead | None:
    """The calls of a text that is Python: a call, a list of calls, or a call on each line; None if it is not."""
    if len(text) > LONGEST_PYTHON or "(" not in text or not text.endswith((")", "]")):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the model's strings
            statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes: list[ast.expr] = []
    for statement in statements:
        if not isinstance(statement, ast.Expr):
            return None
        value = statement.value
        nodes += value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    if not calls or len(calls) < len(nodes):
        return None
    # The name of an argument without a name is not known, and `**x` has no value.
    good = [call for call in calls if not call.args and all(word.arg for word in call.keywords)]
    read = [ToolCall(ast.unparse(each.func), {w.arg or "": _argument(w.value) for w in each.keywords}) for each in good]
    return CallsRead(read, is_broken=len(good) < len(calls))


def _argument(node: ast.expr) -> Any:
    """The value of an argument: literals and sums of them; a name or another expression is its own text."""
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_argument(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        return {
            key.value: _argument(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        }
    if isinstance(node, ast.Constant) and node.value is not Ellipsis and not isinstance(node.value, (bytes, complex)):
        return node.value
    number = _number(node)
    return ast.unparse(node) if number is None else number


def _number(node: ast.expr) -> int | float | None:
    """The value of arithmetic with numbers; None for any other expression."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) in (int, float) else None  # type: ignore[return-value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        left, right = _number(node.left), _number(node.right)
        if left is not None and right is not None and (right or not isinstance(node.op, ast.Div)):
            try:
                value: int | float = ARITHMETIC[type(node.op)](left, right)
            except OverflowError:
                return None
            return value
    return None
