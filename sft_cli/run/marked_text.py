"""Text with marked parts: in colour on a terminal, otherwise between ⟦ and ⟧. Always on stderr."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from sft_cli.run.terminal import shows_colours

TARGET, GRADED, SPECIAL = "black on green", "black on yellow", "bold magenta"


class Span(NamedTuple):
    """A part of a text: its words, its weight in the loss (0: not learned), whether it is a special token."""

    text: str
    weight: float = 0.0
    is_special: bool = False


def print_marked(heading: str, spans: Sequence[Span]) -> None:
    """Print a heading and the spans to stderr; spans with a weight are marked.

    A weight other than 1 is written at the start of its mark. Without colour (no terminal, NO_COLOR, TERM=dumb) the
    marks are `⟦…⟧` and `⟦0.5|…⟧`. Control characters are written as escapes, so that a row cannot move the cursor.
    """
    if not shows_colours(sys.stderr):
        shown = marked(spans)
        print(heading, shown if shown.endswith("\n") else shown + "\n", sep="\n", file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    text = Text()
    for before, span in zip([Span(""), *spans], spans, strict=False):
        # The end of a line has no colour: a mark shows that it is learned.
        shown = visible(span.text).replace("\n", "↵\n") if span.weight else visible(span.text)
        number = f"{span.weight:.4g}|" if span.weight not in (0, 1, before.weight) else ""
        text.append(number + shown, _style(span))
    console = Console(stderr=True, highlight=False)
    console.print(Text(heading, "dim"), soft_wrap=True)
    if not text.plain.endswith("\n"):
        text.append("\n")
    console.print(text, soft_wrap=True)


def _style(span: Span) -> str:
    if not span.weight:
        return SPECIAL if span.is_special else ""
    return (TARGET if span.weight == 1 else GRADED) + (" bold" if span.is_special else "")


def marked(spans: Sequence[Span]) -> str:
    """The spans as plain text; neighbours with one weight share one mark."""
    parts = []
    for weight, members in groupby(spans, key=lambda span: span.weight):
        text = visible("".join(span.text for span in members))
        number = "" if weight == 1 else f"{weight:.4g}|"
        parts.append(f"⟦{number}{text}⟧" if weight else text)
    return "".join(parts)


def visible(text: str) -> str:
    r"""The text with control characters, except line ends and tabs, as escapes: `\x1b`."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda m: f"\\x{ord(m.group()):02x}", text)
