"""Aligned plain-text and Markdown tables; East Asian wide characters are two places wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def display_width(text: str) -> int:
    """Width of the text on a terminal: 2 for wide characters, 0 for combining marks. UAX #11."""
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def padded(text: str, width: int, align: str) -> str:
    """The text, filled with spaces to `width`; align is `<` or `>`."""
    space = " " * (width - display_width(text))
    return space + text if align == ">" else text + space


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table with two spaces between cells, one line per row, no spaces at line ends.

    `align`: a `<` or `>` per cell. A line with text in its first cell alone is a heading, and can be as long as it is.
    """
    lines = [header, *rows]
    cells = [line for line in lines if any(line[1:])] or lines
    widths = [max(display_width(line[column]) for line in cells) for column in range(len(header))]
    return "".join(
        "  ".join(padded(cell, width, side) for cell, width, side in zip(line, widths, align, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """The same as a GitHub-flavoured Markdown table."""
    rule = ["---:" if side == ">" else "---" for side in align]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in (header, rule, *rows)
    )
