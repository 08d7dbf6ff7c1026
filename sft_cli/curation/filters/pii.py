"""Personal data, by its form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.data.rows import Row
from sft_cli.metrics.safety.personal_data import PERSONAL_DATA, without_personal_data
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

TEXT_FIELDS = ("text", "references", "answer", "system")


@dataclass(frozen=True, kw_only=True)
class PersonalDataFilter(RowFilter):
    """Replaces personal data in all turns by `[email]`, `[phone]`, …; action=drop drops such rows.

    `kinds`: email, phone, card, id (Chinese identity card), ip. Names and addresses have no form and are not found.
    """

    name: ClassVar[str] = "pii"
    kinds: str = "/".join(PERSONAL_DATA)
    action: Literal["mask", "drop"] = "mask"

    def __post_init__(self) -> None:
        for kind in self.kinds.split("/"):
            if kind not in PERSONAL_DATA:
                known = "/".join(PERSONAL_DATA)
                raise UserError(f"pii: kinds: expected {known}, got {kind!r}.{near_name(kind, list(PERSONAL_DATA))}")

    def problem(self, row: Row) -> str:
        """The kinds of personal data, if such rows are dropped."""
        there = self.kinds_in(row) if self.action == "drop" else []
        return f"personal data: {', '.join(there)}" if there else ""

    def changed(self, row: Row) -> tuple[Row, str]:
        """The row without personal data, and the kinds that it had."""
        if self.action == "drop":
            return row, ""
        masked, there = self._masked(row)
        return (masked, f"personal data masked: {', '.join(there)}") if there else (row, "")

    def kinds_in(self, row: Row) -> list[str]:
        """The kinds of personal data that a row has."""
        return list(dict.fromkeys(self._masked(row)[1]))

    def _masked(self, row: Row) -> tuple[Row, list[str]]:
        there: Counter[str] = Counter()
        masked = dict(row)
        for name in TEXT_FIELDS:
            if name in row:
                masked[name] = self._in_value(row[name], there)
        if "messages" in row:
            masked["messages"] = [self._in_value(turn, there) for turn in row["messages"]]
        return masked, list(there)

    def _in_value(self, value: Any, there: Counter[str]) -> Any:
        """The value with every text in it masked; the kinds go to `there`."""
        if isinstance(value, str):
            text, kinds = without_personal_data(value, self.kinds.split("/"))
            there.update(kinds)
            return text
        if isinstance(value, list):
            return [self._in_value(each, there) for each in value]
        if isinstance(value, dict):
            return {key: self._in_value(each, there) for key, each in value.items()}
        return value
