"""Training curves of one or several runs, from their `metrics.jsonl`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sft_cli.report.page.svg import DASHES, FIGURE_WIDTH, Drawing, Scale, scale_around
from sft_cli.report.score_files import labels_of
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_jsonl

MOST_POINTS = 200  # of a curve; more steps are joined into means
CURVES = {
    "train": ("loss", "Training loss"),
    "held_out": ("eval_loss", "Loss of held-out rows"),
    "retained": ("retain_loss", "Loss of old rows"),
}


def read_runs(paths: Sequence[str]) -> list[dict[str, Any]]:
    """The curves of each run: [step, loss] pairs. Step 0 is the value before training.

    Training losses are means of as many steps as `steps_per_point` says, at their last step. Raises UserError, naming
    `file:line`, for a line that is not an object.
    """
    labels = labels_of([str(Path(path).parent) for path in paths])
    runs = []
    for path, label in zip(paths, labels, strict=True):
        points: dict[str, list[tuple[float, float]]] = {kind: [] for kind in CURVES}
        for number, line in read_jsonl(path):
            if isinstance(line, FieldError):
                raise UserError(f"{path}:{number}: {line}")
            for kind, (key, _) in CURVES.items():
                loss, step = line.get(key), line.get("step")
                if isinstance(loss, (int, float)) and isinstance(step, (int, float)) and math.isfinite(loss):
                    points[kind].append((step, loss))
        size = max(1, math.ceil(len(points["train"]) / MOST_POINTS))
        run = {"label": label, "path": path, "steps_per_point": size, **points}
        run["train"] = [_joined_point(points["train"][at : at + size]) for at in range(0, len(points["train"]), size)]
        runs.append(run)
    return runs


def _joined_point(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return points[-1][0], sum(loss for _, loss in points) / len(points)


def curve_figures(runs: list[dict[str, Any]]) -> list[Drawing]:
    """A figure for each kind of loss that a run has, with all runs over each other."""
    return [_curves(runs, kind, title) for kind, (_, title) in CURVES.items() if any(run[kind] for run in runs)]


def _curves(runs: list[dict[str, Any]], kind: str, title: str) -> Drawing:
    drawing = Drawing(
        f"curve-{kind.replace('_', '-')}",
        title,
        "The loss over the steps of each run. The table beside the figure has the first, lowest and last value.",
    )
    y = drawing.legend([run["label"] for run in runs], (8, 20), has_lines=True)
    steps = [step for run in runs for step, _ in run[kind]]
    across = Scale(0, max([*steps, 1]), 56, FIGURE_WIDTH - 20)
    up = scale_around([loss for run in runs for _, loss in run[kind]], (y + 250, y + 6))
    for value, text in up.marks(6):
        drawing.line((across.start, up.at(value)), (across.end, up.at(value)), "grid")
        drawing.text((across.start - 8, up.at(value) + 4), text, "soft", "end")
    for value, text in across.marks(6):
        drawing.text((across.at(value), up.start + 18), text, "soft", "middle")
    for number, run in enumerate(runs):
        points = [(across.at(step), up.at(loss)) for step, loss in run[kind]]
        drawing.curve(points, number, run["label"])
        before = next((loss for step, loss in run[kind] if step == 0), None)
        if before is not None:
            at = up.at(before)
            drawing.line((across.start, at), (across.end, at), f"s{number % 6}", DASHES[2])
            drawing.text((across.end, at - 5), f"{run['label']} before training: {before:.3f}", "soft", "end")
        marked = run[kind] if kind != "train" else run[kind][-1:]
        for (x, place), (step, loss) in zip(points[-len(marked) :] if marked else [], marked, strict=True):
            drawing.mark((x, place), number, f"{run['label']}, step {step:,.0f}: {loss:.4f}")
    drawing.text(
        (FIGURE_WIDTH / 2, up.start + 38), "horizontal: step; vertical: loss in nats per target token", "soft", "middle"
    )
    drawing.height = up.start + 46
    return drawing


def curve_lines(runs: list[dict[str, Any]]) -> list[list[str]]:
    """The table of the curves: for each run and kind the value before training, the lowest and the last value."""
    lines = []
    for kind, (_, title) in CURVES.items():
        for run in runs:
            points = run[kind]
            if not points:
                continue
            before = next((f"{loss:.4f}" for step, loss in points if step == 0), "–")
            low_step, low = min(points, key=lambda point: point[1])
            last_step, last = points[-1]
            lines.append(
                [
                    title,
                    run["label"],
                    before,
                    f"{low:.4f} (step {low_step:,.0f})",
                    f"{last:.4f} (step {last_step:,.0f})",
                ]
            )
    return lines
