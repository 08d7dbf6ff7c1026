"""The matrix of stages and tasks, and its figures, as tables."""

from __future__ import annotations

from typing import Any

from sft_cli.report.table import one_line
from sft_cli.report.verdict import Table

MEANING = {
    "average": "average of the learned tasks after the last stage",
    "learning": "average of each task right after it was learned",
    "forgetting": "best since it was learned, less now; mean of all tasks but the last; below 0: better than ever",
    "backward_transfer": "now less right after it was learned; mean of all tasks but the last",
    "forward_transfer": "right before it was learned, less the base; mean of all tasks but the first",
    "intransigence": "the joint run, less right after it was learned",
    "general_change": "tasks that were not trained: now less the base",
    "delta_nll": "loss of general text: now less the base, nats per token",
    "kl_to_base": "KL(base‖now), nats per token, estimated on samples of the base: their loss now, less under the base",
}


def forgetting_text(found: dict[str, Any], table: Table) -> str:
    """What `sft compare --forgetting` prints."""
    stages = ["base", *(f"after {name}" for name in found["learned"])]
    rows = [
        [one_line(stage), *(f"{value:.4f}" for value in values)]
        for stage, values in zip(stages, found["matrix"], strict=True)
    ]
    if found["joint"]:
        rows.append(["joint", *(f"{value:.4f}" for value in found["joint"])])
    rows.append(["rows", *(f"{found['rows'][name]:,}" for name in found["tasks"])])
    arrow = "↑" if found["higher_is_better"] else "↓"
    header = [f"{found['metric']} {arrow}", *map(one_line, found["tasks"])]
    grid = table(header, rows, "<" + ">" * len(found["tasks"]))
    lines = []
    for name, each in found["figures"].items():
        low, high = each["interval"] or (float("nan"), float("nan"))
        kind = name.partition(":")[0]
        sign = "" if kind in ("average", "learning") else "+"
        shown = f"{each['value']:{sign}.4f}"
        lines.append([name.replace("_", " "), shown, f"[{low:{sign}.4f}, {high:{sign}.4f}]", MEANING[kind]])
    share = f"{found['confidence'] * 100:g}%"
    figures = table(["", "value", f"{share} interval", "what it is"], lines, "<>><")
    seeds = f", of {found['seeds']} seeds with their rows" if found["seeds"] > 1 else ""
    draws = f"{found['draws']:,} resamples of the rows{seeds}"
    note = f"interval: holds {share} of {draws}; all stages share each resample.\n"
    return f"{grid}\n{figures}\n{note}"
