"""Documents as records of `sft prep`: each passage with its id, its headings and its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sft_cli.data.chunking.blocks import text_blocks
from sft_cli.data.chunking.sources import Cut, DocumentParts, file_parts, named_chunks
from sft_cli.data.convert import given_id, rename
from sft_cli.data.kinds import DOCUMENTS, LINE_KINDS, kind_of
from sft_cli.data.readers import LocatedRecord, Reading, read_records
from sft_cli.data.rows import key_names
from sft_cli.run.errors import FieldError, shown


@dataclass
class PassageReader:
    """Reads documents, cuts them, and counts both. mapping: old names of fields of records, and their new ones.

    headed: the headings are also the first line of the text.
    """

    cut: Cut
    mapping: dict[str, list[str]]
    headed: bool = True
    documents: int = 0
    passages: int = 0

    def records(self, path: str, reading: Reading) -> Iterator[LocatedRecord]:
        """The passages of a file: the id of a document is its path, its own id, or `file:line`."""
        kind = reading.kind or kind_of(path)
        if kind in DOCUMENTS.values() and not (reading.is_by_line and kind in LINE_KINDS):
            shown_path = "<stdin>" if path == "-" else path
            try:
                parts = file_parts(path, kind, reading)
                yield from self._passages(shown_path, parts, {"source": shown_path})
            except FieldError as error:
                yield f"{shown_path}:1", error
            return
        for where, record in read_records(path, reading):
            try:
                if isinstance(record, FieldError):
                    raise record
                yield from self._passages_of_record(record, where)
            except FieldError as error:
                yield where, error

    def _passages_of_record(self, record: dict[str, Any], where: str) -> Iterator[LocatedRecord]:
        record = rename(record, self.mapping) if self.mapping else record
        text, title = record.get("text"), record.get("title") or ""
        if not isinstance(text, str) or not text.strip():
            got = shown(text) if "text" in record else f"the fields {key_names(record)}"
            raise FieldError("text", f"expected a document, got {got}", "--map text=NAME names the field of the text")
        if not isinstance(title, str):
            raise FieldError("title", f"expected text, got {shown(title)}")
        parts = DocumentParts(" ".join(title.split()), text_blocks(text.splitlines()))
        name = given_id(record) or where
        others = {key: value for key, value in record.items() if key not in ("id", "title", "text")}
        for _, passage in self._passages(name, parts, {"source": where, **others}):
            yield where, passage

    def _passages(self, name: str, parts: DocumentParts, others: dict[str, Any]) -> Iterator[LocatedRecord]:
        self.documents += 1
        for chunk in named_chunks(name, parts, self.cut):
            self.passages += 1
            text = f"{chunk.title}\n\n{chunk.text}" if chunk.title and self.headed else chunk.text
            about = {"id": chunk.id, **({"title": chunk.title} if chunk.title else {})}
            yield chunk.id, {**about, "text": text, **others}
