"""Numbers that rows have under names, kept as columns: many rows take little memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RowNumbers:
    """Numbers by row and name. Rows that have the same names are kept side by side, without their names."""

    parts: dict[tuple[str, ...], tuple[array[int], array[float]]] = field(default_factory=dict)

    def add(self, row: int, numbers: dict[str, float]) -> None:
        """Add one row's numbers; raises TypeError if one is no number."""
        names = tuple(numbers)
        part = self.parts.get(names)
        if part is None:
            part = self.parts[names] = (array("q"), array("d"))
        part[1].extend(numbers.values())
        part[0].append(row)

    @property
    def names(self) -> list[str]:
        """All names, in order of appearance."""
        return list(dict.fromkeys(name for part in self.parts for name in part))

    def table(self, names: list[str], size: int, missing: float = 0.0) -> Any:
        """The numbers as an array (size, names); `missing` stands where a row has none of a name."""
        import numpy

        found = numpy.full((size, len(names)), missing)
        for own, (rows, flat) in self.parts.items():
            numbers = numpy.frombuffer(flat).reshape(len(rows), len(own))
            for place, name in enumerate(names):
                if name in own:
                    found[numpy.frombuffer(rows, dtype=numpy.int64), place] = numbers[:, own.index(name)]
        return found

    def has_row(self, size: int) -> Any:
        """Which of `size` rows have numbers here, bool (size,)."""
        import numpy

        found = numpy.zeros(size, dtype=bool)
        for rows, _ in self.parts.values():
            found[numpy.frombuffer(rows, dtype=numpy.int64)] = True
        return found
