"""The rows of --train: how many are copies, and which test rows they have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sft_cli.curation.contamination import HeldOut, HeldOutRow
from sft_cli.curation.training_rows import rows_with_texts
from sft_cli.data.identity import prompt_hash
from sft_cli.report.texts import RowTexts
from sft_cli.run.errors import UserError


@dataclass
class TrainingRows:
    """What is kept of the rows of --train: hashes of their prompts, the questions that they have, and counts."""

    paths: list[str]
    hashes: set[int] = field(default_factory=set)
    questions: set[str] = field(default_factory=set)
    rows: int = 0
    copies: int = 0  # rows whose prompt an earlier row has

    def has(self, own_hash: int, question: str) -> bool:
        """Whether a training row has this prompt, or the question or its answer in other words."""
        return own_hash in self.hashes or question in self.questions


def read_training_rows(paths: list[str], texts: Iterable[RowTexts]) -> TrainingRows:
    """Read the files of --train, and look for the questions of test rows and their answers in them.

    Raises UserError naming file and line for a row without a prompt.
    """
    asked = {text.question: text.references for text in texts if text.question}
    held_out = HeldOut([HeldOutRow(question, tuple(answers)) for question, answers in asked.items()])
    questions, known = list(asked), TrainingRows(paths)
    for _, row, own in rows_with_texts(paths):
        known.rows += 1
        number = int(prompt_hash(row) or "0", 16)
        known.copies += number in known.hashes
        known.hashes.add(number)
        known.questions.update(questions[found.row] for found in held_out.found_in(own))
    if not known.rows:
        raise UserError(f"--train {', '.join(paths)}: expected rows, got none")
    return known
