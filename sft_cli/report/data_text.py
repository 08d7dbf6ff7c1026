"""The figures of `sft prep --stats` as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sft_cli.report.table import text_table
from sft_cli.run.text import counted, one_line

LONGEST_ENTRY = 48  # characters
NO_VALUE = "–"


def data_text(document: dict[str, Any]) -> str:
    """The table of all figures, then what to try."""
    lines: list[tuple[str, str, str]] = []
    for group, label, value, meaning in data_lines(document):
        lines.append((f"  {label}" if label else group, value, f"! {meaning}" if meaning else ""))
    text = text_table(("figure", "value", "for training"), lines, "<<<")
    if note := sample_note(document):
        text += f"\n{note}\n"
    if document["findings"]:
        text += "\nto try\n"
    for found in document["findings"]:
        expected = f"{percent(found['share'])}, expected at most {percent(found['bound'])}"
        text += f"  {finding_name(found)}: {expected}\n    {found['try']}\n"
    return text


def finding_name(found: dict[str, Any]) -> str:
    """`duplicates: exact`."""
    group, _, key = found["figure"].partition(".")
    return f"{group_name(group)}: {key.replace('_', ' ')}"


def group_name(group: str) -> str:
    """The name of a group of figures, with spaces."""
    return group if group == "n-grams" else group.replace("-", " ")


def sample_note(document: dict[str, Any]) -> str:
    """Which figures are of a sample; empty if all are of all rows."""
    sampled = document["rows_of_the_sample"]
    if sampled == document["rows"]:
        return ""
    return f"phrases and n-grams: of {sampled:,} of {counted(document['rows'], 'row')}, those with the smallest hash"


def data_lines(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(group, label, value, meaning) of each line; a heading has only its group. Histograms are left out."""
    meanings = {found["figure"]: found["meaning"] for found in document["findings"]}
    for group, values in document["figures"].items():
        yield group_name(group), "", "", ""
        for key, value in values.items():
            if key.startswith("histogram"):
                continue
            label = key.replace("_", " ") if not key.startswith("labels_of_") else key.replace("_", " ", 2)
            if not isinstance(value, list):
                yield group, label, shown_value(value), meanings.get(f"{group}.{key}", "")
                continue
            if value:
                yield group, label, "", ""
            for entry in value:
                yield group, f"  {one_line(entry['text'], LONGEST_ENTRY)}", shown_value(entry), ""


def shown_value(value: Any) -> str:
    """A number, a number of rows with its share, a share, or quantiles."""
    if value is None:
        return NO_VALUE
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    if "median" in value:
        ends = f"{value['smallest']:,} to {value['largest']:,}"
        return f"{value['median']:,} (5 %: {value['p5']:,}, 95 %: {value['p95']:,}, {ends})"
    share = percent(value["share"])
    return f"{value['rows']:,} ({share})" if "rows" in value else share


def percent(share: float) -> str:
    """`1.2 %`; a small share that is not 0 is not shown as 0."""
    return "<0.1 %" if 0 < share < 0.001 else f"{share:.1%}".replace("%", " %")
