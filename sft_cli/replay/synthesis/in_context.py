"""Rows written like others: the prompt of worked examples that a model continues, and the row in its text.

Source: Huang et al. 2024 (SSR, arXiv 2403.01244): a base model continues K examples with a new one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sft_cli.data.language import language_of
from sft_cli.data.rows import Row, turn_text

TURN_MARKS = {
    "en": ("Input: ", "Output: "),
    "zh": ("输入：", "输出："),
}  # the marks before a question and before an answer
STOPS = tuple(
    f"\n{question.strip()}" for question, _ in TURN_MARKS.values()
)  # the beginning of the next example after the written one


@dataclass(frozen=True)
class ShownExample:
    """A question, its answer, and the text of the system turn."""

    id: str
    system: str
    question: str
    answer: str


def example_of(row: Row) -> ShownExample | None:
    """The example in a row of one user turn and its answer; None for other rows, and if a text contains a mark."""
    messages = row.get("messages") or []
    has_system = bool(messages) and messages[0]["role"] == "system"
    system, turns = (turn_text(messages[0]), messages[1:]) if has_system else ("", messages)
    if [turn["role"] for turn in turns] != ["user", "assistant"] or row.get("tools"):
        return None
    question, answer = (turn_text(turn).strip() for turn in turns)
    is_marked = any(
        mark.strip() in text for marks in TURN_MARKS.values() for mark in marks for text in (question, answer)
    )
    return ShownExample(row["id"], system, question, answer) if question and answer and not is_marked else None


def draw_examples(examples: Sequence[ShownExample], shots: int, draw: random.Random) -> list[ShownExample]:
    """One example, and others with the same system turn, in random order; at most `shots`."""
    first = draw.choice(examples)
    others = [example for example in examples if example.system == first.system and example is not first]
    return [*draw.sample(others, min(shots - 1, len(others))), first]


def continued_prompt(examples: Sequence[ShownExample]) -> str:
    """The text that the model continues: the examples, and the mark of a question in the last example's language."""
    ask, tell = marks_of(examples)
    shown = "".join(f"{ask}{example.question}\n{tell}{example.answer}\n\n" for example in examples)
    return shown + ask.strip()


def marks_of(examples: Sequence[ShownExample]) -> tuple[str, str]:
    """The marks of a question and of an answer, in the language of the last example."""
    return TURN_MARKS[language_of(examples[-1].question)]


def read_continuation(text: str, examples: Sequence[ShownExample]) -> tuple[str, str] | None:
    """(question, answer) in the text that a model wrote; None unless it has the mark of an answer exactly once."""
    parts = text.split(marks_of(examples)[1].strip())
    return (parts[0].strip(), parts[1].strip()) if len(parts) == 2 else None
