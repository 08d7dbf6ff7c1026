"""An answer that refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.row_parts import answer_of_row
from sft_cli.data.rows import Row
from sft_cli.metrics.safety.refusal import is_refusal


@dataclass(frozen=True, kw_only=True)
class RefusalFilter(RowFilter):
    """Drops rows whose answer begins like a refusal, in English or Chinese."""

    name: ClassVar[str] = "refusal"

    def problem(self, row: Row) -> str:
        """Whether the answer refuses."""
        return "answer is a refusal" if is_refusal(answer_of_row(row)) else ""
