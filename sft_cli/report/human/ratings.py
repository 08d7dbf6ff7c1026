"""Ratings that a blind page exported: read and checked against the key of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sft_cli.report.human.criteria import OVERALL, PAIR_CHOICES, Criterion
from sft_cli.report.human.key import Key, KeyRow
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl

FILE_CURE = "sft compare --ratings reads files that a blind page exported, and verdicts of a judge"
Value = Any  # a choice, a rating, or a list of ranks


@dataclass(frozen=True)
class Rating:
    """What one rater said of one row, by one criterion. `row` knows the systems behind the sides.

    value: a choice of PAIR_CHOICES, a rating, or the rank of each answer in the order shown (1 is best).
    """

    rater: str
    row: KeyRow
    criterion: str
    value: Value
    seconds: float | None = None
    is_judge: bool = False


def read_ratings(path: str, key: Key, limit: int | None) -> list[Rating]:
    """The ratings of one file that a page exported.

    Raises UserError, naming `file:line`, for a row of another page, with a code that the key does not have, with a
    value that is not on the scale, and for a row that a rater judged twice in this file.
    """
    ratings: list[Rating] = []
    seen: dict[tuple[str, tuple[str, ...]], int] = {}
    known = key.of_codes
    for number, row in islice(read_jsonl(path), limit):
        where = f"{'<stdin>' if path == '-' else path}:{number}"
        try:
            if isinstance(row, FieldError):
                raise row
            _check_page(row, key)
            shown_row = _row_of(row, key, known)
            found = list(_ratings_of(row, shown_row, key))
        except FieldError as error:
            raise UserError(f"{where}: {error}\nhint: {error.hint or FILE_CURE}") from None
        place = found[0].rater, tuple(shown_row.codes)
        if place in seen:
            raise UserError(
                f"{where}: id: {shown(row['id'])}, sample {shown_row.sample} by rater {shown(place[0])} is already in "
                f"line {seen[place]}\nhint: keep one line for each row and rater"
            )
        seen[place] = number
        ratings += found
    if not ratings:
        raise UserError(f"{path}: no rows\nhint: Export on the page writes the rows that are judged")
    return ratings


def check_raters(files: dict[str, list[Rating]]) -> None:
    """Raise UserError for a row that a rater of the same name judged in two files."""
    seen: dict[tuple[str, tuple[str, ...], str], str] = {}
    for path, ratings in files.items():
        for rating in ratings:
            place = rating.rater, tuple(rating.row.codes), rating.criterion
            if seen.setdefault(place, path) != path:
                raise UserError(
                    f"{path}: id: {shown(rating.row.id)} by rater {shown(rating.rater)} is also in {seen[place]}\n"
                    "hint: give the newest export of each rater; two raters need different names"
                )


def _check_page(row: dict[str, Any], key: Key) -> None:
    for name in ("rater", "page"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise FieldError(name, f"expected text, got {shown(row.get(name))}")
    if row["page"] != key.page:
        hint = f"the key of that page, or the ratings of the page that belongs to {key.path}"
        raise FieldError("page", f"expected {key.page} as in {key.path}, got {shown(row['page'])}", hint)


def _row_of(row: dict[str, Any], key: Key, known: dict[tuple[str, ...], KeyRow]) -> KeyRow:
    """The row of the key that has the codes of a rating."""
    fields = {"pair": ("left", "right"), "single": ("code",), "ranking": ("codes",)}[key.kind]
    codes = row.get("codes") if key.kind == "ranking" else [row.get(field) for field in fields]
    found = known.get(tuple(codes)) if isinstance(codes, list) and all(isinstance(c, str) for c in codes) else None
    if found is None:
        what = shown(codes if key.kind == "ranking" else ", ".join(str(code) for code in codes or []))
        raise FieldError(
            ", ".join(fields), f"expected codes of answers as in {key.path}, got {what}: the row is of another page"
        )
    if str(row.get("id")) != str(found.id):
        raise FieldError(
            "id", f"expected {shown(found.id)}, the row with these codes of answers, got {shown(row.get('id'))}"
        )
    return found


def _ratings_of(row: dict[str, Any], shown_row: KeyRow, key: Key) -> Iterator[Rating]:
    given = row.get("criteria", {})
    if not isinstance(given, dict):
        raise FieldError("criteria", f"expected an object, got {shown(given)}")
    milliseconds = row.get("ms")
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float, type(None))):
        raise FieldError("ms", f"expected a number, got {shown(milliseconds)}")
    seconds = None if milliseconds is None else milliseconds / 1000
    field = {"pair": "choice", "single": "rating", "ranking": "ranks"}[key.kind]
    names = {criterion.name for criterion in key.criteria}
    for name in given:
        if name not in names or name == OVERALL:
            raise FieldError(f"criteria.{name}", f"expected a criterion of {key.path}, got {shown(name)}")
    for criterion in key.criteria:
        is_overall = criterion.name == OVERALL
        place = field if is_overall else f"criteria.{criterion.name}"
        value = row.get(field) if is_overall else given.get(criterion.name)
        _check_value(place, value, criterion, len(shown_row.codes))
        yield Rating(row["rater"].strip(), shown_row, criterion.name, value, seconds if is_overall else None)


def _check_value(place: str, value: Any, criterion: Criterion, answers: int) -> None:
    if criterion.scale == "choice":
        if value not in PAIR_CHOICES:
            raise FieldError(place, f"expected one of {', '.join(PAIR_CHOICES)}, got {shown(value)}")
    elif criterion.scale == "ranking":
        is_ranks = isinstance(value, list) and len(value) == answers
        if not is_ranks or not all(type(rank) is int and 1 <= rank <= answers for rank in value):
            raise FieldError(place, f"expected {answers} ranks from 1 to {answers}, got {shown(value)}")
    else:
        low, high = criterion.bounds
        if type(value) is not int or not low <= value <= high:
            raise FieldError(place, f"expected a whole number from {low} to {high}, got {shown(value)}")
