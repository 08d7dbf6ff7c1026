"""What a sequence of tasks taught and made forget, from the document of `sft compare --forgetting`: one plot."""

from __future__ import annotations

from typing import Any

from sft_cli.report.page.svg import FIGURE_WIDTH, Drawing, scale_around


def methods_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Each method: its label, what it learned, and what it forgot, with the intervals that are known."""
    figures = [
        [each, *each["methods"]] for each in (document["figures"]["learning"], document["figures"]["forgetting"])
    ]
    return [
        {
            "label": label,
            "learning": learned["value"],
            "learning_interval": learned["interval"],
            "forgetting": forgotten["value"],
            "forgetting_interval": forgotten["interval"],
        }
        for label, learned, forgotten in zip(document["methods"], *figures, strict=True)
    ]


def forgetting_figure(document: dict[str, Any], methods: list[dict[str, Any]]) -> Drawing:
    """Learning across, forgetting upwards: a good method is at the lower right (at the upper left are bad ones)."""
    drawing = Drawing(
        "forgetting",
        "Learning and forgetting",
        "Each method: the mean score of a task right after it was learned, and how much of it was lost since. "
        "The table of figures has the same numbers.",
    )
    y = drawing.legend([each["label"] for each in methods], (8, 20))
    xs, ys = [0.0], [0.0]
    for each in methods:
        xs += [each["learning"], *(each["learning_interval"] or [])]
        ys += [each["forgetting"], *(each["forgetting_interval"] or [])]
    across, up = scale_around(xs, (60, FIGURE_WIDTH - 24)), scale_around(ys, (y + 270, y + 8))
    for value, text in across.marks(6):
        x = round(across.at(value), 1)
        drawing.line((x, up.start), (x, up.end), "grid")
        drawing.text((x, up.start + 18), text, "soft", "middle")
    for value, text in up.marks(6):
        at = round(up.at(value), 1)
        drawing.line((across.start, at), (across.end, at), "zero" if abs(value) < 1e-12 else "grid")
        drawing.text((across.start - 8, at + 4), text, "soft", "end")
    for number, each in enumerate(methods):
        x, at, style = across.at(each["learning"]), up.at(each["forgetting"]), f"span s{number % 6}"
        if each["learning_interval"]:
            low, high = each["learning_interval"]
            drawing.line((across.at(low), at), (across.at(high), at), style)
        if each["forgetting_interval"]:
            low, high = each["forgetting_interval"]
            drawing.line((x, up.at(low)), (x, up.at(high)), style)
        drawing.mark(
            (x, at), number, f"{each['label']}: learned {each['learning']:.4f}, forgot {each['forgetting']:.4f}", 6
        )
    arrow = "right" if document["higher_is_better"] else "left"
    drawing.text(
        (FIGURE_WIDTH / 2, up.start + 38),
        f"learning: {document['metric']} right after each task (better: {arrow})",
        "soft",
        "middle",
    )
    drawing.text((across.start + 4, up.end - 2), "forgetting (better: down)", "soft")
    drawing.height = up.start + 48
    return drawing


def matrix_table(document: dict[str, Any]) -> dict[str, Any]:
    """The matrix of scores: the tasks, and for each stage its cells, each with its text and a step of shade, 0 to 4."""
    stages = ["base", *(f"after {name}" for name in document["learned"])]
    rows = list(zip(stages, document["matrix"], strict=True))
    for method, own in zip(document["methods"][1:], document["matrices"][1:], strict=True):
        rows += [(f"{method}: {name}", values) for name, values in zip(stages, own, strict=True)][1:]
    if document.get("joint"):
        rows.append(("joint", document["joint"]))
    values = [value for _, own in rows for value in own]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return {
        "tasks": document["tasks"],
        "rows": [
            {
                "stage": name,
                "cells": [{"text": f"{value:.4f}", "shade": round(4 * (value - low) / span)} for value in own],
            }
            for name, own in rows
        ],
    }
