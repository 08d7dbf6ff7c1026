"""The matrix of stages and tasks, and its figures, as tables."""

from __future__ import annotations

from typing import Any

from sft_cli.report.comparison_text import TableWriter
from sft_cli.run.text import one_line

UNSIGNED = ("average", "learning", "newest")  # scores; the other figures are differences
MEANING = {
    "average": "mean score of the learned tasks after the last stage",
    "learning": "mean score of each task right after it was learned",
    "learning_gain": "score right after a task was learned, minus score of the base; mean over the learned tasks",
    "newest": "score of the task that was learned last",
    "forgetting": "best score since a task was learned, minus score now; mean over all tasks except the last",
    "backward_transfer": "score now, minus score right after a task was learned; mean over all tasks except the last",
    "below_base": "score of the base, minus score now; mean over all tasks except the last",
    "forward_transfer": "score before a task was learned, minus that of the base; mean over all tasks except the first",
    "intransigence": "score of the joint run, minus score right after a task was learned",
    "general_change": "tasks that were not trained: score now, minus score of the base",
    "delta_nll": "loss of general text now, minus loss of the base, in nats per token",
    "kl_to_base": "KL(base‖now) in nats per token: loss of this model on texts that the base wrote, minus the "
    "loss of the base on them",
}


def forgetting_text(document: dict[str, Any], table: TableWriter) -> str:
    """What `sft compare --forgetting` prints."""
    stages = ["base", *(f"after {name}" for name in document["learned"])]
    rows = list(zip(stages, document["matrix"], strict=True))
    others = document["methods"][1:]
    for method, values in zip(others, document["matrices"][1:], strict=True):
        named = "against" if len(others) == 1 else method
        rows += [(f"{named}: {name}", each) for name, each in zip(stages, values, strict=True)][1:]
    if document["joint"]:
        rows.append(("joint", document["joint"]))
    lines = [[one_line(name), *(f"{value:.4f}" for value in values)] for name, values in rows]
    lines.append(["rows", *(f"{document['rows'][name]:,}" for name in document["tasks"])])
    arrow = "↑" if document["higher_is_better"] else "↓"
    header = [f"{document['metric']} {arrow}", *map(one_line, document["tasks"])]
    grid = table(header, lines, "<" + ">" * len(document["tasks"]))
    figures = figures_table(document, table) if len(others) < 2 else methods_table(document, table)
    return f"{grid}\n{figures}\n{notes(document)}"


def figures_table(document: dict[str, Any], table: TableWriter) -> str:
    """The figures with their intervals; with another method, also the differences."""
    percent = f"{document['confidence'] * 100:g}% interval"
    header = ["", "value", percent]
    if document["against"]:
        header += ["against", "difference", percent, "p"]
    lines = []
    for name, each in document["figures"].items():
        kind = name.partition(":")[0]
        sign = "" if kind in UNSIGNED else "+"
        line = [name.replace("_", " "), f"{each['value']:{sign}.4f}", _shown_interval(each["interval"], sign)]
        if document["against"]:
            line += [f"{each['against']:{sign}.4f}", f"{each['difference']:+.4f}"]
            line += [_shown_interval(each["difference_interval"], "+"), f"{each['p']:.4f}"]
        lines.append([*line, MEANING[kind]])
    return table([*header, "meaning"], lines, "<" + ">" * (len(header) - 1) + "<")


def methods_table(document: dict[str, Any], table: TableWriter) -> str:
    """For each figure a line for each method; the difference is the first method's minus that method's."""
    percent = f"{document['confidence'] * 100:g}% interval"
    lines = []
    for name, each in document["figures"].items():
        kind = name.partition(":")[0]
        sign = "" if kind in UNSIGNED else "+"
        lines.append([f"{name.replace('_', ' ')}: {MEANING[kind]}", *[""] * 5])
        for place, method in enumerate(document["methods"]):
            values = each if place == 0 else each["methods"][place - 1]
            line = [f"  {method}", f"{values['value']:{sign}.4f}", _shown_interval(values["interval"], sign)]
            if place:
                line += [f"{values['difference']:+.4f}", _shown_interval(values["difference_interval"], "+")]
                line += [f"{values['p_holm']:.4f}"]
            lines.append([*line, *[""] * (6 - len(line))])
    return table(["", "value", percent, "difference", percent, "p holm"], lines, "<>>>>>")


def learned_nothing(document: dict[str, Any]) -> list[str]:
    """A line for each method that forgot nothing because it learned nothing.

    The intervals of its forgetting and of its learning gain hold 0, or lie below it.
    """
    figures = {name: document["figures"][name] for name in ("forgetting", "learning_gain")}
    lines = []
    for place, method in enumerate(document["methods"]):
        forgot, gained = (each if place == 0 else each["methods"][place - 1] for each in figures.values())
        if _is_not_above(forgot) and _is_not_above(gained):
            lines.append(
                f"{method}: forgetting {forgot['value']:+.4f} does not count here, because this method learned nothing "
                f"(learning gain {gained['value']:+.4f} {_shown_interval(gained['interval'], '+')})."
            )
    return lines


def _is_not_above(figure: dict[str, Any]) -> bool:
    low = figure["interval"][0] if figure["interval"] else figure["value"]
    return bool(low <= 0)


def _shown_interval(interval: tuple[float, float] | None, sign: str) -> str:
    return f"[{interval[0]:{sign}.4f}, {interval[1]:{sign}.4f}]" if interval else "-"


def notes(document: dict[str, Any]) -> str:
    """The methods of the intervals and p-values."""
    seeds = document["seeds"]
    drawn = f"{document['draws']:,} resamples of the rows{f' and of the {seeds} seeds' if seeds > 1 else ''}"
    number = len(document["methods"])
    methods = "" if number == 1 else f" and {'both' if number == 2 else 'all'} methods"
    shared = f"all stages{methods} use the same resamples"
    missing = [
        each[key] for each in document["figures"].values() for key in each if key.startswith("no_") and each[key]
    ]
    text = f"interval: expanded percentiles of {drawn}; {shared}.\n"
    if document["against"]:
        what = "the two runs of a seed" if seeds > 1 else "the two answers to a prompt (in all stages at once)"
        least = f"; with {seeds} seeds p is at least {2 / 2**seeds:g}" if seeds > 1 else ""
        text += f"p: how often random swaps of {what} produce a difference this large{least}.\n"
        if number > 2:
            text += f"difference: {document['methods'][0]} minus the method of the line; "
            text += "p holm: p after Holm's correction.\n"
    text += "".join(f"{line}\n" for line in learned_nothing(document))
    text += f"interval -: {', or '.join(dict.fromkeys(missing))}.\n" if missing else ""
    return text + "".join(f"{line}\n" for line in document["notes"])
