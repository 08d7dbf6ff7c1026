"""Personal data in questions and answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.filters.pii import PersonalDataFilter
from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, entries, rows_share

PERSONAL_FILTER = PersonalDataFilter()


@dataclass
class PersonalFigures(StatisticsFigures):
    """Rows with personal data, by kind: e-mail, phone, payment card, identity card, IP address."""

    rows: int = 0
    any: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def see(self, seen: SeenRow) -> None:
        """Look for each kind."""
        kinds = PERSONAL_FILTER.kinds_in(seen.row)
        self.rows += 1
        self.any += bool(kinds)
        self.kinds.update(kinds)

    def values(self) -> Values:
        """Rows with any kind, and with each."""
        return {
            "any_kind": rows_share(self.any, self.rows),
            "kinds": entries(self.kinds.items(), self.rows, len(self.kinds)),
        }
