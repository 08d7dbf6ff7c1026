"""The parts of a document: its headings and its paragraphs, read as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sft_cli.data.documents import Page

HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
FENCE_LINE = re.compile(r" {0,3}(```|~~~)")
HTML_HEADING = re.compile(r"h([1-6])$")


class Block(NamedTuple):
    """A heading (level 1 to 6), or a paragraph (level 0)."""

    level: int
    text: str


def text_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """The paragraphs of plain text: empty lines are between them."""
    paragraph: list[str] = []
    for line in lines:
        if line.strip():
            paragraph.append(line.rstrip("\n"))
        elif paragraph:
            yield Block(0, "\n".join(paragraph))
            paragraph = []
    if paragraph:
        yield Block(0, "\n".join(paragraph))


def markdown_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """The headings (`# …`) and paragraphs of Markdown; a `#` in a block of code is no heading."""
    paragraph: list[str] = []
    fence = ""
    for line in lines:
        mark = FENCE_LINE.match(line)
        if mark:
            fence = "" if fence == mark[1] else fence or mark[1]
        heading = None if fence else HEADING.match(line)
        if (heading or not line.strip()) and paragraph and not fence:
            yield Block(0, "\n".join(paragraph))
            paragraph = []
        if heading:
            yield Block(len(heading[1]), heading[2])
        elif line.strip() or fence:
            paragraph.append(line.rstrip("\n"))
    if paragraph:
        yield Block(0, "\n".join(paragraph))


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
