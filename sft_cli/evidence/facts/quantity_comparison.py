"""Whether a number of the evidence supports the number of a claim, leaves it open, or excludes it."""

from __future__ import annotations

from decimal import Decimal

from sft_cli.evidence.facts.date_comparison import Agreement
from sft_cli.evidence.facts.fact import Quantity
from sft_cli.evidence.facts.units import CHINESE_UNIT

FARTHEST = Decimal("1.5")  # more than 100 is said of 140, and not of 300
NEARLY = Decimal("0.05")  # share by which a number with `about`, or with a single digit, may differ
UPPER, LOWER = ("less", "at most"), ("more", "at least")
# Units of one dimension that are not converted: with equal numbers, they exclude one another.
DIMENSIONS = tuple(
    frozenset(units.split(", "))
    for units in (
        "USD, EUR, GBP, CNY, JPY, KRW, INR, HKD, TWD",
        "°C, °F",
        "percent, percentage point",
        "month, year",
        "degree north, degree south",
        "degree east, degree west",
    )
)


def compare_quantities(claimed: Quantity, stated: Quantity) -> Agreement:
    """`same` if the evidence supports the number, `other` if both cannot be true, `open` if it does not decide.

    Units must be equal, or one of them unknown. A number that is rounder than that of the evidence is `same` if the
    latter rounds to it, and `open` the other way round. A single number inside a range of the evidence is `open`.
    """
    if claimed.unit and stated.unit and claimed.unit != stated.unit and not _is_same_kind(claimed, stated):
        is_other = claimed.low == stated.low and any({claimed.unit, stated.unit} <= units for units in DIMENSIONS)
        return "other" if is_other else "open"
    if claimed.per and stated.per and claimed.per != stated.per:
        return "other" if claimed.low == stated.low else "open"
    answer = _compare_numbers(claimed, stated)
    return "open" if answer == "other" and claimed.unit != stated.unit else answer


def _compare_numbers(claimed: Quantity, stated: Quantity) -> Agreement:
    if claimed.low != claimed.high or stated.low != stated.high:
        return _compare_ranges(claimed, stated)
    if claimed.bound in (*UPPER, *LOWER) or stated.bound in (*UPPER, *LOWER):
        return _compare_bounds(claimed, stated)
    return _compare_single(claimed, stated)


def _compare_single(claimed: Quantity, stated: Quantity) -> Agreement:
    mine, theirs = claimed.low, stated.low
    if mine == theirs:
        return "same"
    if not mine or not theirs or (mine < 0) != (theirs < 0) or "year" in (claimed.unit, stated.unit):
        return "other"
    share = abs(theirs / mine - 1)
    if claimed.bound == "about" and claimed.digits < stated.digits and abs(mine) >= 20 and share < NEARLY:
        return "same"
    if stated.step <= claimed.step and abs(theirs - mine) <= claimed.step / 2:
        return "same" if claimed.digits > 1 or share < NEARLY else "open"
    is_rounder = claimed.step <= stated.step and abs(theirs - mine) <= stated.step / 2
    is_round = claimed.step > 1 and abs(theirs - mine) <= _last_digit(claimed) / 2 and share < NEARLY / 2
    is_about = "about" in (claimed.bound, stated.bound) and share < NEARLY / 2
    return "open" if is_rounder or is_round or is_about else "other"


def _last_digit(quantity: Quantity) -> Decimal:
    """What one unit of the last digit that is not zero means: a million in 3,000,000."""
    return Decimal(10) ** (quantity.low.adjusted() - max(quantity.digits, 1) + 1)


def _compare_ranges(claimed: Quantity, stated: Quantity) -> Agreement:
    """Two ranges must be equal. A single number inside a range is open, but hundreds of people are 350.

    A pair that falls, 3 to 1, is a score or a change, and has nothing between its numbers.
    """
    if (claimed.low, claimed.high) == (stated.low, stated.high):
        return "same"
    if claimed.low == claimed.high:
        if claimed.low in (stated.low, stated.high) and stated.bound != "about":
            return "same"
        return "open" if stated.low <= claimed.low <= stated.high else "other"
    if stated.low == stated.high and stated.bound in ("", "about"):
        is_inside = claimed.low <= stated.low <= claimed.high
        return "other" if not is_inside else "same" if claimed.bound == "about" else "open"
    is_apart = claimed.high < stated.low or stated.high < claimed.low
    return "open" if "about" in (claimed.bound, stated.bound) and not is_apart else "other"


def _compare_bounds(claimed: Quantity, stated: Quantity) -> Agreement:
    """More than 5 is said of 7, not of 5; and not of more than 3, which leaves it open."""
    mine, theirs = claimed.low, stated.low
    if claimed.bound == stated.bound and mine == theirs:
        return "same"
    if _is_excluded(claimed, stated):
        return "other"
    if claimed.bound in (*UPPER, *LOWER):
        is_upper = claimed.bound in UPPER
        if stated.bound and (stated.bound in UPPER) != is_upper:
            return "open"
        is_stronger = theirs <= mine if is_upper else theirs >= mine
        large, small = max(abs(mine), abs(theirs)), min(abs(mine), abs(theirs))
        return "same" if is_stronger and large < FARTHEST * small else "open"
    return "same" if mine == theirs and stated.bound in ("at most", "at least") else "open"


def _is_excluded(claimed: Quantity, stated: Quantity) -> bool:
    """Whether a number with a bound and another number, with or without, have no value in common.

    At most 100 and at least 100 are excluded: they say the contrary.
    """
    for one, other in ((claimed, stated), (stated, claimed)):
        if other.bound == "about":
            continue
        if one.bound in LOWER and other.bound not in LOWER:
            is_strict = one.bound == "more" and not other.bound and other is stated
            is_contrary = other.bound in UPPER
            if other.low < one.low or (other.low == one.low and (is_strict or is_contrary)):
                return True
        if one.bound in UPPER and other.bound not in UPPER:
            is_strict = one.bound == "less" and not other.bound and other is stated
            if other.low > one.low or (other.low == one.low and is_strict):
                return True
    return False


def _is_same_kind(first: Quantity, second: Quantity) -> bool:
    """Whether two units may count the same: both are counting words, not measures."""
    if all(unit.startswith("degree") for unit in (first.unit, second.unit)):
        return "degree" in (first.unit, second.unit)
    counting = {"person", "piece", "times", ""}
    return all(unit in counting or bool(CHINESE_UNIT.fullmatch(unit)) for unit in (first.unit, second.unit))
