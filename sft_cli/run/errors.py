"""What a user can fix, said in one line."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can fix: printed without a traceback, exit code 2."""

    exit_code = 2


class FieldError(UserError):
    """One bad field of one row: `field: expected …, got …`; the reader adds `file:line`.

    `hint` is the cure, where to leave out the bad rows would be none.
    """

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem
        self.hint = hint


class AnswerIsNo(Exception):
    """The command ran well and its answer is no (bad rows, a score that fell): exit code 1."""

    exit_code = 1


def shown(value: object, limit: int = 60) -> str:
    """A value as an error message quotes it: one line of JSON-like text, cut at `limit` characters."""
    import json

    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= limit else text[: limit - 1] + "…"
