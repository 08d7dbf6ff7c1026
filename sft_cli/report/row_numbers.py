"""Named numbers of rows, stored as arrays: many rows need little memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RowNumbers:
    """Numbers by row and name. Rows with the same names are stored together, without their names."""

    parts: dict[tuple[str, ...], tuple[array[int], array[float]]] = field(default_factory=dict)

    def add(self, row: int, numbers: dict[str, float]) -> None:
        """Add the numbers of one row; raises TypeError if a value is not a number."""
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
        """The numbers as an array (size, names); `missing` if a row has no number of a name."""
        import numpy

        values = numpy.full((size, len(names)), missing)
        for own, (rows, flat) in self.parts.items():
            numbers = numpy.frombuffer(flat).reshape(len(rows), len(own))
            for place, name in enumerate(names):
                if name in own:
                    values[numpy.frombuffer(rows, dtype=numpy.int64), place] = numbers[:, own.index(name)]
        return values

    def has_row(self, size: int) -> Any:
        """Which of `size` rows have numbers, bool (size,)."""
        import numpy

        mask = numpy.zeros(size, dtype=bool)
        for rows, _ in self.parts.values():
            mask[numpy.frombuffer(rows, dtype=numpy.int64)] = True
        return mask
