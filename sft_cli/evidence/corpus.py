"""The documents of a corpus: files of text, pages, and records of tables and rows, one at a time."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from sft_cli.data.documents import read_page
from sft_cli.data.fields import read_mapping
from sft_cli.data.folders import input_files
from sft_cli.data.kinds import LINE_KINDS, kind_of
from sft_cli.data.readers import Reading, opened, read_records
from sft_cli.data.rows import check_messages, turn_text
from sft_cli.evidence.blocks import Block, HeadedPage, markdown_blocks, text_blocks
from sft_cli.evidence.settings import SearchesCorpus
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.jsonl import bounded
from sft_cli.run.ledger import Ledger
from sft_cli.run.seed import stable_hash

CORPUS_FIELDS = ("id", "title", "text", "source")


class SourceDocument(NamedTuple):
    """A document: its id, where it is from, its title (may be empty), and its parts, to be read once."""

    id: str
    source: str
    title: str
    blocks: Iterable[Block]


def read_corpus(
    settings: SearchesCorpus, run: Run, ledger: Ledger, taken: Iterable[str] = ()
) -> Iterator[SourceDocument]:
    """The documents of files and folders, in order; bad records go to the ledger.

    taken: ids that no document may have. A text or Markdown file, and a page, is one document, whose id
    is its path; text and Markdown are read as a stream. Each record of the other files is a document: `text`, or the
    turns of `messages`, with `id` or else `file:line`. An id that comes again is an error.
    """
    names = read_mapping(settings.map, CORPUS_FIELDS)
    seen = {stable_hash("document", name) for name in taken}
    for path in input_files(settings.corpus, "", run.say):
        kind = kind_of(path)
        for where, document in _documents_of(path, kind, names, run):
            ledger.count("documents read")
            if isinstance(document, FieldError):
                ledger.reject(where, document)
                continue
            key = stable_hash("document", document.id)
            if key in seen:
                ledger.reject(where, FieldError("id", f"expected a new id, got {shown(document.id)} again"))
                continue
            seen.add(key)
            yield document


def _documents_of(
    path: str, kind: str, names: dict[str, list[str]], run: Run
) -> Iterator[tuple[str, SourceDocument | FieldError]]:
    if kind in LINE_KINDS:
        with opened(path, kind, Reading(say=run.say)) as source:
            lines = io.TextIOWrapper(cast(Any, bounded(source, path)), encoding="utf-8-sig")
            blocks = markdown_blocks(lines) if kind == "md" else text_blocks(lines)
            yield f"{path}:1", SourceDocument(path, path, "", blocks)
    elif kind == "html":
        yield f"{path}:1", _page(path, run)
    else:
        reading = Reading(say=run.say, is_text=lambda name: name in names or name in CORPUS_FIELDS)
        for where, record in read_records(path, reading):
            try:
                if isinstance(record, FieldError):
                    raise record
                yield where, _from_record(record, names, where, path)
            except FieldError as error:
                yield where, error


def _page(path: str, run: Run) -> SourceDocument | FieldError:
    """The document of an HTML file."""
    with opened(path, "html", Reading(say=run.say)) as source:
        try:
            page = read_page(source, HeadedPage())
        except FieldError as error:
            return error
    return SourceDocument(path, path, page.title, page.blocks())


def _from_record(record: dict[str, Any], names: dict[str, list[str]], where: str, path: str) -> SourceDocument:
    values = dict(record)
    for old, news in names.items():
        if old not in record:
            raise FieldError(old, f"expected this field for --map, got the fields {', '.join(record)}")
        values.update(dict.fromkeys(news, record[old]))
    text = values.get("text")
    if text is None and "messages" in values:
        check_messages(values["messages"])
        text = "\n\n".join(filter(None, map(turn_text, values["messages"])))
    if not isinstance(text, str):
        got = shown(text) if text is not None else f"the fields {', '.join(record) or '(none)'}"
        raise FieldError("text", f"expected text or messages, got {got}", "--map text=NAME names the field of the text")
    if not text.strip():
        raise FieldError("text", "expected words, got none")
    about = {name: "" if values.get(name) is None else values[name] for name in ("id", "source", "title")}
    for name, value in about.items():
        if not isinstance(value, (str, int, float)):
            raise FieldError(name, f"expected a string or a number, got {shown(value)}")
    name, source, title = (" ".join(str(value).split()) for value in about.values())
    return SourceDocument(name or where, source or path, title, text_blocks(text.splitlines()))
