"""Comparisons as a table with its footnotes, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from sft_cli.report.comparison import Comparison, Draws
from sft_cli.report.gates import Outcome
from sft_cli.report.pairs import Pairs
from sft_cli.report.score_files import ScoreFile
from sft_cli.run.text import one_line

TableWriter = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]


def shown_interval(comparison: Comparison) -> str:
    """`[+0.0100, +0.0300]`, or `-`."""
    return "[{:+.4f}, {:+.4f}]".format(*comparison.interval) if comparison.interval else "-"


def four_decimals(value: float | None, sign: str = "") -> str:
    """Four decimals, or `-` if the value is not known."""
    return "-" if value is None else f"{value:{sign}.4f}"


def shown_count(count: int | None) -> str:
    """`1,234`, or `-` if the value is not known."""
    return "-" if count is None else f"{count:,}"


def verdict_text(
    files: list[ScoreFile], comparisons: list[Comparison], by: str, draws: Draws, table: TableWriter
) -> str:
    """The comparisons as a table, the base first in each block, and the meaning of the numbers."""
    has_groups = any(comparison.group is not None for comparison in comparisons)
    has_families = any(comparison.p_holm != comparison.p for comparison in comparisons)
    header = ["metric", *([by] if has_groups else []), "file", "value", "difference"]
    header += [f"{draws.confidence * 100:g}% interval", "p", *(["p holm"] if has_families else [])]
    lines, block = [], None
    for comparison in comparisons:
        if block != (comparison.value, comparison.group):
            block = (comparison.value, comparison.group)
            name = f"{comparison.value} {'↑' if comparison.higher_is_better else '↓'}"
            group = "all" if comparison.group is None else one_line(comparison.group)
            start = [name, *([group] if has_groups else []), comparison.base, four_decimals(comparison.base_value)]
            lines.append(start + [""] * (len(header) - len(start) + 2) + [shown_count(comparison.n)])
        cells = ["", *([""] if has_groups else []), comparison.other, four_decimals(comparison.other_value)]
        cells += [four_decimals(comparison.difference, "+"), shown_interval(comparison), four_decimals(comparison.p)]
        cells += [four_decimals(comparison.p_holm)] if has_families else []
        lines.append(cells + [shown_count(count) for count in (comparison.better, comparison.worse, comparison.n)])
    header += ["better", "worse", "n"]
    names = 3 if has_groups else 2
    text = table(header, lines, "<" * names + ">" * (len(header) - names))
    return text + "\n" + "\n".join(footnotes(files, comparisons, draws)) + "\n"


def footnotes(files: list[ScoreFile], comparisons: list[Comparison], draws: Draws) -> list[str]:
    """The meaning of the numbers, failed rows, and the signatures."""
    lines = [
        *interval_notes(comparisons, draws),
        "p: how often random swaps of the files' outputs produce a difference this large.",
        "↑ higher is better, ↓ lower is better; better, worse: number of rows whose own value became better or worse.",
    ]
    lines += scale_notes(comparisons)
    if any(comparison.p_holm != comparison.p for comparison in comparisons):
        lines.append(
            "p holm: p after Holm's correction over all comparisons of a metric; groups are corrected separately."
        )
    lines += [
        f"{file.label}: {file.errors:,} of {len(file.rows):,} rows without a completion (counted as wrong)"
        for file in files
        if file.errors
    ]
    metrics = list(dict.fromkeys(comparison.metric for comparison in comparisons))
    signatures = [file.signatures[key] for key in metrics for file in files if key in file.signatures]
    return lines + list(dict.fromkeys(signatures))


def scale_notes(comparisons: list[Comparison]) -> list[str]:
    """A line about the scales of the values, if they differ."""
    scales: dict[float | None, dict[str, None]] = {}
    for comparison in comparisons:
        scales.setdefault(comparison.largest, {})[comparison.value] = None
    if len(scales) < 2:
        return []
    named = [
        f"{', '.join(values)} {'has no upper bound' if most is None else f'0 to {most:g}'}"
        for most, values in scales.items()
    ]
    return [f"scales differ: {'; '.join(named)}."]


def interval_notes(comparisons: list[Comparison], draws: Draws) -> list[str]:
    """The methods of the intervals, and the reasons for missing intervals."""
    meaning = {
        "newcombe": "Newcombe's interval for the difference between two shares, both of the same prompts",
        "bootstrap": f"contains {draws.confidence * 100:g}% of {draws.count:,} paired bootstrap differences",
    }
    lines = []
    for method, text in meaning.items():
        values = list(
            dict.fromkeys(comparison.value for comparison in comparisons if comparison.interval_method == method)
        )
        if values:
            is_all = all(comparison.interval_method in (method, None) for comparison in comparisons)
            lines.append(f"interval{'' if is_all else ' of ' + ', '.join(values)}: {text}.")
    missing = list(dict.fromkeys(comparison.no_interval for comparison in comparisons if comparison.no_interval))
    return lines + ([f"interval -: {', or '.join(missing)}."] if missing else [])


def verdict_document(
    pairs: Pairs, comparisons: list[Comparison], by: str, draws: Draws, gate: Outcome | None
) -> dict[str, Any]:
    """All results, for programs; later versions only add keys."""
    return {
        "schema": 1,
        "base": pairs.files[0].label,
        "files": [
            {
                "label": file.label,
                "path": file.path,
                "rows": len(file.rows),
                "unpaired": len(file.rows) - len(pairs),
                "errors": file.errors,
                "signatures": file.signatures,
            }
            for file in pairs.files
        ],
        "paired": len(pairs),
        "by": by,
        "confidence": draws.confidence,
        "draws": draws.count,
        "seed": draws.seed,
        "comparisons": [dataclasses.asdict(comparison) for comparison in comparisons],
        "gate": gate.document() if gate else None,
    }
