"""Worked examples: rows with an answer, shown before the question."""

from __future__ import annotations

from typing import NamedTuple

from sft_cli.data.rows import Row, as_prompt, read_rows, reference_texts, turn_text
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted


class WorkedExample(NamedTuple):
    """A question as a row without its answer, the answer, and its line in the file."""

    where: str
    row: Row
    prompt: str
    answer: str


def read_examples(path: str, shots: int | None) -> list[WorkedExample]:
    """The examples of a file of rows; raises UserError with every bad line, or if there are fewer than `shots`."""
    examples: list[WorkedExample] = []
    # Never skipped, also not with --on-error skip: without one example every prompt would be different.
    ledger = Ledger()
    for where, row in read_rows([path], ledger):
        try:
            examples.append(_example(where, row))
        except FieldError as error:
            ledger.reject(where, error)
    ledger.hint = ledger.hint or "each line of --examples is a row with one user turn and its answer"
    ledger.close()
    if len(examples) < max(1, shots or 0):
        wanted = counted(max(1, shots or 0), "example")
        raise UserError(f"--examples: {path}: expected at least {wanted}, got {len(examples)}")
    return examples


def _example(where: str, row: Row) -> WorkedExample:
    if "messages" not in row:
        raise FieldError("text", "expected messages in an example, got raw text")
    last, question = row["messages"][-1], as_prompt(row)
    answers = [turn_text(last)] if last["role"] == "assistant" else reference_texts(row)
    if not answers or not answers[0].strip():
        raise FieldError("messages", "expected an answer in an example: an assistant turn at its end, or references")
    roles = [turn["role"] for turn in question["messages"] if turn["role"] != "system"]
    if roles != ["user"]:
        raise FieldError(
            "messages", f"expected an example of one user turn and its answer, got {shown(roles)} before it"
        )
    return WorkedExample(where, question, turn_text(question["messages"][-1]), answers[0])
