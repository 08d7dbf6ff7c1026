"""Text files as documents: plain text and Markdown without change, HTML as the visible text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import IO, Any, TypeVar

from sft_cli.data.charset import BYTE_ORDER_MARKS
from sft_cli.run import jsonl
from sft_cli.run.errors import FieldError

AnyPage = TypeVar("AnyPage", bound="Page")
# Elements whose text a page does not show.
UNSEEN = {"script", "style", "noscript", "template", "svg", "iframe", "object"}
# Elements without an end, and elements that the next one of their name ends.
WITHOUT_END = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ENDED_BY_NEXT = {"p", "li", "dd", "dt", "option", "tr", "td", "th"}
HIDING_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)
# Elements that are paragraphs.
PARAGRAPHS = {
    *("address", "article", "aside", "blockquote", "body", "details", "dialog", "div", "dl", "fieldset", "figure"),
    *("figcaption", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p"),
    *("pre", "section", "summary", "table", "ul"),
}
# Elements that begin on a new line.
LINES = {"br", "caption", "dd", "dt", "li", "option", "tr"}
MARKED = {"li": "- ", "td": "\t", "th": "\t"}
SPACES = re.compile(r"[ \t\n\r\f]+")
# Pages that declare the first encoding are read with the second, which has more characters.
READ_AS = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252"}
META_CHARSET = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)


def read_document(source: IO[bytes], kind: str) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (1, record) of a file that is one document; nothing if the file has no words.

    The record has `text`, with empty lines between paragraphs; a record of HTML also has the `title`.
    """
    try:
        if kind == "html":
            page = read_page(source, Page())
            record = {"text": "\n\n".join(page.paragraphs)} | ({"title": page.title} if page.title else {})
        else:
            record = {"text": _whole_text(source).strip("\n")}
    except FieldError as error:
        yield 1, error
        return
    if record["text"].strip():
        yield 1, record


def read_page(source: IO[bytes], page: AnyPage) -> AnyPage:
    """The page, fed with all of an HTML file; raises FieldError if the file is too long, or if text would be lost."""
    page.feed(_whole_text(source))
    page.close()
    if open_elements := [tag for tag in page.unseen if tag not in ENDED_BY_NEXT]:
        problem = f"expected the end of <{open_elements[0]}>, got the end of the file; its text would be lost"
        raise FieldError("text", problem)
    return page


def _whole_text(source: IO[bytes]) -> str:
    data = source.read(jsonl.most_line_bytes + 1)
    if len(data) > jsonl.most_line_bytes:
        raise FieldError("", jsonl.too_long())
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def declared_encoding(head: bytes) -> str:
    """The encoding that an HTML page declares, as browsers read it; empty if it has a byte order mark or declares none.

    Source: WHATWG, Encoding, section 4.2, "Names and labels".
    """
    match = META_CHARSET.search(head)
    if match is None or head.startswith((*BYTE_ORDER_MARKS, codecs.BOM_UTF8)):
        return ""
    name = match[1].decode("ascii").lower()
    try:
        return READ_AS.get(name) or codecs.lookup(name).name
    except LookupError:
        return ""


def _hides_itself(attrs: list[tuple[str, str | None]]) -> bool:
    """Whether an element is hidden by its own attributes; style sheets are not read."""
    return any(name == "hidden" or (name == "style" and HIDING_STYLE.search(value or "")) for name, value in attrs)


class Page(HTMLParser):
    """The text that a page shows: white space as in a browser, blocks as paragraphs, tabs between cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[str] = []
        self.parts: list[str] = []  # parts of the current paragraph
        self.title = ""
        self.unseen: list[str] = []  # open elements that are not visible
        self.verbatim = 0  # number of open <pre>
        self.is_in_title = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Begin an element."""
        if self.unseen and self.unseen[-1] == tag and tag in ENDED_BY_NEXT:
            self.unseen.pop()
        if tag not in WITHOUT_END and (self.unseen or tag in UNSEEN or _hides_itself(attrs)):
            self.unseen.append(tag)  # also what is inside, so that each end has its start
        # A block in a list item begins on the line of its mark.
        if tag in PARAGRAPHS and "".join(self.parts).strip() != "-":
            self._end_paragraph()
        elif tag in LINES:
            self._end_line(tag)
        self.verbatim += tag == "pre"
        self.is_in_title = tag == "title" or (self.is_in_title and tag not in PARAGRAPHS)
        if tag in MARKED and not self.unseen:
            self.parts.append(MARKED[tag])

    def handle_endtag(self, tag: str) -> None:
        """End an element; the end of an element without a start changes nothing."""
        if tag in self.unseen:
            # Open elements inside it also end.
            del self.unseen[len(self.unseen) - 1 - self.unseen[::-1].index(tag) :]
        if tag in PARAGRAPHS:
            self._end_paragraph()
        elif tag in LINES and tag != "br":
            self._end_line(tag)
        self.verbatim = max(0, self.verbatim - (tag == "pre"))
        self.is_in_title = self.is_in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        """Add text; the title is kept separately, because it is not a part of the page."""
        if self.unseen:
            return
        if self.is_in_title:
            self.title = " ".join(f"{self.title} {data}".split())
        else:
            self.parts.append(data if self.verbatim else SPACES.sub(" ", data))

    def close(self) -> None:
        """End the page."""
        super().close()
        self._end_paragraph()

    def _end_line(self, tag: str) -> None:
        if tag == "br" or (self.parts and not self.parts[-1].endswith("\n")):
            self.parts.append("\n")

    def _end_paragraph(self) -> None:
        text = "".join(self.parts)
        self.parts.clear()
        if not self.verbatim:
            lines = [re.sub(r" *\t *", "\t", re.sub(r" +", " ", line)).strip() for line in text.split("\n")]
            text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
        if text.strip(" \n-"):
            self.paragraphs.append(text.strip("\n"))
