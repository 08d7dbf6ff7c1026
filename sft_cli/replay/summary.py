"""The counts of each task, as text."""

from __future__ import annotations

from sft_cli.replay.budget import Budget, Selection
from sft_cli.run.text import one_line


def summary(selection: Selection, budget: Budget) -> list[str]:
    """A table with one line for each task and one for all, and the sizes that could not be reached."""
    counts = selection.tasks
    lines = [("task", "rows seen", "rows kept", *(["tokens kept"] if budget.unit == "tokens" else []))]
    for name, count in counts.items():
        cells = [one_line(name) or "(no task)", f"{count.seen:,}", f"{count.kept:,}"]
        lines.append((*cells, *([f"{count.kept_cost:,}"] if budget.unit == "tokens" else [])))
    kept, cost = sum(count.kept for count in counts.values()), sum(count.kept_cost for count in counts.values())
    total = ["in all", f"{sum(count.seen for count in counts.values()):,}", f"{kept:,}"]
    lines.append((*total, *([f"{cost:,} of {selection.total:,}"] if budget.unit == "tokens" else [])))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = ["  ".join(_aligned(line, widths)) for line in lines]
    for name, quota in budget.quotas.items():
        if counts[name].kept < quota:
            table.append(f"{name}: fewer rows than its quota of {quota:,}; all are kept")
    if budget.unit == "rows" and not budget.quotas_only and kept < selection.total:
        most = ", but of no task more than its --per-task" if budget.quotas else ""
        table.append(f"fewer rows than the requested {selection.total:,}; all are kept{most}")
    return table


def _aligned(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    return [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
