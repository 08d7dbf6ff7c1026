"""Comparisons as JSON, for programs."""

from __future__ import annotations

import dataclasses
from typing import Any

from sft_cli.report.comparison import Comparison, Draws
from sft_cli.report.gates import Outcome
from sft_cli.report.pairs import Pairs
from sft_cli.report.verdict import verdict_of


def comparison_document(
    pairs: Pairs, comparisons: list[Comparison], by: str, draws: Draws, gate: Outcome | None
) -> dict[str, Any]:
    """All results; later versions only add keys."""
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
                "cut": len(file.cut),
                "signatures": file.signatures,
            }
            for file in pairs.files
        ],
        "paired": len(pairs),
        "by": by,
        "confidence": draws.confidence,
        "draws": draws.count,
        "seed": draws.seed,
        "comparisons": [with_verdict(comparison) for comparison in comparisons],
        "gate": gate.document() if gate else None,
    }


def with_verdict(comparison: Comparison) -> dict[str, Any]:
    """A comparison and its verdict."""
    verdict = verdict_of(comparison)
    return {
        **dataclasses.asdict(comparison),
        "verdict": verdict.word,
        "verdict_reason": verdict.reason or None,
        "rows_to_detect": verdict.needed_for_difference,
        "rows_to_exclude_margin": verdict.needed_for_margin,
    }
