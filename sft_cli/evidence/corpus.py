"""The documents of a corpus: files of text, pages, and records of tables and rows, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sft_cli.data.chunking.blocks import text_blocks
from sft_cli.data.chunking.sources import DocumentParts, file_parts
from sft_cli.data.fields import read_mapping
from sft_cli.data.folders import input_files
from sft_cli.data.kinds import DOCUMENTS, kind_of
from sft_cli.data.readers import Reading, read_records
from sft_cli.data.rows import check_messages, turn_text
from sft_cli.evidence.settings import SearchesCorpus
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.flags import HUB
from sft_cli.run.ledger import Ledger
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import is_unicode

CORPUS_FIELDS = ("id", "title", "text", "source")
NUMBER_AT_END = re.compile(r"#\d+\Z")


class SourceDocument(NamedTuple):
    """A document: its id, where it is from, and its title and parts, to be read once."""

    id: str
    source: str
    parts: DocumentParts


def read_corpus(
    settings: SearchesCorpus, run: Run, ledger: Ledger, taken: Iterable[str] = ()
) -> Iterator[SourceDocument]:
    """The documents of files and folders, in order; bad records go to the ledger.

    taken: ids that no document may have. A text or Markdown file, and a page, is one document, whose id
    is its path; text and Markdown are read as a stream. Each record of the other files is a document: `text`, or the
    turns of `messages`, with `id` or else `file:line`. An id that comes again is an error.
    """
    names = read_mapping(settings.map, CORPUS_FIELDS)
    ids = DocumentIds(taken, settings.chunk_tokens > 0)
    for path in input_files(settings.corpus, "", run.say):
        kind = "" if path.startswith(HUB) else kind_of(path)
        for where, document in _documents_of(path, kind, names, run):
            ledger.count("documents read")
            try:
                if isinstance(document, FieldError):
                    raise document
                ids.take(document.id)
            except FieldError as error:
                ledger.reject(where, error)
                continue
            yield document


class DocumentIds:
    """The ids of the documents so far, as hashes: no id twice, and none that a passage of another document can have."""

    def __init__(self, taken: Iterable[str], is_cut: bool) -> None:
        self.seen = {stable_hash("document", name) for name in taken}
        self.is_cut = is_cut  # passages of a document have its id and #N
        self.stems: set[int] = set()  # X, if a document has the id X#N

    def take(self, name: str) -> None:
        """Note the id of a document; raises FieldError if it cannot be that of a new one."""
        key, stem = stable_hash("document", name), NUMBER_AT_END.sub("", name)
        stem_key = stable_hash("document", stem)
        if key in self.seen:
            raise FieldError(
                "id", f"expected a unique id, got {shown(name)}, which is already the id of another document"
            )
        if self.is_cut and (key in self.stems or (stem != name and stem_key in self.seen)):
            why = f"a passage of the document {shown(stem)} could get the same id"
            if key in self.stems:
                why = f"a passage of it could get the id of an earlier document, {shown(name + '#N')}"
            raise FieldError(
                "id",
                f"expected another id, got {shown(name)}: {why}",
                "--chunk-tokens 0 keeps documents whole, so that their passages have no numbers",
            )
        self.seen.add(key)
        if stem != name:
            self.stems.add(stem_key)


def _documents_of(
    path: str, kind: str, names: dict[str, list[str]], run: Run
) -> Iterator[tuple[str, SourceDocument | FieldError]]:
    if kind in DOCUMENTS.values():
        try:
            parts = file_parts(path, kind, Reading(say=run.say))
            yield f"{path}:1", _with_names_in_utf8(SourceDocument(path, path, parts))
        except FieldError as error:
            yield f"{path}:1", error
    else:
        reading = Reading(say=run.say, is_text=lambda name: name in names or name in CORPUS_FIELDS)
        for where, record in read_records(path, reading):
            try:
                if isinstance(record, FieldError):
                    raise record
                yield where, _from_record(record, names, where, path)
            except FieldError as error:
                yield where, error


def _with_names_in_utf8(document: SourceDocument) -> SourceDocument | FieldError:
    """The document, or the error of a name that no output can have: half a surrogate pair, or bytes of a file name."""
    for name, value in (("id", document.id), ("source", document.source), ("title", document.parts.title)):
        if not is_unicode(value):
            return FieldError(name, f"expected text in UTF-8, got {shown(value)}")
    return document


def _from_record(
    record: dict[str, Any], names: dict[str, list[str]], where: str, path: str
) -> SourceDocument | FieldError:
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
    if not is_unicode(text):
        raise FieldError("text", f"expected text in UTF-8, got half a surrogate pair in {shown(text)}")
    about = {name: "" if values.get(name) is None else values[name] for name in ("id", "source", "title")}
    for name, value in about.items():
        if not isinstance(value, (str, int, float)):
            raise FieldError(name, f"expected a string or a number, got {shown(value)}")
    name, source, title = (" ".join(str(value).split()) for value in about.values())
    parts = DocumentParts(title, text_blocks(text.splitlines()))
    return _with_names_in_utf8(SourceDocument(name or where, source or path, parts))
