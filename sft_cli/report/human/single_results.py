"""What ratings of single answers say: means, agreement, repeats, and how far a judge agrees with people."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison import Draws
from sft_cli.report.human.agreement_report import RaterLabel, agreement_of, agreement_of_two
from sft_cli.report.human.criteria import OVERALL
from sft_cli.report.human.judge_ratings import JudgeFile, rated_rows
from sft_cli.report.human.ratings import Rating
from sft_cli.report.human.shares import share_of


@dataclass(frozen=True)
class Mark:
    """The rating of one answer by one rater, by one criterion."""

    rater: str
    is_judge: bool
    id: str
    sample: int
    is_repeat: bool
    criterion: str
    value: float

    @property
    def unit(self) -> tuple[str, int]:
        """What raters can agree on: an answer."""
        return self.id, self.sample


def all_marks(ratings: Sequence[Rating], files: Sequence[JudgeFile]) -> list[Mark]:
    """The ratings of people and of judges; a judge that was sampled has the mean of its ratings."""
    people = [
        Mark(each.rater, False, str(each.row.id), each.row.sample, each.row.is_repeat, each.criterion, each.value)
        for each in ratings
    ]
    judges = [
        Mark(file.rater, True, str(v.row.id), v.row.sample, False, OVERALL, sum(v.ratings) / len(v.ratings))
        for file, v in rated_rows(list(files))
    ]
    return people + judges


def mark_results(given: Sequence[Mark], draws: Draws) -> dict[str, Any]:
    """All results of one criterion. Repeats count only for how far raters agree with themselves."""
    first = [each for each in given if not each.is_repeat]
    people = [each for each in first if not each.is_judge]
    raters = list(dict.fromkeys(each.rater for each in first))
    return {
        "all": mean_mark(people or first, draws),
        "raters": [
            {"rater": rater, "is_judge": mine[0].is_judge, **mean_mark(mine, draws)}
            for rater in raters
            if (mine := [each for each in first if each.rater == rater])
        ],
        "agreement": agreement_of([_label_of(each) for each in people], draws),
        "repeats": _repeats(given, draws),
        "judges": _judges_of_marks(first, draws),
    }


def mean_mark(given: Sequence[Mark], draws: Draws) -> dict[str, Any]:
    """The mean rating with its interval, and how often each rating was given."""
    share = share_of([(each.id, each.value) for each in given], draws)
    counts = Counter(f"{each.value:g}" for each in given)
    return {**share.document(), "p": None, "counts": dict(sorted(counts.items(), key=lambda each: float(each[0])))}


def _repeats(given: Sequence[Mark], draws: Draws) -> list[dict[str, Any]]:
    mine: dict[str, list[Mark]] = defaultdict(list)
    for each in given:
        mine[each.rater].append(each)
    found = []
    for rater, marks in mine.items():
        first = {each.unit: each.value for each in marks if not each.is_repeat}
        again = [
            (each.id, float(first[each.unit] == each.value)) for each in marks if each.is_repeat and each.unit in first
        ]
        if again:
            found.append({"rater": rater, **share_of(again, draws).document(), "p": None})
    return found


def _judges_of_marks(first: Sequence[Mark], draws: Draws) -> list[dict[str, Any]]:
    """How far each judge agrees with the mean of people, both rounded to a whole rating."""
    votes: dict[tuple[str, int], list[Mark]] = defaultdict(list)
    judged: dict[str, dict[Any, RaterLabel]] = defaultdict(dict)
    for each in first:
        if each.is_judge:
            judged[each.rater][each.unit] = _whole_label(each, each.value)
        else:
            votes[each.unit].append(each)
    people = {unit: _whole_label(mine[0], sum(each.value for each in mine) / len(mine)) for unit, mine in votes.items()}
    return [
        {"judge": rater, **(agreement_of_two(people, mine, draws) or {"units": 0})}
        for rater, mine in judged.items()
        if people
    ]


def _whole_label(each: Mark, value: float) -> RaterLabel:
    whole = math.floor(value + 0.5)
    return RaterLabel("people", each.id, each.unit, whole, whole)


def _label_of(each: Mark) -> RaterLabel:
    return RaterLabel(each.rater, each.id, each.unit, each.value, each.value)
