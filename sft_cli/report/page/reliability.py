"""Calibration: of the completions with a confidence of about c, is the share c right?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sft_cli.report.page.svg import FIGURE_WIDTH, Drawing, Scale

RELIABILITY_BINS = 10


def reliability(label: str, confidences: Sequence[float], right: Sequence[float]) -> dict[str, Any] | None:
    """Ten bins of equal width, and their expected calibration error; None if no row has both numbers.

    Source: Guo et al. 2017, "On calibration of modern neural networks", eq. 3: the mean over rows of |share right −
    mean confidence| of their bins.
    """
    known = [
        (confidence, own)
        for confidence, own in zip(confidences, right, strict=True)
        if not (math.isnan(confidence) or math.isnan(own))
    ]
    if not known or not all(own in (0.0, 1.0) for _, own in known):
        return None
    members: list[list[tuple[float, float]]] = [[] for _ in range(RELIABILITY_BINS)]
    for confidence, own in known:
        members[min(int(confidence * RELIABILITY_BINS), RELIABILITY_BINS - 1)].append((confidence, own))
    bins = []
    for place, rows in enumerate(members):
        entry: dict[str, Any] = {
            "low": place / RELIABILITY_BINS,
            "high": (place + 1) / RELIABILITY_BINS,
            "n": len(rows),
        }
        entry["confidence"] = sum(confidence for confidence, _ in rows) / len(rows) if rows else None
        entry["right"] = sum(own for _, own in rows) / len(rows) if rows else None
        bins.append(entry)
    error = sum(each["n"] * abs(each["right"] - each["confidence"]) for each in bins if each["n"]) / len(known)
    return {"label": label, "n": len(known), "error": error, "bins": bins}


def reliability_figure(entries: list[dict[str, Any]], value: str) -> Drawing:
    """Confidence across, share right upwards; the diagonal is perfect calibration."""
    drawing = Drawing(
        "calibration",
        f"Calibration: confidence and {value}",
        "For each system and bin of confidence, the share of right completions. The table has the same numbers.",
    )
    y = drawing.legend([each["label"] for each in entries], (8, 20), has_lines=True)
    across, up = Scale(0, 1, 60, FIGURE_WIDTH - 40), Scale(0, 1, y + 300, y + 10)
    for mark, text in across.marks(5):
        drawing.line((across.at(mark), up.at(0)), (across.at(mark), up.at(1)), "grid")
        drawing.line((across.at(0), up.at(mark)), (across.at(1), up.at(mark)), "grid")
        drawing.text((across.at(mark), up.at(0) + 16), text, "soft", "middle")
        drawing.text((across.at(0) - 8, up.at(mark) + 4), text, "soft", "end")
    drawing.line((across.at(0), up.at(0)), (across.at(1), up.at(1)), "zero", "3 3")
    for number, each in enumerate(entries):
        points = [(across.at(b["confidence"]), up.at(b["right"])) for b in each["bins"] if b["n"]]
        drawing.curve(points, number)
        for point, b in zip(points, (b for b in each["bins"] if b["n"]), strict=True):
            drawing.mark(
                point,
                number,
                f"{each['label']}: confidence {b['confidence']:.3f}, right {b['right']:.3f}, n {b['n']:,}",
            )
    drawing.text(
        (FIGURE_WIDTH / 2, up.at(0) + 36),
        "horizontal: mean confidence; vertical: share right; dashed: perfect calibration",
        "soft",
        "middle",
    )
    drawing.height = up.at(0) + 46
    return drawing
