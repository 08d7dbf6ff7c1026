"""What the model answered: the one place that says which part of a generation a metric reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sft_cli.metrics.extract import extractor
from sft_cli.run.errors import UserError


class Marks(NamedTuple):
    """What stands before and after a thought."""

    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}...{self.after}"


THINK = Marks("<think>", "</think>")


def read_marks(text: str, flag: str = "--reasoning") -> Marks | None:
    """The marks that `<think>...</think>` names; None for `none`. Raises UserError for anything else."""
    if text == "none":
        return None
    before, dots, after = text.replace("…", "...", 1).partition("...")
    if not (dots and before.strip() and after.strip()):
        raise UserError(
            f"{flag}: expected the marks of a thought with ... between them, or none, got {text!r}\n"
            f"hint: {flag} '[THINK]...[/THINK]'"
        )
    return Marks(before.strip(), after.strip())


def without_thoughts(text: str, marks: Marks | None = THINK) -> str | None:
    """What follows the last thought; None if a thought was begun and never ended, since then no answer came.

    A text may begin inside a thought, where the chat template wrote the first mark: everything before the last end
    mark is thought. White space after a thought goes with it.
    """
    if marks is None:
        return text
    _, end, rest = text.rpartition(marks.after)
    if marks.before in rest:
        return None
    return rest.lstrip() if end else text


class CheckedGeneration(dict[str, Any]):
    """A row of `sft generate` that was checked, and what the model said in it beside its thoughts."""

    def __init__(self, row: Mapping[str, Any], said: str | None, had_thoughts: bool = False) -> None:
        super().__init__(row)
        self.said = said
        self.had_thoughts = had_thoughts


def said(row: Mapping[str, Any]) -> str | None:
    """The completion without its thoughts; None if the row failed or a thought never ended.

    Rows that `check_generation` gave have other marks than `<think>…</think>` if it was told so.
    """
    if isinstance(row, CheckedGeneration):
        return row.said
    completion = row["completion"]
    return None if completion is None else without_thoughts(completion)


def answer_of(row: Mapping[str, Any], extract: str = "auto") -> str | None:
    """What the model answered; None if nothing came or nothing could be read, which is wrong everywhere.

    With `auto` it is the row's `prediction` if the row has that key, as `generate --extract` wrote it, and otherwise
    all that was said. Any other rule of `extract` reads what was said, and no `prediction`.
    """
    text = said(row)
    if text is None:
        return None
    if extract == "auto":
        return row.get("prediction", text)  # null: nothing was read
    read = extractor(extract)
    return None if read is None else read(text)


def unread(row: Mapping[str, Any], answer: str | None) -> dict[str, float]:
    """`no_answer` if the model said something but no answer was read from it."""
    return {"no_answer": 1} if answer is None and said(row) is not None else {}
