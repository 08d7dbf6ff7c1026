"""The forest plot: the difference of each system from the base with its interval, for each value and group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.report.page.svg import FIGURE_WIDTH, Drawing, Scale, fitted, scale_around

NAME_WIDTH = 190  # width of the names at the left
LINE, PANEL = 22, 58
MOST_LINES = 90  # of the figure; groups of later values are left out first


def forest(document: dict[str, Any]) -> Drawing:
    """Draw the comparisons of the document, one panel for each value, because scales can differ."""
    comparisons = document["comparisons"]
    values = list(dict.fromkeys(each["value"] for each in comparisons))
    systems = list(dict.fromkeys(_system(each, document["base"]) for each in comparisons))
    drawing = Drawing("forest", f"Differences from {document['base']}", _description(document))
    y = drawing.legend(systems, (8, 20)) + 4
    lines, is_whole = 0, True
    for value in values:
        mine = [each for each in comparisons if each["value"] == value]
        if lines + len(mine) > MOST_LINES and lines:
            kept = [each for each in mine if each["group"] is None]
            mine, is_whole = kept, is_whole and len(kept) == len(mine)
        lines += len(mine)
        y = _panel(drawing, [{**each, "system": _system(each, document["base"])} for each in mine], systems, y)
    if not is_whole:
        drawing.text((8, y), "The chart shows groups of rows only for the first metrics; the table has all.", "soft")
        y += 20
    drawing.height = y
    return drawing


def _system(each: dict[str, Any], base: str) -> str:
    """The name of what is compared: the other file, and the file that it is compared with if that is not the base."""
    return str(each["other"]) if each["base"] == base else f"{each['other']} against {each['base']}"


def _description(document: dict[str, Any]) -> str:
    return (
        f"For each value, the difference of each system from {document['base']}, as a mark, and its "
        f"{document['confidence'] * 100:g} % interval, as a line. The table beside the figure has the same numbers."
    )


def _panel(drawing: Drawing, lines: Sequence[dict[str, Any]], systems: list[str], y: float) -> float:
    bounds = [0.0]
    for each in lines:
        bounds += [each["difference"] or 0.0, *(each["interval"] or [])]
    scale = scale_around(bounds, (NAME_WIDTH, FIGURE_WIDTH - 16))
    first = lines[0]
    drawing.text((8, y + 16), fitted(first["value"], 40), "strong")
    better = first["higher_is_better"]
    drawing.text((scale.at(0) - 8, y + 16), "← worse" if better else "← better", "soft", "end")
    drawing.text((scale.at(0) + 8, y + 16), "better →" if better else "worse →", "soft")
    groups = list(dict.fromkeys(each["group"] for each in lines))
    top, bottom = y + 26, y + 26 + sum(LINE * max(1, _lines_in_group(lines, group)) for group in groups)
    _axis(drawing, scale, top, bottom)
    at = top
    for group in groups:
        drawing.text((8, at + 15), "all rows" if group is None else fitted(group, 25))
        for each in (each for each in lines if each["group"] == group):
            _line(drawing, each, systems.index(each["system"]), scale, at + LINE / 2)
            at += LINE
    return bottom + PANEL - 26


def _lines_in_group(lines: Sequence[dict[str, Any]], group: str | None) -> int:
    return sum(each["group"] == group for each in lines)


def _axis(drawing: Drawing, scale: Scale, top: float, bottom: float) -> None:
    for value, text in scale.marks(5):
        x = round(scale.at(value), 1)
        drawing.line((x, top), (x, bottom), "zero" if abs(value) < 1e-12 else "grid")
        drawing.text(
            (x, bottom + 15), text if abs(value) < 1e-12 or text.startswith("-") else f"+{text}", "soft", "middle"
        )


def _line(drawing: Drawing, each: dict[str, Any], number: int, scale: Scale, y: float) -> None:
    if each["difference"] is None:
        drawing.text((scale.at(0) + 8, y + 4), "no value", "soft")
        return
    tip = f"{each['system']}: {each['difference']:+.4f}"
    if each["interval"]:
        low, high = each["interval"]
        style = f"span s{number % 6}"
        drawing.line((scale.at(low), y), (scale.at(high), y), style)
        for end in (low, high):
            drawing.line((scale.at(end), y - 4), (scale.at(end), y + 4), style)
        tip += f" [{low:+.4f}, {high:+.4f}]"
    drawing.mark((scale.at(each["difference"]), y), number, f"{tip}, p {each['p_holm']:.4f}, n {each['n']:,}")
