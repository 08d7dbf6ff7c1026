"""The first value in parts of the rows: by task, language, length of the question, and the field of --by."""

from __future__ import annotations

from typing import Any

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.comparison_document import with_verdict
from sft_cli.report.page.text_facts import LANGUAGE_NAMES, TextFacts
from sft_cli.report.paired_rows import ComparedRows, MeasuredPairs, adjust, compare_rows, is_same_file, numbered
from sft_cli.report.pairs import Pairs

MOST_PARTS = 40  # of one slicing


def slices_of(pairs: Pairs, measure: Measure, draws: Draws, facts: TextFacts, by: str) -> list[dict[str, Any]]:
    """Each slicing by texts: its name, the rule of its parts, and a comparison for each part and system.

    p-values are corrected over the parts and systems of a slicing (Holm). Slicings with fewer than two parts are left
    out; of those with more than MOST_PARTS, the largest parts are shown, and `left_out` counts the others.
    """
    slicings = {
        "task": ("the field task", _places_by_name(facts.tasks)),
        "language": (
            "letters of the question: at least half are Chinese, Japanese or Korean; some; none",
            {name: members for name in LANGUAGE_NAMES if (members := _places_by_name(facts.languages).get(name))},
        ),
        "length": (
            "rows by the length of the question in characters, in three groups with about the same number of rows",
            thirds(list(facts.questions)),
        ),
    }
    slicings.pop(by, None)  # it is among the comparisons
    measured = MeasuredPairs.of(pairs, measure)
    found = []
    for name, (rule, parts) in slicings.items():
        if len(parts) < 2:
            continue
        kept = sorted(parts, key=lambda part: -len(parts[part]))[:MOST_PARTS]
        comparisons = _compared_parts(pairs, measured, {part: parts[part] for part in parts if part in kept}, draws)
        found.append(_slicing(name, rule, comparisons) | {"left_out": len(parts) - len(kept)})
    return found


def slice_by_field(comparisons: list[Comparison], measure: Measure, by: str) -> list[dict[str, Any]]:
    """The slicing by the field of --by, from comparisons that are known; empty if there are fewer than two parts."""
    mine = [each for each in comparisons if each.value == measure.value and each.group is not None]
    if len({each.group for each in mine}) < 2:
        return []
    return [_slicing(by, f"the field {by}", mine)]


def _slicing(by: str, rule: str, comparisons: list[Comparison]) -> dict[str, Any]:
    entries = [with_verdict(each) for each in comparisons]
    return {"by": by, "rule": rule, "left_out": 0, "comparisons": entries}


def _places_by_name(names: list[str] | list[str | None]) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if name is not None:
            parts.setdefault(name, []).append(place)
    return dict(sorted(parts.items()))


def thirds(lengths: list[float]) -> dict[str, list[int]]:
    """The places of short, middle and long texts, named by their bounds; equal lengths are in one part."""
    ordered = sorted(lengths)
    bounds = [ordered[len(ordered) // 3], ordered[2 * len(ordered) // 3]] if ordered else [0.0, 0.0]
    low, high = (int(bound) for bound in bounds)
    names = [f"up to {low:,}", f"{low + 1:,} to {high:,}", f"more than {high:,}"]
    parts: dict[str, list[int]] = {name: [] for name in dict.fromkeys(names)}
    for place, length in enumerate(lengths):
        parts[names[0] if length <= low else names[1] if length <= high else names[2]].append(place)
    return {name: members for name, members in parts.items() if members}


def _compared_parts(
    pairs: Pairs, measured: MeasuredPairs, parts: dict[str, list[int]], draws: Draws
) -> list[Comparison]:
    import numpy

    comparisons = []
    for part, members in parts.items():
        places = numpy.array(members)
        chosen = places[measured.is_scored[places]]
        if not len(chosen):
            continue
        for side in range(1, len(pairs.files)):
            labels = pairs.files[0].label, pairs.files[side].label
            is_same = is_same_file([pairs.files[0], pairs.files[side]])
            rows = ComparedRows(labels, (0, side), chosen, numbered(pairs.clusters[chosen]), part, is_same)
            comparisons += compare_rows(rows, [measured], draws)
    adjust(comparisons)
    return comparisons
