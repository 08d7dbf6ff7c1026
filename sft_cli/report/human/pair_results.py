"""What preferences say: win rates, strengths, biases, agreement, repeats, and how far a judge agrees with people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sft_cli.report.comparison import Draws
from sft_cli.report.human.agreement_report import RaterLabel, agreement_of, agreement_of_two
from sft_cli.report.human.bradley_terry import bradley_terry, mean_win_chances
from sft_cli.report.human.preferences import BASE, BOTH_BAD, LABEL_NUMBERS, OTHER, TIE, Preference
from sft_cli.report.human.shares import ClusterPoint, interval_parts, share_of
from sft_cli.report.intervals import Interval, resampled_interval
from sft_cli.report.statistics import resampled

MOST_WITHOUT_MAXIMUM = 0.01  # share of resamples without finite strengths, with which an interval is still reported


def criterion_results(given: Sequence[Preference], systems: list[str], draws: Draws) -> dict[str, Any]:
    """All results of one criterion. Repeats count only for how far raters agree with themselves."""
    first = [each for each in given if not each.is_repeat]
    # A judge beside people is compared with them, and is not one voice more.
    people = [each for each in first if not each.is_judge] or first
    raters = list(dict.fromkeys(each.rater for each in first))
    is_pair = len(systems) == 2
    results: dict[str, Any] = {
        "all": wins_of(people, draws) if is_pair else None,
        "raters": [
            {"rater": rater, "is_judge": mine[0].is_judge, **(wins_of(mine, draws) if is_pair else {})}
            for rater in raters
            if (mine := [each for each in first if each.rater == rater])
        ],
        "pairs": None if is_pair else pairs_of_systems(people, systems, draws),
        "strengths": None if is_pair else strengths_of(people, systems, draws),
        "agreement": agreement_of([_label_of_preference(each) for each in first if not each.is_judge], draws),
        "position": [{"rater": rater, **position_of(mine, draws)} for rater, mine in _by_rater(first)],
        "length": length_of(people, draws, is_pair),
        "repeats": repeats_of(given, draws),
        "judges": judges_of(first, draws),
    }
    return results


def wins_of(given: Sequence[Preference], draws: Draws) -> dict[str, Any]:
    """The win rate of `other`, a tie and both bad as half a win, and the counts."""
    labels = [each.label for each in given]
    share = share_of([(each.id, each.points) for each in given], draws)
    counts = {"wins": OTHER, "losses": BASE, "ties": TIE, "both_bad": BOTH_BAD}
    return {**share.document(), **{name: labels.count(label) for name, label in counts.items()}}


def pairs_of_systems(given: Sequence[Preference], systems: list[str], draws: Draws) -> list[dict[str, Any]]:
    """The win rate of each pair of systems that was compared."""
    pairs: dict[tuple[int, int], list[Preference]] = defaultdict(list)
    for each in given:
        pairs[each.base, each.other].append(each)
    return [
        {"base": systems[base], "other": systems[other], **wins_of(mine, draws)}
        for (base, other), mine in sorted(pairs.items())
    ]


def strengths_of(given: Sequence[Preference], systems: list[str], draws: Draws) -> list[dict[str, Any]]:
    """Bradley and Terry's strengths, the strongest first, with intervals from resampled prompts."""
    import numpy

    size = len(systems)
    places = {prompt: place for place, prompt in enumerate(dict.fromkeys(each.id for each in given))}
    wins = numpy.zeros((len(places), size, size))
    for each in given:
        wins[places[each.id], each.other, each.base] += each.points
        wins[places[each.id], each.base, each.other] += 1 - each.points
    value = bradley_terry(wins.sum(axis=0, keepdims=True))
    drawn = bradley_terry(resampled(wins.reshape(len(places), -1), draws.count, draws.seed).reshape(-1, size, size))
    chance, drawn_chance = mean_win_chances(value), mean_win_chances(drawn)
    lost = float(numpy.isnan(drawn[:, 0]).mean())

    def interval(values: Any) -> Interval:
        if numpy.isnan(value[0, 0]):
            return Interval(None, missing="a system won or lost all its comparisons: no finite strength")
        if lost > MOST_WITHOUT_MAXIMUM:
            return Interval(None, missing=f"{lost:.0%} of the resamples have no finite strengths")
        return resampled_interval(values, draws.confidence, len(places))

    found = []
    for place, label in enumerate(systems):
        bounds, method, missing = interval_parts(interval(drawn[:, place]))
        is_known = not numpy.isnan(value[0, place])
        found.append(
            {
                "system": label,
                "strength": float(value[0, place]) if is_known else None,
                "interval": bounds,
                "interval_method": method,
                "no_interval": missing,
                "win_rate": float(chance[0, place]) if is_known else None,
                "win_rate_interval": interval_parts(interval(drawn_chance[:, place]))[0],
            }
        )
    return sorted(found, key=lambda each: -(each["strength"] or 0.0))


