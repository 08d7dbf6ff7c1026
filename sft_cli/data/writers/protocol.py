"""The parts of a writer, and the checks that several writers share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, TextIO

from sft_cli.data.rows import THOUGHT_FIELDS, Row
from sft_cli.run.errors import FieldError, shown

OTHER_WEIGHTS = "weights of turns that are not of the assistant left out"
CALL_NAMES = "ids of tool calls and names of tool turns left out"


class Written(NamedTuple):
    """A record in another format, and what it does not have of the row."""

    record: Row
    left_out: list[str]


class FormatWriter:
    """Writes rows in the format of another tool."""

    name: ClassVar[str]
    ending: ClassVar[str] = "jsonl"  # of the parts of --split

    def record(self, row: Row) -> Written:
        """The record of a row; raises FieldError for what the format cannot hold."""
        raise NotImplementedError

    def sink(self, out: TextIO, say: Callable[[str], None]) -> AbstractContextManager[TextIO]:
        """The file to which the lines of the records go."""
        return contextlib.nullcontext(out)


def turns_for(name: str, row: Row) -> list[dict[str, Any]]:
    """The turns of a row; raises FieldError for raw text."""
    if "messages" not in row:
        raise FieldError("text", f"expected messages for {name}, got raw text", "--to parquet writes raw text")
    turns: list[dict[str, Any]] = row["messages"]
    return turns


def check_own_names(name: str, row: Row, own: Container[str]) -> None:
    """Raise FieldError for a field of the row whose name has another meaning in the format."""
    for field in row:
        if field in own:
            cure = f"--drop-field {field} leaves the field out"
            raise FieldError(field, f"expected no such field, because {name} has its own", cure)


def check_turn(name: str, turn: dict[str, Any], where: str, known: Container[str]) -> None:
    """Raise FieldError for a field of a turn that is not known to the format."""
    for key, value in turn.items():
        if key in known:
            continue
        cure = "--reasoning drop leaves thoughts out" if key in THOUGHT_FIELDS else "--to messages has a place for it"
        raise FieldError(
            f"{where}.{key}", f"expected no such field, because {name} has no place for it, got {shown(value)}", cure
        )


def check_weight_is_one(name: str, turn: dict[str, Any], where: str) -> list[str]:
    """What is left out of the weight of a turn; raises FieldError if it is of an assistant turn and not 1."""
    weight = turn.get("weight")
    if weight is None:
        return []
    if turn["role"] != "assistant":
        return [OTHER_WEIGHTS]
    if weight != 1:
        problem = f"expected 1, because {name} has no weight of a turn, got {shown(weight)}"
        raise FieldError(f"{where}.weight", problem, "--to messages has a place for it")
    return []


def bare_tools(tools: list[dict[str, Any]]) -> list[Any]:
    """The definitions of functions without their envelope, as LLaMA-Factory reads them."""
    return [
        tool["function"]
        if tool.keys() == {"type", "function"} and tool["type"] == "function" and _is_function(tool["function"])
        else tool
        for tool in tools
    ]


def _is_function(function: Any) -> bool:
    return isinstance(function, dict) and "name" in function and "function" not in function
