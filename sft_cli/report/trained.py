"""What `sft score` found of the scored rows in the training rows of their model."""

from __future__ import annotations

from collections.abc import Iterable

from sft_cli.report.provenance import recorded_steps
from sft_cli.report.score_files import ScoreFile


def trained_lines(files: Iterable[ScoreFile]) -> list[str]:
    """For each file with rows that are in the training rows of its model: how many, read from its manifest."""
    lines = []
    for file in files:
        steps = recorded_steps(file.path)
        run = steps[0][1].get("run") if steps and steps[0][1].get("command") == "score" else None
        trained = run.get("trained") if isinstance(run, dict) else None
        if isinstance(trained, dict) and trained.get("in_training"):
            lines.append(
                f"{file.label}: the training rows contain {trained['in_training']:,} of {trained['rows']:,} test rows; "
                "--explain --train FILE looks at them alone"
            )
    return lines
