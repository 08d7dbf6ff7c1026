"""The prompts of training rows, to find test rows that a model has seen."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.identity import prompt_hash
from sft_cli.data.rows import as_prompt, check_messages
from sft_cli.report.texts import asked_text
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_jsonl


@dataclass
class TrainingRows:
    """What is kept of the rows of --train: hashes of prompts, hashes of normalised questions, and counts."""

    paths: list[str]
    hashes: set[int] = field(default_factory=set)
    questions: set[int] = field(default_factory=set)
    rows: int = 0
    copies: int = 0  # rows whose prompt an earlier row has

    def has(self, own_hash: int, question: str) -> bool:
        """Whether a training row has this prompt, or the same letters and digits in it."""
        normal = normalised(question)
        return own_hash in self.hashes or (bool(normal) and hash(normal) in self.questions)


def normalised(text: str) -> str:
    """The letters and digits of a text, in one case and one width, with one space between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(letter if letter.isalnum() else " " for letter in folded).split())


def read_training_rows(paths: list[str]) -> TrainingRows:
    """Read the files of --train. Raises UserError naming file and line for a row without a prompt."""
    known = TrainingRows(paths)
    for path in paths:
        for number, row in read_jsonl(path):
            try:
                if isinstance(row, FieldError):
                    raise row
                _keep_prompt(known, row)
            except FieldError as error:
                raise UserError(
                    f"{path}:{number}: {error}\nhint: --train reads rows that sft prep wrote: messages or text"
                ) from None
    if not known.rows:
        raise UserError(f"--train {', '.join(paths)}: expected rows, got none")
    return known


def _keep_prompt(known: TrainingRows, row: dict[str, Any]) -> None:
    own = prompt_hash(row)
    if own is None:
        raise FieldError("messages", "expected the turns of a row, got nothing")
    known.rows += 1
    known.copies += int(own, 16) in known.hashes
    known.hashes.add(int(own, 16))
    messages = row.get("messages")
    if messages is not None:
        check_messages(messages)
        row = as_prompt(row)
        if not row["messages"]:
            return  # an answer alone asks nothing
    if normal := normalised(asked_text(row)):
        known.questions.add(hash(normal))
