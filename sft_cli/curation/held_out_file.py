"""The rows of a test that --decontaminate looks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sft_cli.curation.contamination import HeldOut, HeldOutRow
from sft_cli.curation.row_ledger import DROPPED, LONGEST_IN_LEDGER, told
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.curation.training_rows import texts_of_training_row
from sft_cli.data.rows import Row, reference_texts
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_jsonl


@dataclass
class HeldOutFile:
    """The rows of the files of --decontaminate, and where each is."""

    held_out: HeldOut
    places: list[str]

    @classmethod
    def of(cls, paths: Iterable[str]) -> HeldOutFile:
        """Read the files. Raises UserError for a line that is not a row."""
        rows, places = [], []
        for path in paths:
            for number, row in read_jsonl(path):
                where = f"{path}:{number}"
                if isinstance(row, FieldError) or not ("messages" in row or "text" in row):
                    problem = row if isinstance(row, FieldError) else "expected messages or text"
                    raise UserError(
                        f"{where}: {problem}\nhint: --decontaminate reads rows of sft prep; sft prep converts a file"
                    )
                asked = HeldOutRow(question_of_row(row) or str(row.get("text") or ""), tuple(_answers(row)))
                rows.append(asked)
                places.append(where)
        return cls(HeldOut(rows), places)

    def entry(self, row: Row) -> dict[str, Any] | None:
        """What --ledger says of a row that has a row of the test; None if it has none."""
        found = self.held_out.found_in(texts_of_training_row(row))
        if not found:
            return None
        largest = max(found, key=lambda each: each.match.share)
        return {
            **told(DROPPED, "--decontaminate", f"a test row: {largest.part}, {largest.match.form}"),
            "test_row": self.places[largest.row],
            "share": round(largest.match.share, 4),
            "text": largest.match.text[:LONGEST_IN_LEDGER],
        }


def _answers(row: Row) -> list[str]:
    """The right answers of a row of a test: its references, else its last assistant turn."""
    return reference_texts(row) or ([answer_of_row(row)] if row.get("messages") else [])
