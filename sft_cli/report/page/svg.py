"""A small drawing in SVG: lines, texts and marks, which differ by shape as well as by colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

FIGURE_WIDTH = 560  # units of the drawing: a page shows them smaller on a phone
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "ring")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "1 5", "12 4")
STYLES = Path(__file__).with_name("figure.css")
# A page has its own colours, light and dark; a file is for paper.
FILE_COLOURS = (
    "svg{--ink:#1b1f24;--soft:#57606a;--grid:#d0d7de;--paper:#fff;--s0:#0059b3;--s1:#b34700;--s2:#1a7a4c;"
    "--s3:#8b3a9c;--s4:#7a5b00;--s5:#a3173f}"
)
At = tuple[float, float]


@dataclass
class Drawing:
    """Parts of an SVG, drawn in order. `name` is the file name and the prefix of ids."""

    name: str
    title: str
    description: str
    height: float = 0
    parts: list[str] = field(default_factory=list)

    def line(self, start: At, end: At, style: str, dash: str = "") -> None:
        """A straight line."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line class="{style}" x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}"{dashes}/>'
        )

    def text(self, at: At, text: str, style: str = "label", anchor: str = "start") -> None:
        """A text; `anchor` is start, middle or end."""
        self.parts.append(
            f'<text class="{style}" x="{at[0]:g}" y="{at[1]:g}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def box(self, at: At, size: At, style: str, tip: str = "") -> None:
        """A rectangle from its upper left corner."""
        self.parts.append(
            f'<rect class="{style}" x="{at[0]:g}" y="{at[1]:g}" width="{size[0]:g}" height="{size[1]:g}">'
            f"{_tip(tip)}</rect>"
        )

    def curve(self, points: Sequence[At], number: int, tip: str = "") -> None:
        """A line through points, in the colour and with the dashes of system `number`."""
        shown = " ".join(f"{round(x, 1):g},{round(y, 1):g}" for x, y in points)
        dash = DASHES[number % len(DASHES)]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline class="curve s{number % len(SHAPES)}" points="{shown}"{dashes}>{_tip(tip)}</polyline>'
        )

    def mark(self, at: At, number: int, tip: str = "", size: float = 5) -> None:
        """A mark with the shape and colour of system `number`."""
        x, y = (round(value, 1) for value in at)
        kind = SHAPES[number % len(SHAPES)]
        style = f'class="mark {kind} s{number % len(SHAPES)}"'
        if kind in ("circle", "ring"):
            self.parts.append(f'<circle {style} cx="{x:g}" cy="{y:g}" r="{size:g}">{_tip(tip)}</circle>')
            return
        corners = {
            "square": "M{a:g} {c:g}H{b:g}V{d:g}H{a:g}Z",
            "diamond": "M{x:g} {c:g}L{b:g} {y:g}L{x:g} {d:g}L{a:g} {y:g}Z",
            "triangle": "M{x:g} {c:g}L{b:g} {d:g}H{a:g}Z",
            "cross": "M{a:g} {c:g}L{b:g} {d:g}M{b:g} {c:g}L{a:g} {d:g}",
        }[kind]
        path = corners.format(x=x, y=y, a=x - size, b=x + size, c=y - size, d=y + size)
        self.parts.append(f'<path {style} d="{path}">{_tip(tip)}</path>')

    def legend(self, labels: Sequence[str], at: At, has_lines: bool = False) -> float:
        """The mark of each system and its name, in lines that fit the width; return the y below them."""
        x, y = at
        for number, label in enumerate(labels):
            width = 34 + 7.5 * text_width(label)
            if x + width > FIGURE_WIDTH and x > at[0]:
                x, y = at[0], y + 20
            if has_lines:
                self.curve([(x, y - 4), (x + 22, y - 4)], number)
            self.mark((x + 11, y - 4), number)
            self.text((x + 28, y), label)
            x += width + 10
        return y + 16

    def svg(self, is_file: bool = False) -> str:
        """The SVG element; a file has its styles and a white background."""
        style = f"<style>{FILE_COLOURS}{STYLES.read_text(encoding='utf-8')}</style>" if is_file else ""
        background = f'<rect class="paper" width="{FIGURE_WIDTH}" height="{self.height:g}"/>' if is_file else ""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox="0 0 {FIGURE_WIDTH} {self.height:g}" '
            f'role="img" aria-labelledby="{self.name}-title {self.name}-desc">'
            f'<title id="{self.name}-title">{escape(self.title)}</title>'
            f'<desc id="{self.name}-desc">{escape(self.description)}</desc>'
        )
        return f"{head}{style}{background}{''.join(self.parts)}</svg>\n"


def _tip(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


def text_width(text: str) -> int:
    """About how many letters wide a text is; wide characters count twice."""
    from sft_cli.report.table import display_width

    return display_width(text)


def fitted(text: str, letters: int) -> str:
    """The text, cut with `…` so that it is at most `letters` wide."""
    if text_width(text) <= letters:
        return text
    while text and text_width(text) >= letters:
        text = text[:-1]
    return text + "…"


@dataclass(frozen=True)
class Scale:
    """From values to places on an axis: `low` is at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value; values outside are drawn at the edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)

    def marks(self, count: int = 5) -> list[tuple[float, str]]:
        """About `count` round values, 1, 2 or 5 times a power of ten apart, with their texts."""
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / count))
        size = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= count)
        decimals = max(0, -math.floor(math.log10(size) + 1e-9))
        first, last = math.ceil(self.low / size - 1e-9), math.floor(self.high / size + 1e-9)
        return [(number * size, f"{number * size + 0.0:,.{decimals}f}") for number in range(first, last + 1)]


def scale_around(values: Sequence[float], places: At, margin: float = 0.06) -> Scale:
    """A scale that shows all values, with a margin; equal values are in the middle."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * margin or max(abs(high) * 0.1, 0.05)
    return Scale(low - room, high + room, *places)
