"""The ranking of a row, the gold ids that it must find, and the parts that the metrics of retrieval share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.run.errors import FieldError, shown

PASSAGE_NUMBER = re.compile(r"#[0-9]+\Z")  # the end of the id of a passage: `d7#2` is the second passage of `d7`
LARGEST_GRADE = 1e100  # so that sums of grades are finite


@dataclass(frozen=True, kw_only=True)
class RankingMetric(Metric):
    """The shared parts of metrics that compare the ranking in `context` with `gold`; a row without `gold` is left out.

    Rows whose `gold` names nothing relevant are left out and counted. An empty ranking scores 0.
    """

    reads: ClassVar[PartRead] = "context"
    missing: ClassVar[str] = "no_gold"
    counted: ClassVar[tuple[str, ...]] = ("nothing_relevant", "short_ranking")
    k: int | None = None

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The row's value and 1; `short_ranking` if fewer than k ids are ranked, and more could raise the value.

        Raises FieldError if `gold` or `context` has another form.
        """
        grades = gold_of(row)
        if grades is None:
            return None
        gains = ranked_gains(ranking_of(row), grades)
        relevant = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
        if not relevant:
            return {"count": 0, "nothing_relevant": 1}
        value = self.value_of(gains[: self.k], relevant)
        sums: Sums = {self.primary: value, "count": 1}
        if self.k is not None and len(gains) < self.k:
            absent = (Counter(relevant) - Counter(gains)).elements()
            # A short ranking that has all that is relevant, as of a small corpus, needs no warning.
            if self.value_of([*gains, *absent][: self.k], relevant) > value:
                sums["short_ranking"] = 1
        return sums

    def value_of(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """The value of one row, from 0 to 1.

        `gains` are the grades at the first k ranks, 0 where nothing relevant is; `relevant` are all grades above 0,
        the largest first, at least one.
        """
        raise NotImplementedError

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The mean over rows."""
        return {self.primary: ratio(sums[self.primary], sums["count"])}

    def signature_parts(self) -> dict[str, str]:
        """The last rank that counts."""
        return {"k": "none" if self.k is None else str(self.k)}


def gold_of(row: Mapping[str, Any]) -> dict[str, float] | None:
    """The grade of each id in the field `gold`; None if the row has no such field. The ids of a list have grade 1.

    Raises FieldError if `gold` is neither a list of ids nor an object of ids and grades, or if it has a document and
    also a passage of it: then the passage would count twice.
    """
    gold = row.get("gold")
    if gold is None:
        return None
    grades: dict[str, float] = {}
    if isinstance(gold, list):
        grades = {_id_in(f"gold[{place}]", name): 1.0 for place, name in enumerate(gold)}
    elif isinstance(gold, dict):
        for name, grade in gold.items():
            is_number = isinstance(grade, (int, float)) and not isinstance(grade, bool)
            if not is_number or not -LARGEST_GRADE <= grade <= LARGEST_GRADE:
                raise FieldError(
                    f"gold.{name}", f"expected a grade, a number up to {LARGEST_GRADE:g}, got {shown(grade)}"
                )
            grades[_id_in("gold", name)] = float(grade)
    else:
        raise FieldError("gold", f"expected a list of ids, or an object of ids and grades, got {shown(gold)}")
    for name in grades:
        document = _document_of(name)
        if document != name and document in grades:
            raise FieldError(
                "gold", f"expected a document or its passages, not both, got {shown(document)} and {shown(name)}"
            )
    return grades


def ranking_of(row: Mapping[str, Any]) -> list[str]:
    """The ids in the field `context`, best first. Raises FieldError if it is not a list of objects with an `id`."""
    context = row.get("context")
    if not isinstance(context, list):
        raise FieldError("context", f"expected a ranking, which is a list of objects with an id, got {shown(context)}")
    names = []
    for place, entry in enumerate(context):
        if not isinstance(entry, dict):
            raise FieldError(f"context[{place}]", f"expected an object with an id, got {shown(entry)}")
        names.append(_id_in(f"context[{place}].id", entry.get("id")))
    return names


def ranked_gains(ranking: Sequence[str], grades: Mapping[str, float]) -> list[float]:
    """The grade at each rank, 0 where nothing relevant is; each id has one rank, the first, and counts once.

    If some gold id names a passage (`d7#2`), each passage has a rank; a gold document is at its first passage.
    Otherwise each document has one rank, at its first passage.
    """
    is_by_passage = any(PASSAGE_NUMBER.search(name) for name in grades)
    ranked = dict.fromkeys(ranking if is_by_passage else map(_document_of, ranking))
    left = {name: grade for name, grade in grades.items() if grade > 0}
    return [left.pop(name if name in grades else _document_of(name), 0.0) for name in ranked]


def _document_of(name: str) -> str:
    return PASSAGE_NUMBER.sub("", name)


def _id_in(field: str, value: Any) -> str:
    """An id as text: `7` in a ranking is the same as the key `"7"` of an object."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise FieldError(field, f"expected an id, got {shown(value)}")
    return str(value)
