"""The rows that the page can show: by column, and short enough for a page that opens at once."""

from __future__ import annotations

import json
import math
from typing import Any

from sft_cli.report.comparison import Measure
from sft_cli.report.page.text_facts import TextFacts
from sft_cli.report.paired_rows import MeasuredPairs
from sft_cli.report.pairs import Pairs
from sft_cli.run.text import counted

MOST_SHOWN_ROWS = 5000
MOST_VALUES = 6  # values of a row
MOST_TEXT_BYTES = 2_000_000  # of all texts as JSON; with all numbers the page stays below 3 MB
LIMITS = (4000, 2000, 1000, 600, 400, 250, 160, 100)  # characters of a text
MOST_REFERENCES = 3


def rows_to_show(measured: list[MeasuredPairs]) -> list[int]:
    """The numbers of the pairs to show, at most MOST_SHOWN_ROWS: those first whose first value changed most."""
    import numpy

    values = measured[0].values
    changes = numpy.nan_to_num(numpy.abs(numpy.stack([own - values[0] for own in values[1:]])).max(axis=0), nan=-1.0)
    order: list[int] = numpy.argsort(-changes, kind="stable")[:MOST_SHOWN_ROWS].tolist()
    return order


def row_table(pairs: Pairs, measured: list[MeasuredPairs], places: list[int], facts: TextFacts) -> dict[str, Any]:
    """The rows by column, in the order of the file. `left_out`: the number of rows that are not here.

    Texts have at most `cut_at` characters, so that all fit; `cut` has the characters that each answer lacks. If the
    shortest limit is not enough, the rows at the end of `places` are left out.
    """
    limit, kept = _fitting(places, facts)
    places = sorted(kept)
    sides = range(len(pairs.files))
    names = pairs.names(places)
    tasks = list(dict.fromkeys(facts.tasks[place] or "" for place in places))
    shown = [[facts.shown[side, place] for side in sides] for place in places]
    return {
        "total": len(pairs),
        "left_out": len(pairs) - len(places),
        "cut_at": limit,
        "tasks": tasks,
        "more_measures": max(0, len(measured) - MOST_VALUES),
        "measures": [
            {
                "value": each.measure.value,
                "higher_is_better": each.measure.higher_is_better,
                "best": _best(each.measure),
            }
            for each in measured[:MOST_VALUES]
        ],
        "id": [name["id"] for name in names],
        "sample": [name["sample"] for name in names],
        "task": [tasks.index(facts.tasks[place] or "") for place in places],
        "question": [_cut(row[0].question, limit) for row in shown],
        "references": [[_cut(text, limit) for text in row[0].references[:MOST_REFERENCES]] for row in shown],
        "more_references": [max(0, len(row[0].references) - MOST_REFERENCES) for row in shown],
        "answers": [[own.completion and own.completion[:limit] for own in row] for row in shown],
        "cut": [_lacking([own.completion for own in row], limit) for row in shown],
        "finish": [[own.finish_reason for own in row] for row in shown],
        "values": [
            [[_short_number(float(each.values[side][place])) for side in sides] for each in measured[:MOST_VALUES]]
            for place in places
        ],
    }


def _fitting(places: list[int], facts: TextFacts) -> tuple[int, list[int]]:
    """The longest limit with which the texts of the rows fit, and the rows; fewer rows if none is short enough."""
    texts: dict[int, list[str]] = {place: [] for place in places}
    for (side, place), row in facts.shown.items():
        texts[place] += [row.completion or ""]
        if side == 0:
            texts[place] += [row.question, *row.references[:MOST_REFERENCES]]
    for limit in LIMITS:
        sizes = [sum(_json_bytes(text[:limit]) for text in texts[place]) for place in places]
        if sum(sizes) <= MOST_TEXT_BYTES:
            return limit, places
    total, kept = 0, 0
    while kept < len(places) and total + sizes[kept] <= MOST_TEXT_BYTES:
        total, kept = total + sizes[kept], kept + 1
    return limit, places[:kept]


def _json_bytes(text: str) -> int:
    # `<`, `>` and `&` are written as six characters.
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) + 5 * sum(map(text.count, "<>&"))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… (and {len(text) - limit:,} characters)"


def _lacking(texts: list[str | None], limit: int) -> list[int] | None:
    """For each text the number of characters beyond the limit; None if no text has any."""
    counts = [max(0, len(text or "") - limit) for text in texts]
    return counts if any(counts) else None


def _best(measure: Measure) -> float | None:
    """The best value that a row can have; None if there is no bound."""
    return measure.largest if measure.higher_is_better else 0.0


def _short_number(value: float) -> float | int | None:
    """A value in as few letters as six decimals need."""
    if math.isnan(value):
        return None
    return int(value) if value == int(value) else round(value, 6)


def said_of_rows(table: dict[str, Any]) -> list[str]:
    """What the page leaves out, one line each: rows, and the ends of long answers."""
    lines = []
    if table["left_out"]:
        lines.append(
            f"the page shows {len(table['id']):,} of {table['total']:,} rows: those whose value changed most; its "
            "other parts are about all rows"
        )
    cut = sum(lacking is not None for lacking in table["cut"])
    if cut:
        lines.append(f"the page shows the first {table['cut_at']:,} characters of the answers of {counted(cut, 'row')}")
    return lines
