"""Errors that a user can correct, in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sft_cli.run.text import for_terminal, printable, shorten

LONGEST_FIELD, LONGEST_PROBLEM = 120, 500  # characters of each in a message


class UserError(Exception):
    """An error that the user can correct: printed without a traceback, exit code 2.

    The message is safe to print and to write, also if it quotes the input.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(for_terminal(message))


class FieldError(UserError):
    """One bad field of one row: `field: expected …, got …`. The reader adds `file:line`.

    `hint` is the cure. `may_skip` says whether the user may also leave out the row.
    """

    def __init__(self, field: str, problem: str, hint: str = "", may_skip: bool = True) -> None:
        self.field = shorten(printable(field), LONGEST_FIELD)
        self.problem = shorten(printable(problem), LONGEST_PROBLEM)
        self.hint, self.may_skip = hint, may_skip
        super().__init__(f"{self.field}: {self.problem}" if field else self.problem)

    def __reduce__(self) -> tuple[type, tuple[str, str, str, bool]]:
        """The form in which a process sends the error to another."""
        return FieldError, (self.field, self.problem, self.hint, self.may_skip)


class AnswerIsNo(Exception):
    """The command ran well and its answer is no (bad rows, a lower score): exit code 1."""

    exit_code = 1


def shown(value: object, limit: int = 60) -> str:
    """A value as an error message quotes it: one line of JSON-like text, cut at `limit` characters.

    Large values take no longer than small ones. It never fails: values may be nested too deeply for JSON, or have no
    form in JSON.
    """
    text = ""
    for piece in _pieces(value, limit):
        text += piece
        if len(text) > limit:
            break
    return shorten(printable(text), limit)


def _pieces(value: object, limit: int) -> Iterator[str]:
    # Each level yields a character before the next level, so the caller stops long before Python's recursion limit.
    if isinstance(value, dict):
        yield "{"
        for place, (key, inner) in enumerate(value.items()):
            yield ", " if place else ""
            yield from _pieces(str(key), limit)
            yield ": "
            yield from _pieces(inner, limit)
        yield "}"
    elif isinstance(value, (list, tuple)):
        yield "["
        for place, inner in enumerate(value):
            yield ", " if place else ""
            yield from _pieces(inner, limit)
        yield "]"
    elif isinstance(value, (str, bytes)):
        start = value[: limit + 1]
        yield json.dumps(start if isinstance(start, str) else repr(start), ensure_ascii=False)
    elif isinstance(value, (int, float, type(None))):
        yield json.dumps(value)
    else:
        yield json.dumps(repr(value), ensure_ascii=False)


def require(package: str, flag: str, requirement: str) -> None:
    """Raise UserError, naming the flag and the `requirement` for pip, if a package cannot be imported."""
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise UserError(f"{flag}: needs the package {package}\nhint: pip install '{requirement}'")
