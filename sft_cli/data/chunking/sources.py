"""The headings and paragraphs of a file, and its passages with their ids and titles."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple, cast

from sft_cli.data.chunking.blocks import Block, HeadedPage, markdown_blocks, text_blocks
from sft_cli.data.chunking.chunks import cut_document
from sft_cli.data.documents import read_page
from sft_cli.data.readers import Reading, opened
from sft_cli.run.jsonl import bounded


class DocumentParts(NamedTuple):
    """The title of a document (may be empty), and its headings and paragraphs, to be read once."""

    title: str
    blocks: Iterable[Block]


class Cut(NamedTuple):
    """How documents are cut: the longest passage and the overlap, in words; most = 0 keeps documents whole."""

    most: int
    overlap: int


class NamedChunk(NamedTuple):
    """A passage: the id of its document, with #N if there are several; the title and headings above it; its text."""

    id: str
    title: str
    text: str


def file_parts(path: str, kind: str, reading: Reading) -> DocumentParts:
    """The document in a text, Markdown or HTML file; text and Markdown are read as a stream.

    Raises FieldError for a page that is too long, or of which text would be lost.
    """
    if kind == "html":
        with opened(path, kind, reading) as source:
            page = read_page(source, HeadedPage())
        return DocumentParts(page.title, page.blocks())
    lines = _lines(path, kind, reading)
    return DocumentParts("", markdown_blocks(lines) if kind == "md" else text_blocks(lines))


def _lines(path: str, kind: str, reading: Reading) -> Iterator[str]:
    """The lines of a text file, which is open while they are read: an error in the middle of it names the file."""
    with opened(path, kind, reading) as source:
        yield from io.TextIOWrapper(cast(Any, bounded(source, path)), encoding="utf-8-sig")


def named_chunks(name: str, parts: DocumentParts, cut: Cut) -> Iterator[NamedChunk]:
    """The passages of a document in order; name: the id of the document."""
    chunks = cut_document(parts.blocks, cut.most, cut.overlap)
    first = list(islice(chunks, 2))  # with a second one, passages have numbers
    for number, chunk in enumerate(chain(first, chunks), 1):
        title = " > ".join(filter(None, (parts.title, *chunk.headings)))
        yield NamedChunk(f"{name}#{number}" if len(first) > 1 else name, title, chunk.text)
