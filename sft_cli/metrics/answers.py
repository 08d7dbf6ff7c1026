"""The answer of the model: this file alone decides which part of a generation a metric reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sft_cli.metrics.extract import extractor
from sft_cli.run.errors import UserError


class Marks(NamedTuple):
    """The marks before and after a thought."""

    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}...{self.after}"


THINK = Marks("<think>", "</think>")


def read_marks(text: str, flag: str = "--reasoning") -> Marks | None:
    """The marks in a text such as `<think>...</think>`; None for `none`. Raises UserError for any other text."""
    if text == "none":
        return None
    before, dots, after = text.replace("…", "...", 1).partition("...")
    if not (dots and before.strip() and after.strip()):
        raise UserError(
            f"{flag}: expected START...END, the two marks around a thought with three dots between them, or the word "
            f"none, got {text!r}\n"
            f"hint: {flag} '[THINK]...[/THINK]'"
        )
    return Marks(before.strip(), after.strip())


def without_thoughts(text: str, marks: Marks | None = THINK) -> str | None:
    """The text after the last thought; None if a thought has no end, because then there is no answer.

    A text can begin inside a thought, if the chat template wrote the first mark: everything before the last end mark is
    thought. White space after a thought belongs to it.
    """
    if marks is None:
        return text
    _, end, rest = text.rpartition(marks.after)
    if marks.before in rest:
        return None
    return rest.lstrip() if end else text


class CheckedGeneration(dict[str, Any]):
    """A checked row of `sft generate`, and the text of the model without its thoughts."""

    def __init__(self, row: Mapping[str, Any], said: str | None, had_thoughts: bool = False) -> None:
        super().__init__(row)
        self.said = said
        self.had_thoughts = had_thoughts


def said(row: Mapping[str, Any]) -> str | None:
    """The completion without its thoughts; None if the row failed or a thought never ended.

    The marks of thoughts are those that `check_generation` received, by default `<think>…</think>`.
    """
    if isinstance(row, CheckedGeneration):
        return row.said
    completion = row["completion"]
    return None if completion is None else without_thoughts(completion)


def answer_of(row: Mapping[str, Any], extract: str = "auto") -> str | None:
    """The answer of the model; None if there is no text or no answer in it, which is wrong for every metric.

    With `auto` it is the row's `prediction`, if the row has that key (`generate --extract` writes it), otherwise the
    whole text without thoughts. Every other rule of `extract` reads the text, and not the `prediction`.
    """
    text = said(row)
    if text is None:
        return None
    if extract == "auto":
        return row.get("prediction", text)  # null: no answer was found
    read = extractor(extract)
    return None if read is None else read(text)


def unread(row: Mapping[str, Any], answer: str | None) -> dict[str, float]:
    """`no_answer` if there is text but no answer was found in it."""
    return {"no_answer": 1} if answer is None and said(row) is not None else {}
