"""Ratings as preferences between two systems: what pairs, rankings and verdicts of judges have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from sft_cli.report.human.criteria import OVERALL
from sft_cli.report.human.judge_ratings import JudgeFile, rated_rows
from sft_cli.report.human.key import KeyRow
from sft_cli.report.human.ratings import Rating

BASE, OTHER, TIE, BOTH_BAD = "base", "other", "tie", "both-bad"
LABEL_NUMBERS = {BASE: -1, TIE: 0, BOTH_BAD: 0, OTHER: 1}  # for alpha at the levels ordinal and interval


@dataclass(frozen=True)
class Preference:
    """What a rater said of two answers to one prompt. `base` and `other` are numbers of systems, base < other.

    label: base, other, tie or both-bad. first, decided: of the verdicts that are no ties, how many are for the answer
    shown first. longer: 1 if the answer of `other` has more characters, -1 if fewer, 0 if as many; similar: whether
    the shorter one has at least 90 % of the longer one.
    """

    rater: str
    is_judge: bool
    id: str
    sample: int
    is_repeat: bool
    criterion: str
    base: int
    other: int
    label: str
    first: int
    decided: int
    longer: int
    similar: bool

    @property
    def unit(self) -> tuple[str, int, int, int]:
        """What raters can agree on: a pair of answers to a prompt."""
        return self.id, self.sample, self.base, self.other

    @property
    def points(self) -> float:
        """1 if `other` wins, 0.5 for a tie and for both bad, 0 if `base` wins."""
        return (LABEL_NUMBERS[self.label] + 1) / 2


SIMILAR = 0.9  # of the longer one's characters


def preferences_of_people(ratings: list[Rating]) -> Iterator[Preference]:
    """The preferences in choices and rankings."""
    for rating in ratings:
        systems = rating.row.systems
        for left, right in combinations(range(len(systems)), 2):
            if isinstance(rating.value, list):
                difference = rating.value[right] - rating.value[left]
                winner = left if difference > 0 else right if difference < 0 else None
                label = TIE
            else:
                winner = {"left": left, "right": right}.get(rating.value)
                label = rating.value if winner is None else ""
            base, other = sorted((left, right), key=lambda place: systems[place])
            label = label if winner is None else (BASE if winner == base else OTHER)
            yield _preference(
                Preference(
                    rater=rating.rater,
                    is_judge=False,
                    id=str(rating.row.id),
                    sample=rating.row.sample,
                    is_repeat=rating.row.is_repeat,
                    criterion=rating.criterion,
                    base=systems[base],
                    other=systems[other],
                    label=label,
                    first=int(winner == left),
                    decided=int(winner is not None),
                    longer=0,
                    similar=False,
                ),
                rating.row,
            )


def preferences_of_judges(files: list[JudgeFile]) -> Iterator[Preference]:
    """One preference for each judged pair: a judge that chose each system in one order has a tie."""
    for file, verdicts in rated_rows(files):
        points = verdicts.points
        yield _preference(
            Preference(
                rater=file.rater,
                is_judge=True,
                id=str(verdicts.row.id),
                sample=verdicts.row.sample,
                is_repeat=False,
                criterion=OVERALL,
                base=0,
                other=1,
                label=OTHER if points > 0.5 else BASE if points < 0.5 else TIE,
                first=verdicts.first,
                decided=verdicts.decided,
                longer=0,
                similar=False,
            ),
            verdicts.row,
        )


def _preference(found: Preference, row: KeyRow) -> Preference:
    """The preference with the lengths of its answers."""
    from dataclasses import replace

    length = dict(zip(row.systems, row.characters, strict=True))
    base, other = length[found.base], length[found.other]
    longer = (other > base) - (other < base)
    return replace(found, longer=longer, similar=min(base, other) >= SIMILAR * max(base, other))
