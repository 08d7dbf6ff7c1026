"""Rows that are missing for a gate: a gate on the rows that are left would pass what it has not seen."""

from __future__ import annotations

from collections.abc import Iterable

from sft_cli.report.comparison import Measure
from sft_cli.report.gate_expressions import Gate
from sft_cli.report.pairs import Pairs


def missing_in(pairs: Pairs, measures: Iterable[Measure], gates: list[Gate]) -> list[str]:
    """Why the gates fail: rows that are not in every file, or that do not have a gated value in every file."""
    reasons = missing_rows({file.path: len(file.rows) for file in pairs.files}, len(pairs))
    gated = {gate.value for gate in gates}
    for key in dict.fromkeys(measure.key for measure in measures if measure.value in gated):
        have = [file.has(key)[rows] for file, rows in zip(pairs.files, pairs.rows, strict=True)]
        for file, own in zip(pairs.files, have, strict=True):
            lacking = int((~own & sum(have).astype(bool)).sum())
            if lacking:
                reasons.append(
                    f"{lacking:,} of {len(pairs):,} rows of {file.path} have no {key}, but the same rows of "
                    "another file have it "
                    "(--allow-missing: the gates judge only the rows that have it)"
                )
    return reasons


def missing_rows(sizes: dict[str, int], paired: int) -> list[str]:
    """Why missing rows fail a gate: for each file, the number of its rows that are not in all files."""
    lacking = {path: size - paired for path, size in sizes.items() if size > paired}
    if not lacking:
        return []
    listed = ", ".join(f"{count:,} of {sizes[path]:,} rows of {path}" for path, count in lacking.items())
    return [f"{listed} are not in every file (--allow-missing: the gates judge only the other {paired:,} rows)"]
