"""An index that is opened to be searched."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.evidence.bm25 import K1, B
from sft_cli.evidence.index.arrays import ARRAY_TYPES, array_file, mapped_array
from sft_cli.evidence.index.damage import check_files
from sft_cli.evidence.index.vocabulary import WORDS_FILE, Vocabulary
from sft_cli.evidence.search_words import WORDS_VERSION, search_words
from sft_cli.run.errors import UserError, shown

INDEX_FILE, PASSAGES_FILE = "index.json", "passages.jsonl"
INDEX_VERSION = 2
# The files of what is searched by words; DenseSearch checks the vectors.
CHECKED_FILES = (
    PASSAGES_FILE,
    WORDS_FILE,
    *(array_file(Path(), name).name for name in ARRAY_TYPES if name != "vectors"),
)
# What index.json must have.
INDEX_FACTS = {"documents": int, "passages": int, "files": dict, "corpus": list}
# Parts that an index may have, and what is in them.
INDEX_PARTS = {"vectors": ("model", "dtype", "width", "passages", "cut"), "graphs": ("of", "files")}
KIND_NAMES = {int: "a number", dict: "an object", list: "a list"}
REBUILD_HINT = "hint: --corpus FILES builds it again"


class Hit(NamedTuple):
    """A passage that was found: its number in the index, and its score."""

    passage: int
    score: float


def read_index_facts(folder: Path) -> dict[str, Any]:
    """What index.json says of an index; raises UserError if the folder is no index, or one of another version."""
    if not folder.exists():
        raise UserError(f"--index: {folder}: cannot read: No such file or directory")
    if not folder.is_dir():
        raise UserError(f"--index: {folder}: expected the folder of an index, got a file")
    try:
        facts = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"--index: {folder}: expected an index, got a folder without {INDEX_FILE}\n"
            "hint: sft retrieve --corpus FILES --index DIR makes one"
        ) from error
    except ValueError as error:
        raise UserError(f"--index: {folder / INDEX_FILE}: not JSON: {error}\n{REBUILD_HINT}") from error
    if not isinstance(facts, dict):
        raise UserError(f"--index: {folder / INDEX_FILE}: expected an object, got {shown(facts)}\n{REBUILD_HINT}")
    version = [facts.get("version"), facts.get("words_version")]
    if version != [INDEX_VERSION, WORDS_VERSION]:
        raise UserError(
            f"--index: {folder}: expected an index of version {INDEX_VERSION}.{WORDS_VERSION}, got one of version "
            f"{version[0]}.{version[1]}\n{REBUILD_HINT}"
        )
    for name, kind in INDEX_FACTS.items():
        if type(facts.get(name)) is not kind:
            place = f"--index: {folder / INDEX_FILE}: {name}"
            raise UserError(f"{place}: expected {KIND_NAMES[kind]}, got {shown(facts.get(name))}\n{REBUILD_HINT}")
    for name, parts in INDEX_PARTS.items():
        part = facts.get(name, dict.fromkeys(parts))
        if not isinstance(part, dict) or not part.keys() >= set(parts):
            place = f"--index: {folder / INDEX_FILE}: {name}"
            raise UserError(f"{place}: expected an object of {', '.join(parts)}, got {shown(part)}\n{REBUILD_HINT}")
    return facts


def write_index_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Replace index.json."""
    temporary = folder / f"{INDEX_FILE}.tmp"
    with open(temporary, "w", encoding="utf-8") as sink:
        sink.write(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        sink.flush()
        os.fsync(sink.fileno())
    os.replace(temporary, folder / INDEX_FILE)


def searched_text(passage: dict[str, Any]) -> str:
    """What is searched, and what a model reads, of a passage: its title, if it has one, and its text."""
    return f"{passage['title']}\n{passage['text']}" if "title" in passage else str(passage["text"])


class SearchIndex:
    """Finds passages by BM25. Everything is read from mapped files as it is used."""

    def __init__(self, folder: Path) -> None:
        from orjson import loads

        self.folder, self.facts = folder, read_index_facts(folder)
        self.read_line = loads  # a passage has strings alone, so that nothing has to be checked
        try:
            check_files(folder, CHECKED_FILES, self.facts["files"])
            self.ends = mapped_array(folder, "text_ends")
            self.vocabulary = Vocabulary(folder)
            self.scorer = self._scorer()
            self.lines: Any = b""
            if len(self.ends):
                with open(folder / PASSAGES_FILE, "rb") as file:
                    self.lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            hint = "hint: --corpus FILES --index-only --force builds it again"
            raise UserError(f"--index: {folder}: the index is damaged: {error}\n{hint}") from error

    def __len__(self) -> int:
        return len(self.ends)

    def passage(self, number: int) -> dict[str, Any]:
        """A passage as it is in passages.jsonl: id, source, text, and title if it has one."""
        start = int(self.ends[number - 1]) if number else 0
        passage: dict[str, Any] = self.read_line(self.lines[start : int(self.ends[number])])
        return passage

    def text(self, number: int) -> str:
        """The searched text of a passage."""
        return searched_text(self.passage(number))

    def document_ids(self) -> Iterator[str]:
        """The ids of the documents: of each passage, without the number of the passage."""
        for number in range(len(self)):
            name = self.passage(number)["id"]
            yield from {name, name.rpartition("#")[0] or name}

    def find(self, text: str, most: int) -> list[Hit]:
        """The `most` passages that fit a text best, best first; none that has no word of the text.

        Passages with equal scores are in the order of the corpus.
        """
        numbers = [self.vocabulary.number(word) for word in search_words(text)]
        known = [number for number in numbers if number is not None]
        if not known or not most:
            return []
        return best_hits(self.scorer.get_scores_from_ids(known), most)

    def _scorer(self) -> Any:
        """bm25s over our arrays: it adds the scores of the words."""
        from bm25s import BM25

        scorer = BM25(k1=K1, b=B, method="lucene", backend=self._backend)
        scorer.scores = {
            "data": mapped_array(self.folder, "word_scores"),
            "indices": mapped_array(self.folder, "word_passages"),
            "indptr": mapped_array(self.folder, "word_starts").view("i8"),
            "num_docs": len(self.ends),
        }
        scorer.nonoccurrence_array = None  # of other methods
        return scorer

    @cached_property
    def _backend(self) -> str:
        """`numba` for large indexes if it is installed: it takes a second to start."""
        from importlib.util import find_spec

        return "numba" if len(self.ends) >= 100_000 and find_spec("numba") else "numpy"


def best_hits(scores: Any, most: int, above: float = 0.0) -> list[Hit]:
    """The `most` best scores larger than `above`, best first, then by number. scores: array [passages]."""
    import numpy

    if most < len(scores):
        least = float(numpy.partition(scores, len(scores) - most)[len(scores) - most])
        larger = numpy.flatnonzero(scores > least)
        equal = numpy.flatnonzero(scores == least)[: most - len(larger)]
        chosen = numpy.concatenate([larger, equal])
    else:
        chosen = numpy.arange(len(scores))
    chosen = chosen[numpy.lexsort((chosen, -scores[chosen]))]
    return [Hit(int(number), float(scores[number])) for number in chosen if scores[number] > above]
