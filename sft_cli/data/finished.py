"""The last step of a row: its line, and whether it has an answer."""

from __future__ import annotations

from sft_cli.data.fields import known_fields
from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import as_line


def is_answered(row: Row) -> bool:
    """Whether a row does not end with a question, or has its answer."""
    is_open = "messages" in row and row["messages"][-1]["role"] != "assistant"
    return not is_open or any(row.get(key) for key in ("references", "choices", "answer"))


def finished_line(row: Row) -> str:
    """The row as a line; raises FieldError, with the cure, for a field that JSON has no form for."""
    try:
        return as_line(row)
    except FieldError as error:  # bytes or a picture in a field, half a surrogate pair
        name = error.field
        hint = f"--drop-field {name} leaves the field out" if name and name not in known_fields() else ""
        raise FieldError(name, error.problem, hint) from None
