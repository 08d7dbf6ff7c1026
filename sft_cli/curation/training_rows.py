"""The rows of training files, with their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sft_cli.data.rows import check_messages, check_text
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_jsonl


@dataclass(frozen=True)
class TrainingTexts:
    """The texts of a training row. asked: the turns that are not learned. learned: the answers, or the raw text.

    A system turn is neither. If several turns are asked, `asked` also has all of them in one text.
    """

    asked: tuple[str, ...]
    learned: tuple[str, ...]


def rows_with_texts(paths: Iterable[str]) -> Iterator[tuple[str, dict[str, Any], TrainingTexts]]:
    """Yield `file:line`, the row and its texts, for each row of each file.

    Raises UserError naming file and line for a row that has neither messages nor text.
    """
    for path in paths:
        for number, row in read_jsonl(path):
            where = f"{path}:{number}"
            try:
                if isinstance(row, FieldError):
                    raise row
                yield where, row, texts_of_training_row(row)
            except FieldError as error:
                raise UserError(
                    f"{where}: {error}\nhint: --train reads rows that sft prep wrote: messages or text"
                ) from None


def texts_of_training_row(row: dict[str, Any]) -> TrainingTexts:
    """The texts of a row; raises FieldError for a row that has neither messages nor text."""
    if "text" in row:
        check_text(row["text"])
        return TrainingTexts((), (row["text"],))
    messages = row.get("messages")
    if messages is None:
        raise FieldError("messages", "expected the turns of a row, got nothing")
    check_messages(messages)
    asked = tuple(turn.get("content") or "" for turn in messages if turn["role"] in ("user", "tool"))
    learned = tuple(turn.get("content") or "" for turn in messages if turn["role"] == "assistant")
    return TrainingTexts((*asked, "\n".join(asked)) if len(asked) > 1 else asked, learned)
