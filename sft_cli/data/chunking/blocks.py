"""The parts of a document: its headings and its paragraphs, read as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sft_cli.data.documents import Page

HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
SETEXT_LINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")  # below a heading; CommonMark 0.31, section 4.3
FENCE_LINE = re.compile(r" {0,3}(```|~~~)")
OTHER_BLOCK = re.compile(r" {4}|\t| {0,3}(?:[>|]|[-*+][ \t]|\d{1,9}[.)][ \t]|```|~~~|---)|.*\|.*\|")
MOST_HEADING_LINES = 3
MOST_CHARACTERS = 1 << 18  # of a paragraph
HTML_HEADING = re.compile(r"h([1-6])$")


class Block(NamedTuple):
    """A heading (level 1 to 6), or a paragraph (level 0)."""

    level: int
    text: str


class Paragraph:
    """The lines of a paragraph. A paragraph that is too long ends with a line, so that a file of one need not fit."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0

    def add(self, line: str) -> Iterator[Block]:
        """Add a line; yields the paragraph if it is long."""
        self.lines.append(line.rstrip("\n"))
        self.size += len(line)
        if self.size >= MOST_CHARACTERS:
            yield from self.end()

    def end(self) -> Iterator[Block]:
        """Yield the paragraph, if it has lines."""
        if self.lines:
            yield Block(0, "\n".join(self.lines))
        self.lines, self.size = [], 0


def text_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """The paragraphs of plain text: empty lines are between them."""
    paragraph = Paragraph()
    for line in lines:
        yield from paragraph.add(line) if line.strip() else paragraph.end()
    yield from paragraph.end()


def markdown_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """The headings (`# …`, or a paragraph over a line of `=` or `-`) and paragraphs of Markdown.

    A block of code has no headings. A paragraph over such a line that is no sentence but a list, a table or a quotation
    stays a paragraph.
    """
    paragraph = Paragraph()
    fence = ""
    for line in lines:
        mark = FENCE_LINE.match(line)
        if mark:
            fence = "" if fence == mark[1] else fence or mark[1]
        heading = None if fence else HEADING.match(line)
        if not fence and (underline := SETEXT_LINE.match(line.rstrip("\n"))) and _can_be_heading(paragraph.lines):
            yield Block(1 if underline[1][0] == "=" else 2, " ".join(" ".join(paragraph.lines).split()))
            paragraph = Paragraph()
            continue
        if (heading or not line.strip()) and not fence:
            yield from paragraph.end()
        if heading:
            yield Block(len(heading[1]), heading[2])
        elif line.strip() or fence:
            yield from paragraph.add(line)
    yield from paragraph.end()


def _can_be_heading(lines: list[str]) -> bool:
    """Whether a line of `=` or `-` makes a heading of these lines: a paragraph of at most three, and no other block."""
    return 0 < len(lines) <= MOST_HEADING_LINES and not any(map(OTHER_BLOCK.match, lines))


class HeadedPage(Page):
    """A page that knows which of its paragraphs are headings, and of which level."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: dict[int, int] = {}  # by the number of the paragraph
        self.level = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Begin an element."""
        super().handle_starttag(tag, attrs)
        heading = HTML_HEADING.match(tag)
        self.level = int(heading[1]) if heading else self.level

    def handle_endtag(self, tag: str) -> None:
        """End an element; the paragraph that ends with a heading is that heading."""
        before = len(self.paragraphs)
        super().handle_endtag(tag)
        if HTML_HEADING.match(tag):
            if len(self.paragraphs) > before and self.level:
                self.levels[before] = self.level
            self.level = 0

    def blocks(self) -> Iterator[Block]:
        """The headings and paragraphs of the whole page."""
        for number, text in enumerate(self.paragraphs):
            level = self.levels.get(number, 0)
            yield Block(level, " ".join(text.split()) if level else text)
