"""The source of a row: its task, or the name of its file if it has no task; as in `sft train --mix`."""

from __future__ import annotations

from dataclasses import dataclass, field

from sft_cli.data.rows import Row, stems


@dataclass
class SourceNames:
    """Names the source of rows."""

    stems: dict[str, str] = field(default_factory=dict)  # of files

    def of(self, where: str, row: Row) -> str:
        """The task of a row, or the name of its file without folder and endings; `row` for stdin."""
        if row.get("task"):
            return str(row["task"])
        path = where.rpartition(":")[0] or where
        if path not in self.stems:
            self.stems[path] = "row" if path in ("<stdin>", "-") else stems([path])[0]
        return self.stems[path]