def position_of(given: Iterable[Preference], draws: Draws) -> dict[str, Any]:
    """The share of decided verdicts for the answer shown first (left); 0.5 without a bias."""
    points: list[ClusterPoint] = []
    for each in given:
        points += [(each.id, 1.0)] * each.first + [(each.id, 0.0)] * (each.decided - each.first)
    return share_of(points, draws).document()


def length_of(given: Sequence[Preference], draws: Draws, is_pair: bool) -> dict[str, Any]:
    """The share of decided choices for the longer answer; for a pair also the win rates in strata of the lengths."""
    decided = [each for each in given if each.label in (BASE, OTHER) and each.longer]
    longer = share_of([(each.id, float(LABEL_NUMBERS[each.label] == each.longer)) for each in decided], draws)
    found: dict[str, Any] = {"longer": longer.document()}
    if is_pair:
        strata = {
            "similar": [each for each in given if each.similar],
            "other_longer": [each for each in given if not each.similar and each.longer > 0],
            "base_longer": [each for each in given if not each.similar and each.longer < 0],
        }
        found["strata"] = {name: wins_of(mine, draws) for name, mine in strata.items()}
    return found


def repeats_of(given: Sequence[Preference], draws: Draws) -> list[dict[str, Any]]:
    """For each rater the share of repeated rows that got the same verdict again, with the sides exchanged."""
    found = []
    for rater, mine in _by_rater(given):
        first = {each.unit: each for each in mine if not each.is_repeat}
        again = [(each.id, float(first[each.unit].label == each.label)) for each in mine if _has_first(each, first)]
        if again:
            found.append({"rater": rater, **share_of(again, draws).document(), "p": None})
    return found


def _has_first(each: Preference, first: dict[Any, Preference]) -> bool:
    return each.is_repeat and each.unit in first


def judges_of(first: Sequence[Preference], draws: Draws) -> list[dict[str, Any]]:
    """How far each judge agrees with the majority of people; a tie of people, and both bad, is a tie."""
    votes: dict[Any, list[Preference]] = defaultdict(list)
    for each in first:
        if not each.is_judge:
            votes[each.unit].append(each)
    people = {unit: _of_majority(mine) for unit, mine in votes.items()}
    found = []
    for rater, mine in _by_rater([each for each in first if each.is_judge]):
        judge = {each.unit: _label_beside_judge(each, each.label) for each in mine}
        if people and (agreement := agreement_of_two(people, judge, draws)):
            found.append({"judge": rater, **agreement})
        elif people:
            found.append({"judge": rater, "units": 0})
    return found


def _of_majority(mine: Sequence[Preference]) -> RaterLabel:
    net = sum(LABEL_NUMBERS[each.label] for each in mine)
    return _label_beside_judge(mine[0], OTHER if net > 0 else BASE if net < 0 else TIE)


def _label_beside_judge(each: Preference, label: str) -> RaterLabel:
    """The label for a comparison with a judge, which has no `both-bad`."""
    plain = TIE if label == BOTH_BAD else label
    return RaterLabel("people", each.id, each.unit, plain, LABEL_NUMBERS[plain])


def _label_of_preference(each: Preference) -> RaterLabel:
    return RaterLabel(each.rater, each.id, each.unit, each.label, LABEL_NUMBERS[each.label])


def _by_rater(given: Iterable[Preference]) -> Iterable[tuple[str, list[Preference]]]:
    mine: dict[str, list[Preference]] = defaultdict(list)
    for each in given:
        mine[each.rater].append(each)
    return mine.items()
