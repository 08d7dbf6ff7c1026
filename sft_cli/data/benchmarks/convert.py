"""From a benchmark's record to a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.benchmarks.question import Question, question_row
from sft_cli.data.benchmarks.record_fields import check_choice_count, with_columns, wrong_columns
from sft_cli.data.identity import Ids
from sft_cli.data.rows import Row, check_row
from sft_cli.run.errors import FieldError


@dataclass
class BenchmarkConverter:
    """Turns the flat records of a benchmark into rows; other fields of the records are left out."""

    name: str
    task: str = ""
    system: str = ""
    is_chat: bool = False
    ids: Ids = field(default_factory=Ids)

    @cached_property
    def ask(self) -> Callable[[dict[str, Any]], Question]:
        """The benchmark's function."""
        function: Callable[[dict[str, Any]], Question] = BENCHMARKS.load(self.name)
        return function

    def row(self, record: dict[str, Any], where: str) -> Row:
        """The row of a record; raises FieldError for its first bad field."""
        row = question_row(self.question(record), self.task or self.name, self.is_chat)
        name = self.ids.of(row)
        if self.system and self.is_chat:
            row["messages"] = [{"role": "system", "content": self.system}, *row["messages"]]
        row["source"] = where
        check_row(row)
        return {"id": name, **row}

    def question(self, record: dict[str, Any]) -> Question:
        """The question of a record; raises FieldError for a bad field, or for the fields of another benchmark."""
        try:
            question = self.ask(record)
        except FieldError as error:
            raise wrong_columns(self.name, record) or with_columns(self.name, error) from None
        if (wrong := wrong_columns(self.name, record)) is not None:
            raise wrong
        check_choice_count(self.name, len(question.choices))
        return question

    def finish(self, row: Row) -> Row:
        """The row itself: it is already a row for evaluation."""
        return row
