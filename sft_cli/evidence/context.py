"""The passages that a prompt gets: the best that fit into a number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sft_cli.data.rows import Row
from sft_cli.evidence.index.search_index import Hit, SearchIndex
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.text import counted


def query_of(row: Row, field: str | None) -> str:
    """The text that a row asks for: a field, or its last user turn, or its raw text.

    Raises FieldError if there is none, if it has no words, or if the row has a context already.
    """
    if "context" in row:
        raise FieldError(
            "context",
            "expected a row without passages, got one that has some; sft prep --drop-field context removes them",
        )
    if field is not None:
        text, name = row.get(field), field
    elif "messages" in row:
        users = [turn for turn in row["messages"] if turn["role"] == "user"]
        text, name = users[-1].get("content") if users else None, "messages"
    else:
        text, name = row.get("text"), "text"
    if not isinstance(text, str) or not text.strip():
        raise FieldError(name, f"expected a text to search for, got {shown(text)}")
    return text


class ContextWriter:
    """Adds `context` to rows, and counts what could not be added. digits: of the scores."""

    def __init__(self, index: SearchIndex, digits: int, budget: int | None, count: Callable[[str], int] | None) -> None:
        self.index, self.digits = index, digits
        self.budget, self.tokens_of = budget, count
        self.empty = self.cut = 0  # rows for which nothing was found; rows of which a passage did not fit

    def row(self, row: Row, hits: Iterable[Hit]) -> Row:
        """The row with its passages, best first: `{id, source, score, text}`, and `title` if the passage has one.

        Passages are added until one does not fit into the budget.
        """
        passages: list[Row] = []
        room, cut = self.budget, self.cut
        for hit in hits:
            passage = self.index.passage(hit.passage)
            if room is not None and self.tokens_of is not None:
                room -= self.tokens_of(passage["text"])
                if room < 0:
                    self.cut += 1
                    break
            title = {"title": passage["title"]} if "title" in passage else {}
            head = {"id": passage["id"], "source": passage["source"], "score": round(hit.score, self.digits)}
            passages.append({**head, **title, "text": passage["text"]})
        self.empty += not passages and self.cut == cut
        return {**row, "context": passages}

    def say_what_is_missing(self, run: Run) -> None:
        """Say how many rows have no passages, or fewer than were found: none, if the first does not fit."""
        if self.empty:
            problem = "no word of the prompt is in the corpus"
            run.say(f"{counted(self.empty, 'prompt')} without a passage: {problem}")
        if self.cut:
            run.say(f"{counted(self.cut, 'prompt')} with fewer passages, because of --context-tokens")
