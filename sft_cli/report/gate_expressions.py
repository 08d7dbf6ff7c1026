"""--gate and --fail-if-worse as data: which value, where, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

POINT, SIGNIFICANT, LOWER, UPPER = "point", "significant", "lower bound", "upper bound"
ALL = "all"
EXPRESSION = re.compile(
    r"\s*(?P<name>.+?)\s*(?P<sign>>=|<=|>|<)\s*(?:(?P<base>base)\s*(?:(?P<plus>[+-])\s*(?P<step>[\d.eE-]+))?|"
    r"(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?))\s*(?:,\s*(?P<how>[a-z ]+?))?\s*"
)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a value must be. sign: 1 if it must be at least `number`, −1 if at most; is_strict: equal is not enough.

    is_relative: `number` is added to the value of the base. group: None is all rows and, if is_relative, every group;
    `all` is all rows alone. how: by which number it is judged. is_shorthand: written as --fail-if-worse.
    """

    text: str
    value: str
    group: str | None
    sign: int
    is_strict: bool
    number: float
    is_relative: bool
    how: str
    is_shorthand: bool = False

    @property
    def by_chance(self) -> bool:
        """Whether it asks only that the system is not significantly worse than the base: a test by a p-value."""
        return self.is_relative and self.number == 0 and self.how == SIGNIFICANT

    def is_about(self, value: str, group: str | None) -> bool:
        """Whether it judges a value of all rows (None) or of a group."""
        if value != self.value:
            return False
        if self.group is None:
            return self.is_relative or group is None
        return group == self.group or (self.group == ALL and group is None)

    def holds(self, number: float) -> bool:
        """Whether a number fulfils it; differences by rounding are none."""
        surplus = self.sign * (number - self.number)
        return surplus > 1e-12 if self.is_strict else surplus >= -1e-12


def read_gate(text: str, values: Collection[str], groups: Collection[str]) -> Gate:
    """A gate from `[GROUP.]VALUE >= NUMBER`, or `… >= base - NUMBER`, with `, lower bound` or the like at its end.

    Raises UserError for another form, and for a value or a group that no file has.
    """
    match = EXPRESSION.fullmatch(text)
    if match is None:
        raise UserError(
            f"--gate {text!r}: expected a value, >= or <=, and a number\n"
            "hint: --gate 'exact_match >= 0.8', --gate 'old.exact_match >= base - 0.02', --gate 'forgetting <= 0.05'"
        )
    group, value = _group_and_value(text, match["name"], values, groups)
    sign, how = (1 if match["sign"].startswith(">") else -1), match["how"] or POINT
    allowed = (POINT, SIGNIFICANT, LOWER if sign > 0 else UPPER)
    if how not in allowed:
        raise UserError(f"--gate {text!r}: expected {', '.join(allowed)} after the comma, got {how}")
    try:
        step = float(match["step"] or 0) * (-1 if match["plus"] == "-" else 1)
        number = step if match["base"] else float(match["number"])
    except ValueError:
        raise UserError(f"--gate {text!r}: expected a number, got {match['step'] or match['number']}") from None
    return Gate(
        text=f"{' '.join(text.partition(',')[0].split())} ({how})",
        value=value,
        group=group,
        sign=sign,
        is_strict=not match["sign"].endswith("="),
        number=number,
        is_relative=bool(match["base"]),
        how=how,
    )


def _group_and_value(text: str, name: str, values: Collection[str], groups: Collection[str]) -> tuple[str | None, str]:
    """(group, value) of a name; names of groups and of values can have points."""
    if name in values:
        return None, name
    for group in (*groups, ALL):
        value = name.removeprefix(f"{group}.")
        if value != name and value in values:
            return group, value
    group, point, value = name.rpartition(".")
    if point and value in values:
        raise UserError(f"--gate {text!r}: no rows of {group!r}.{near_name(group, list(groups))}")
    raise UserError(
        f"--gate {text!r}: not every file has the value {name!r}.{near_name(name, list(values))} "
        f"Known: {', '.join(values)}"
    )
