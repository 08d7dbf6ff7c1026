"""The filters of written rows, with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sft_cli.data.rows import Row, turn_text
from sft_cli.metrics.safety.refusal import is_refusal

MOST_REPETITION = 0.3  # share of 4-grams that occurred before in the text
QuestionsAndAnswers = Sequence[tuple[str, str]]  # questions and answers


@dataclass
class Filters:
    """Returns the first reason against a written row. A fault that its examples have is not a reason.

    `repetition` returns the repeated share of a text's n-grams. `known` has the questions of real rows, and of rows
    that passed the filters.
    """

    repetition: Callable[[str], float]
    known: set[str] = field(default_factory=set)

    def against_question(self, row: Row, like: QuestionsAndAnswers = ()) -> str | None:
        """The reason to leave out the last user turn of a row; None if it stays. `like` are its examples."""
        question = _last(row, "user")
        if not question:
            return "empty question"
        if self.repetition(question) > self._allowed(like):
            return "question that repeats itself"
        key = question_key(row)
        if key in self.known:
            return "question that already exists"
        self.known.add(key)
        return None

    def against_answer(self, row: Row, like: QuestionsAndAnswers = ()) -> str | None:
        """The reason to leave out the answer at the end of a row; None if it stays."""
        answer = _last(row, "assistant")
        if not answer:
            return "empty answer"
        if is_refusal(answer) and not any(is_refusal(other) for _, other in like):
            return "refusal"
        return "answer that repeats itself" if self.repetition(answer) > self._allowed(like) else None

    def _allowed(self, like: QuestionsAndAnswers) -> float:
        return max([MOST_REPETITION, *(self.repetition(text) for pair in like for text in pair)])


def _last(row: Row, role: str) -> str:
    return next((turn_text(turn).strip() for turn in reversed(row["messages"]) if turn["role"] == role), "")


def question_key(row: Row) -> str:
    """The words of the question in a row, without regard to white space and the answer."""
    if "messages" not in row:
        return " ".join(row["text"].split())
    turns = row["messages"][:-1] if row["messages"][-1]["role"] == "assistant" else row["messages"]
    return "\n".join(
        f"{turn['role']} {' '.join(turn_text(turn).split())}" for turn in turns if turn["role"] != "system"
    )
