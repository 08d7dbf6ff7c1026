"""Builds an index in a folder, and continues what a stopped run began."""

from __future__ import annotations

import json
import os
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

from sft_cli.data.chunking.sources import Cut, NamedChunk, named_chunks
from sft_cli.evidence.corpus import SourceDocument
from sft_cli.evidence.index.arrays import APPENDED, ARRAY_TYPES, Appended, array_file
from sft_cli.evidence.index.damage import file_marks
from sft_cli.evidence.index.postings import write_postings
from sft_cli.evidence.index.search_index import (
    CHECKED_FILES,
    INDEX_VERSION,
    PASSAGES_FILE,
    read_index_facts,
    searched_text,
    write_index_facts,
)
from sft_cli.evidence.index.vocabulary import NumberedWords, Vocabulary, write_words
from sft_cli.evidence.search_words import WORDS_VERSION, search_words
from sft_cli.run.jsonl import as_line

BLOCK_WORDS = 2_000_000  # words that are counted at once: about 100 MB
SAVED_FILE, NEW_WORDS_FILE = "building.json", "new_words.jsonl"
NUMBER_BITS = 32


class IndexBuilder:
    """Appends documents to an index that is being built.

    request: what the index is made of; a stopped run is continued only if it had the same. After each block of words
    everything is on disk, and `building.json` says how much of each file counts.
    """

    def __init__(self, folder: Path, request: dict[str, Any], most: int, overlap: int) -> None:
        self.folder, self.request = folder, request
        self.cut = Cut(most, overlap)
        saved = self._saved()
        self.read: int = saved.get("read", 0)  # documents of this corpus that are in the files
        self.documents: int = saved.get("documents", 0)  # all that are in the files
        self.passages: int = saved.get("passages", 0)
        self.entries: int = saved.get("entries", 0)
        self.part: int = saved.get("part", 0)  # passages of the next document that are in the files
        self.empty: int = saved.get("empty", 0)  # documents without words
        sizes = saved.get("sizes", {})
        self.lines = Appended.open(folder / PASSAGES_FILE, sizes.get(PASSAGES_FILE, 0))
        self.new_words = Appended.open(folder / NEW_WORDS_FILE, sizes.get(NEW_WORDS_FILE, 0))
        self.arrays = {name: Appended.open(array_file(folder, name), sizes.get(name, 0)) for name in APPENDED}
        self.words = self._read_words()
        self.pending: list[int] = []  # the words of the passages of this block
        self.pending_lengths: list[int] = []
        self.pending_documents = 0
        self.saved_words = len(self.words)

    @property
    def passages_so_far(self) -> int:
        """The number of passages so far."""
        return self.passages + len(self.pending_lengths)

    def _saved(self) -> dict[str, Any]:
        try:
            saved = json.loads((self.folder / SAVED_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return saved if isinstance(saved, dict) and saved.get("request") == self.request else {}

    def _read_words(self) -> NumberedWords:
        self.new_words.file.seek(0)
        return NumberedWords((json.loads(line), number) for number, line in enumerate(self.new_words.file))

    def add(self, document: SourceDocument) -> None:
        """Cut a document, and count the words of its chunks; a long one is saved in parts, so that it need not fit."""
        number = 0
        for number, chunk in enumerate(named_chunks(document.id, document.parts, self.cut), 1):
            if number > self.part:
                self._add_passage(document.source, chunk)
                if len(self.pending) >= BLOCK_WORDS:
                    self.part = number
                    self.save()
        self.part = 0
        self.pending_documents += 1
        self.empty += number == 0

    def _add_passage(self, source: str, chunk: NamedChunk) -> None:
        about = {"id": chunk.id, "source": source, **({"title": chunk.title} if chunk.title else {})}
        passage = {**about, "text": chunk.text}
        self.lines.file.write(as_line(passage).encode())
        words = search_words(searched_text(passage))
        numbers = self.words
        self.pending += [numbers[word] for word in words]
        self.pending_lengths.append(len(words))
        self.arrays["text_ends"].file.write(self.lines.file.tell().to_bytes(8, "little"))

    def save(self) -> None:
        """Write the block, and then what a later run may count on."""
        import numpy

        lengths = numpy.array(self.pending_lengths, dtype=numpy.int64)
        passage = numpy.repeat(numpy.arange(len(lengths), dtype=numpy.int64), lengths)
        keys = passage << NUMBER_BITS | numpy.array(self.pending, dtype=numpy.int64)
        distinct, counts = numpy.unique(keys, return_counts=True)
        sizes = numpy.bincount(distinct >> NUMBER_BITS, minlength=len(lengths))
        block = {
            "lengths": lengths,
            "row_ends": self.entries + numpy.cumsum(sizes),
            "row_words": distinct & ((1 << NUMBER_BITS) - 1),
            "row_counts": counts,
        }
        for name, values in block.items():
            self.arrays[name].file.write(values.astype(ARRAY_TYPES[name]).tobytes())
        self.entries += len(distinct)
        self.passages += len(lengths)
        self.documents += self.pending_documents
        self.read += self.pending_documents
        for word in islice(self.words, self.saved_words, None):
            self.new_words.file.write(json.dumps(word, ensure_ascii=False).encode() + b"\n")
        self.saved_words = len(self.words)
        self.pending, self.pending_lengths, self.pending_documents = [], [], 0
        self._note()

    def _note(self) -> None:
        files = {PASSAGES_FILE: self.lines, NEW_WORDS_FILE: self.new_words, **self.arrays}
        sizes = {name: file.save() for name, file in files.items()}
        names = ("read", "documents", "passages", "entries", "part", "empty")
        facts = {name: getattr(self, name) for name in names}
        path = self.folder / SAVED_FILE
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"request": self.request, **facts, "sizes": sizes}), encoding="utf-8")
        os.replace(temporary, path)

    def finish(self) -> dict[str, Any]:
        """Write what is searched, and index.json; return the facts in it."""
        self.save()
        for file in (self.lines, self.new_words, *self.arrays.values()):
            file.file.close()
        write_words(self.folder, self.words)
        write_postings(self.folder, len(self.words))
        facts = {
            "version": INDEX_VERSION,
            "words_version": WORDS_VERSION,
            "documents": self.documents,
            "passages": self.passages,
            "words": len(self.words),
            **self.request,
            "files": file_marks(self.folder, CHECKED_FILES),
        }
        write_index_facts(self.folder, facts)
        for name in (SAVED_FILE, NEW_WORDS_FILE):
            (self.folder / name).unlink()
        return facts

    def start_from(self, folder: Path) -> None:
        """Begin with a copy of a finished index, to which documents are added."""
        facts = read_index_facts(folder)
        files = {folder / PASSAGES_FILE: self.lines}
        files |= {array_file(folder, name): file for name, file in self.arrays.items()}
        for path, file in files.items():
            with open(path, "rb") as source:
                shutil.copyfileobj(source, file.file, 1 << 20)
        self.words = Vocabulary(folder).all()
        self.passages, self.entries = facts["passages"], array_file(folder, "row_words").stat().st_size // 4
        self.documents = facts["documents"]
        self.save()
