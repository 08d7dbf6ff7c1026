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


def shown_interval(found: Comparison) -> str:
    """`[+0.0100, +0.0300]`, or `-`."""
    return "[{:+.4f}, {:+.4f}]".format(*found.interval) if found.interval else "-"


def four_decimals(value: float | None, sign: str = "") -> str:
    """Four decimals, or `-` for what is not known."""
    return "-" if value is None else f"{value:{sign}.4f}"


def shown_count(count: int | None) -> str:
    """`1,234`, or `-` for what is not known."""
    return "-" if count is None else f"{count:,}"


def verdict_text(
    files: list[ScoreFile], comparisons: list[Comparison], by: str, draws: Draws, table: TableWriter
) -> str:
    """The comparisons as a table, the base first in each block, and what its numbers mean."""
    has_groups = any(found.group is not None for found in comparisons)
    has_families = any(found.p_holm != found.p for found in comparisons)
    header = ["metric", *([by] if has_groups else []), "file", "value", "difference"]
    header += [f"{draws.confidence * 100:g}% interval", "p", *(["p holm"] if has_families else [])]
    lines, block = [], None
    for found in comparisons:
        if block != (found.value, found.group):
            block = (found.value, found.group)
            name = f"{found.value} {'↑' if found.higher_is_better else '↓'}"
            group = "all" if found.group is None else one_line(found.group)
            start = [name, *([group] if has_groups else []), found.base, four_decimals(found.base_value)]
            lines.append(start + [""] * (len(header) - len(start) + 2) + [shown_count(found.n)])
        cells = ["", *([""] if has_groups else []), found.other, four_decimals(found.other_value)]
        cells += [four_decimals(found.difference, "+"), shown_interval(found), four_decimals(found.p)]
        cells += [four_decimals(found.p_holm)] if has_families else []
        lines.append(cells + [shown_count(count) for count in (found.better, found.worse, found.n)])
    header += ["better", "worse", "n"]
    names = 3 if has_groups else 2
    text = table(header, lines, "<" * names + ">" * (len(header) - names))
    return text + "\n" + "\n".join(footnotes(files, comparisons, draws)) + "\n"


def footnotes(files: list[ScoreFile], comparisons: list[Comparison], draws: Draws) -> list[str]:
    """What the numbers mean, failed rows, and the signatures."""
    lines = [
        *interval_notes(comparisons, draws),
        "p: how often a difference this large comes from swapping the files' outputs at random.",
        "↑ higher is better, ↓ lower is better; better, worse: rows whose own value improved, fell.",
    ]
    lines += scale_notes(comparisons)
    if any(found.p_holm != found.p for found in comparisons):
        lines.append("p holm: p adjusted for the number of comparisons of the metric, overall and by group apart.")
    lines += [
        f"{file.label}: {file.errors:,} of {len(file.rows):,} rows without a completion (counted as wrong)"
        for file in files
        if file.errors
    ]
    metrics = list(dict.fromkeys(found.metric for found in comparisons))
    signatures = [file.signatures[key] for key in metrics for file in files if key in file.signatures]
    return lines + list(dict.fromkeys(signatures))


def scale_notes(comparisons: list[Comparison]) -> list[str]:
    """A line on the scales of the values, if they differ."""
    scales: dict[float | None, dict[str, None]] = {}
    for found in comparisons:
        scales.setdefault(found.largest, {})[found.value] = None
    if len(scales) < 2:
        return []
    named = [
        f"{', '.join(values)} {'has no largest value' if most is None else f'0 to {most:g}'}"
        for most, values in scales.items()
    ]
    return [f"scales differ: {'; '.join(named)}."]


def interval_notes(comparisons: list[Comparison], draws: Draws) -> list[str]:
    """How the intervals came about, and why some are not there."""
    meaning = {
        "newcombe": "Newcombe's, of a difference of shares of the same prompts",
        "bootstrap": f"holds {draws.confidence * 100:g}% of {draws.count:,} paired bootstrap differences",
    }
    lines = []
    for method, text in meaning.items():
        values = list(dict.fromkeys(found.value for found in comparisons if found.interval_method == method))
        if values:
            is_all = all(found.interval_method in (method, None) for found in comparisons)
            lines.append(f"interval{'' if is_all else ' of ' + ', '.join(values)}: {text}.")
    missing = list(dict.fromkeys(found.no_interval for found in comparisons if found.no_interval))
    return lines + ([f"interval -: {', or '.join(missing)}."] if missing else [])


def verdict_document(
    pairs: Pairs, comparisons: list[Comparison], by: str, draws: Draws, gate: Outcome | None
) -> dict[str, Any]:
    """Everything, for programs; keys are only ever added."""
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
        "comparisons": [dataclasses.asdict(found) for found in comparisons],
        "gate": gate.document() if gate else None,
    }
