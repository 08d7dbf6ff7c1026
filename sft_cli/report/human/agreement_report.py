"""How far people agree with one another, with themselves, and with a judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from sft_cli.report.comparison import Draws
from sft_cli.report.human.agreement import (
    ALPHA_LEVELS,
    alpha_of_coincidences,
    cohen_of_confusion,
    coincidences,
    confusion_sums,
    fleiss_of_sums,
    fleiss_sums,
    percent_of_confusion,
)
from sft_cli.report.human.shares import interval_parts
from sft_cli.report.intervals import resampled_interval
from sft_cli.report.statistics import resampled


class RaterLabel(NamedTuple):
    """What one rater said of one unit: the label, and its number for alpha's levels ordinal and interval."""

    rater: str
    prompt: str
    unit: Hashable
    label: Hashable
    number: float


def agreement_of(labels: Sequence[RaterLabel], draws: Draws) -> dict[str, Any] | None:
    """All measures of agreement of two or more raters; None if no two raters judged the same unit."""
    units: dict[Hashable, list[RaterLabel]] = defaultdict(list)
    for label in labels:
        units[label.unit].append(label)
    shared = [unit for unit in units.values() if len(unit) >= 2]
    if not shared:
        return None
    prompts = [unit[0].prompt for unit in shared]
    words = [[each.label for each in unit] for unit in shared]
    numbers = [[each.number for each in unit] for unit in shared]
    names, values = _categories(words), _categories(numbers)
    fleiss = fleiss_sums(words, names)
    measures: dict[str, Any] = {
        "units": len(shared),
        "prompts": len(set(prompts)),
        "equal": _measured(fleiss, prompts, lambda sums: sums[:, 0] / sums[:, 1], draws),
        "fleiss_kappa": _measured(fleiss, prompts, fleiss_of_sums, draws),
    }
    for level in ALPHA_LEVELS:
        categories, found = (names, words) if level == "nominal" else (values, numbers)
        sums = coincidences(found, categories)
        measures[f"alpha_{level}"] = _measured(sums, prompts, _alpha(categories, level), draws)
    measures["pairs"] = [
        {"raters": [one, other], **both}
        for one, other in combinations(list(dict.fromkeys(label.rater for label in labels)), 2)
        if (both := agreement_of_two(_of_rater(labels, one), _of_rater(labels, other), draws))
    ]
    return measures


def agreement_of_two(
    one: Mapping[Any, RaterLabel], other: Mapping[Any, RaterLabel], draws: Draws
) -> dict[str, Any] | None:
    """The share of equal labels and Cohen's kappa of two raters; None if they judged no unit in common."""
    shared = [unit for unit in one if unit in other]
    if not shared:
        return None
    prompts = [one[unit].prompt for unit in shared]
    first, second = [one[unit].label for unit in shared], [other[unit].label for unit in shared]
    sums = confusion_sums(first, second, _categories([first, second]))
    return {
        "units": len(shared),
        "equal": _measured(sums, prompts, percent_of_confusion, draws),
        "cohen_kappa": _measured(sums, prompts, cohen_of_confusion, draws),
    }


def _alpha(categories: Sequence[Any], level: str) -> Callable[[Any], Any]:
    return lambda sums: alpha_of_coincidences(sums, categories, level)


def _of_rater(labels: Sequence[RaterLabel], rater: str) -> dict[Hashable, RaterLabel]:
    return {label.unit: label for label in labels if label.rater == rater}


def _categories(units: Sequence[Sequence[Hashable]]) -> list[Any]:
    """All labels; words before numbers."""
    found = {label for unit in units for label in unit}
    return sorted(found, key=lambda label: (not isinstance(label, str), label))


def _measured(sums: Any, prompts: list[str], statistic: Callable[[Any], Any], draws: Draws) -> dict[str, Any]:
    """A value and its interval: prompts are resampled with all their units."""
    import numpy

    places = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    added = numpy.zeros((len(places), sums.shape[1]))
    numpy.add.at(added, [places[prompt] for prompt in prompts], sums)
    value = float(statistic(added.sum(axis=0, keepdims=True))[0])
    drawn = statistic(resampled(added, draws.count, draws.seed))
    bounds, method, missing = interval_parts(resampled_interval(drawn, draws.confidence, len(places)))
    return {
        "value": None if numpy.isnan(value) else value,
        "interval": bounds,
        "interval_method": method,
        "no_interval": missing,
    }
