"""The figures of `sft prep --stats` as one HTML page without scripts and without network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.report.data_text import data_lines, finding_name, percent, sample_note
from sft_cli.report.inert_html import inert_page_json, policy_hash
from sft_cli.report.page.svg import FIGURE_WIDTH, STYLES, Drawing, fitted

PAGE_TEMPLATE = Path(__file__).with_name("statistics.html")
LINE = 22  # height of a bar with its label
LEFT, RIGHT = 150, 120  # room for labels and numbers
# Lists of a group that are drawn, with the titles of the drawings.
DRAWN = {
    "histogram_of_questions": "Words of questions",
    "histogram_of_answers": "Words of answers",
    "rows_by_source": "Rows by source",
    "openings": "Openings of answers",
}


def data_html(document: dict[str, Any]) -> str:
    """The page. No script is allowed, and only this style."""
    from jinja2 import Environment, StrictUndefined

    style = STYLES.read_text(encoding="utf-8") + PAGE_TEMPLATE.with_name("page.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    return environment.from_string(PAGE_TEMPLATE.read_text(encoding="utf-8")).render(
        page=document,
        groups=_parts_of_page(document),
        names={found["figure"]: finding_name(found) for found in document["findings"]},
        data=inert_page_json(document),
        style=style,
        policy=f"default-src 'none'; style-src '{policy_hash(style)}'; base-uri 'none'; form-action 'none'",
    )


def _parts_of_page(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines and the drawings of each group."""
    groups: list[dict[str, Any]] = []
    drawings = [
        [
            bars(f"{group}-{key}".replace("_", "-"), title, values[key])
            for key, title in DRAWN.items()
            if values.get(key)
        ]
        for group, values in document["figures"].items()
    ]
    for group, label, value, meaning in data_lines(document):
        if not label:
            has_note = group in ("phrases", "n-grams")
            note = sample_note(document) if has_note else ""
            groups.append({"name": group, "lines": [], "figures": drawings[len(groups)], "note": note})
        else:
            line = {"label": label.strip(), "value": value, "meaning": meaning, "is_entry": label.startswith(" ")}
            groups[-1]["lines"].append(line)
    return groups


def bars(name: str, title: str, entries: list[dict[str, Any]]) -> Drawing:
    """A bar for each entry, as long as its rows, with its label and its share."""
    drawing = Drawing(name, title, "A bar for each line; the table has the numbers.")
    most = max(entry["rows"] for entry in entries) or 1
    for number, entry in enumerate(entries):
        y = number * LINE
        width = (FIGURE_WIDTH - LEFT - RIGHT) * entry["rows"] / most
        said = f"{entry['rows']:,} ({percent(entry['share'])})"
        drawing.text((LEFT - 8, y + 15), fitted(entry["text"], 20), "label", "end")
        drawing.box((LEFT, y + 4), (round(max(width, 0.5), 1), LINE - 8), "bar", f"{entry['text']}: {said}")
        drawing.text((LEFT + width + 6, y + 15), said, "soft")
    drawing.height = len(entries) * LINE + 4
    return drawing
