"""The matrix of stages and tasks, and its figures, as tables."""

from __future__ import annotations

from typing import Any

from sft_cli.report.verdict import TableWriter
from sft_cli.run.text import one_line

MEANING = {
    "average": "average of the learned tasks after the last stage",
    "learning": "average of each task right after it was learned",
    "newest": "the task that was learned last",
    "forgetting": "best since it was learned, less now; mean of all tasks but the last; below 0: better than ever",
    "backward_transfer": "now less right after it was learned; mean of all tasks but the last",
    "below_base": "the base, less now; mean of all tasks but the last",
    "forward_transfer": "right before it was learned, less the base; mean of all tasks but the first",
    "intransigence": "the joint run, less right after it was learned",
    "general_change": "tasks that were not trained: now less the base",
    "delta_nll": "loss of general text: now less the base, nats per token",
    "kl_to_base": "KL(base‖now), nats per token, estimated on samples of the base: their loss now, less under the base",
}


def forgetting_text(found: dict[str, Any], table: TableWriter) -> str:
    """What `sft compare --forgetting` prints."""
    stages = ["base", *(f"after {name}" for name in found["learned"])]
    rows = list(zip(stages, found["matrix"], strict=True))
    if found["against"]:
        rows += [(f"against: {name}", values) for name, values in zip(stages, found["against"], strict=True)][1:]
    if found["joint"]:
        rows.append(("joint", found["joint"]))
    lines = [[one_line(name), *(f"{value:.4f}" for value in values)] for name, values in rows]
    lines.append(["rows", *(f"{found['rows'][name]:,}" for name in found["tasks"])])
    arrow = "↑" if found["higher_is_better"] else "↓"
    header = [f"{found['metric']} {arrow}", *map(one_line, found["tasks"])]
    grid = table(header, lines, "<" + ">" * len(found["tasks"]))
    return f"{grid}\n{figures_table(found, table)}\n{notes(found)}"


def figures_table(found: dict[str, Any], table: TableWriter) -> str:
    """The figures with their intervals and, against another method, with what differs."""
    percent = f"{found['confidence'] * 100:g}% interval"
    header = ["", "value", percent]
    if found["against"]:
        header += ["against", "difference", percent, "p"]
    lines = []
    for name, each in found["figures"].items():
        kind = name.partition(":")[0]
        sign = "" if kind in ("average", "learning", "newest") else "+"
        line = [name.replace("_", " "), f"{each['value']:{sign}.4f}", _shown_interval(each["interval"], sign)]
        if found["against"]:
            line += [f"{each['against']:{sign}.4f}", f"{each['difference']:+.4f}"]
            line += [_shown_interval(each["difference_interval"], "+"), f"{each['p']:.4f}"]
        lines.append([*line, MEANING[kind]])
    return table([*header, "what it is"], lines, "<" + ">" * (len(header) - 1) + "<")


def _shown_interval(interval: tuple[float, float] | None, sign: str) -> str:
    return f"[{interval[0]:{sign}.4f}, {interval[1]:{sign}.4f}]" if interval else "-"


def notes(found: dict[str, Any]) -> str:
    """How intervals and p-values come about."""
    seeds = found["seeds"]
    drawn = f"{found['draws']:,} resamples of the rows{f', of {seeds} seeds with their rows' if seeds > 1 else ''}"
    shared = "all stages share each resample" if not found["against"] else "all stages and both methods share each"
    missing = [each[key] for each in found["figures"].values() for key in each if key.startswith("no_") and each[key]]
    text = f"interval: holds {found['confidence'] * 100:g}% of {drawn}; {shared}.\n"
    if found["against"]:
        what = "the two runs of a seed" if seeds > 1 else "the two answers to a prompt, in all stages at once,"
        least = f"; {seeds} seeds cannot give less than {2 / 2**seeds:g}" if seeds > 1 else ""
        text += f"p: how often swapping {what} at random gives a difference this large{least}.\n"
    return text + (f"interval -: {', or '.join(dict.fromkeys(missing))}.\n" if missing else "")
