"""Histograms of the completions of each system: how long they are, and how much they repeat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sft_cli.report.page.svg import FIGURE_WIDTH, Drawing, Scale

HISTOGRAM_BINS = 20
ROW = 76  # height of one system


def histogram(name: str, unit: str, values: Sequence[Sequence[float]], labels: Sequence[str]) -> dict[str, Any]:
    """Counts of the values of each system in the same bins; NaN is left out and counted as `missing`.

    edges: of the bins; the last bin has its upper edge in it. The upper edge is the largest value.
    """
    known = [[value for value in own if not math.isnan(value)] for own in values]
    top = max((max(own) for own in known if own), default=1.0) or 1.0
    whole = unit != "share"
    step = max(1.0, math.ceil((top + 1) / HISTOGRAM_BINS)) if whole else 1 / HISTOGRAM_BINS
    count = math.floor(top / step) + 1 if whole else HISTOGRAM_BINS
    edges = [round(step * place, 6) for place in range(count + 1)]
    systems = []
    for label, own, all_values in zip(labels, known, values, strict=True):
        counts = [0] * count
        for value in own:
            counts[min(int(value / step + 1e-9), count - 1)] += 1
        ordered = sorted(own)
        systems.append(
            {
                "label": label,
                "counts": counts,
                "n": len(own),
                "missing": len(all_values) - len(own),
                "mean": sum(own) / len(own) if own else None,
                "median": _middle(ordered) if own else None,
            }
        )
    return {"name": name, "unit": unit, "edges": edges, "systems": systems}


def _middle(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def bin_names(each: dict[str, Any]) -> list[str]:
    """The range of each bin, as a table shows it: `0–4` words, or `0.00–0.05`."""
    edges = each["edges"]
    if each["unit"] == "share":
        return [f"{low:.2f}–{high:.2f}" for low, high in pairwise(edges)]
    names = [(int(low), int(high) - 1) for low, high in pairwise(edges)]
    return [f"{low:,}" if low == high else f"{low:,}–{high:,}" for low, high in names]


def histogram_figure(each: dict[str, Any], title: str) -> Drawing:
    """One small histogram for each system, one below the other, all with the same axes."""
    drawing = Drawing(each["name"], title, "One histogram for each system. The table beside the figure has the counts.")
    edges, left = each["edges"], 44
    scale = Scale(0.0, edges[-1], left, FIGURE_WIDTH - 16)
    y = 0.0
    for number, system in enumerate(each["systems"]):
        most = max(system["counts"], default=0) or 1
        middle = "none" if system["median"] is None else _median_text(system["median"], each["unit"])
        drawing.mark((14, y + 14), number)
        drawing.text((26, y + 18), f"{system['label']}: median {middle}, {system['n']:,} completions", "strong")
        bottom = y + ROW - 4
        drawing.line((left, bottom), (FIGURE_WIDTH - 16, bottom), "grid")
        if system["n"]:
            drawing.text((left - 6, y + 34), f"{most:,}", "soft", "end")
        names = bin_names(each)
        for place, count in enumerate(system["counts"]):
            x, end = scale.at(edges[place]), scale.at(edges[place + 1])
            tall = (bottom - y - 28) * count / most
            if count:
                drawing.box(
                    (round(x + 0.5, 1), round(bottom - tall, 1)),
                    (round(end - x - 1, 1), round(tall, 1)),
                    f"s{number % 6}",
                    f"{names[place]}: {count:,}",
                )
        if system["median"] is not None:
            x = round(scale.at(system["median"]), 1)
            drawing.line((x, y + 26), (x, bottom), "zero", "3 3")
        y += ROW
    for value, text in scale.marks(6):
        drawing.text((scale.at(value), y + 14), text, "soft", "middle")
    drawing.text((FIGURE_WIDTH / 2, y + 32), AXES[each["name"]], "soft", "middle")
    drawing.height = y + 40
    return drawing


AXES = {
    "length": "words of a completion; a CJK character is a word; dashed: median",
    "repetition": "share of its 4-word sequences that repeat another; dashed: median",
}


def _median_text(value: float, unit: str) -> str:
    return f"{value:.2f}" if unit == "share" else f"{value:,.4g}"
