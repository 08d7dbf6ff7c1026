"""`NAME=NUMBER`: values of repeatable flags whose names come from the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name


def parse_numbers(flag: str, entries: Iterable[str], may_be_zero: bool) -> dict[str, float]:
    """`NAME=NUMBER` entries as a dict; raises UserError, naming the flag, for any other entry."""
    numbers: dict[str, float] = {}
    for entry in entries:
        name, separator, text = entry.rpartition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not separator or not name or not math.isfinite(number):
            raise UserError(f"{flag}: expected NAME=NUMBER, got {entry!r}")
        if number < 0 or (number == 0 and not may_be_zero):
            raise UserError(f"{flag}: {name}: expected {'at least' if may_be_zero else 'more than'} 0, got {text}")
        if name in numbers:
            raise UserError(f"{flag}: {name}: given twice")
        numbers[name] = number
    return numbers


def check_names(flag: str, names: Iterable[str], known: Sequence[str], hint: str = "") -> None:
    """Raise UserError, with the nearest name and a hint, for a name that no row has."""
    for name in names:
        if name not in known:
            listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            raise UserError(
                f"{flag}: no row has the name {name!r}.{near_name(name, list(known))} Known: {listed or 'none'}{hint}"
            )
