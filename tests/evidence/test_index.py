"""An index gives the scores of bm25s, however it was built."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bm25s import BM25
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.chunking import blocks
from sft_cli.data.chunking.blocks import Block, text_blocks
from sft_cli.data.chunking.sources import DocumentParts
from sft_cli.evidence.corpus import SourceDocument
from sft_cli.evidence.index import builder as building
from sft_cli.evidence.index import postings
from sft_cli.evidence.index.builder import IndexBuilder
from sft_cli.evidence.index.search_index import SearchIndex, best_hits
from sft_cli.evidence.search_words import search_words

TEXTS = [
    "The yen is the currency of Japan.",
    "日元是日本的货币。日元有硬币。",
    "One euro has one hundred cents, and a cent is a coin.",
    "Coins of Japan: one yen, five yen.",
    "Nothing of this kind.",
]
REQUEST = {"corpus": [], "chunk_tokens": 0, "overlap_tokens": 0, "map": []}


def documents(texts: list[str]) -> list[SourceDocument]:
    return [
        SourceDocument(f"d{number}", "a.txt", DocumentParts("", [Block(0, text)])) for number, text in enumerate(texts)
    ]


def build(folder: Path, texts: list[str]) -> SearchIndex:
    folder.mkdir(exist_ok=True)
    builder = IndexBuilder(folder, REQUEST, 0, 0)
    for number, document in enumerate(documents(texts)):
        if number >= builder.read:
            builder.add(document)
    builder.finish()
    return SearchIndex(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_scores_equal_those_of_bm25s(tmp_path: Path, monkeypatch: Any, block: int) -> None:
    monkeypatch.setattr(postings, "BLOCK", block)
    monkeypatch.setattr(building, "BLOCK_WORDS", block)
    index = build(tmp_path / "index", TEXTS)
    theirs = BM25(method="lucene")
    theirs.index([search_words(text) for text in TEXTS], show_progress=False)
    for query in ("yen of Japan", "日元的硬币", "a coin", "one one one", "Nothing"):
        words = [word for word in search_words(query) if word in theirs.vocab_dict]
        expected = theirs.get_scores(words)
        hits = index.find(query, 10)
        assert [hit.passage for hit in hits] == [n for n in np.argsort(-expected, kind="stable") if expected[n] > 0]
        np.testing.assert_allclose([hit.score for hit in hits], [expected[hit.passage] for hit in hits], rtol=1e-6)


def test_how_it_was_built_cannot_be_seen(tmp_path: Path, monkeypatch: Any) -> None:
    build(tmp_path / "one", TEXTS)
    monkeypatch.setattr(building, "BLOCK_WORDS", 5)
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    builder = IndexBuilder(stopped, REQUEST, 0, 0)
    for document in documents(TEXTS)[:3]:
        builder.add(document)
    builder.lines.file.write(b"half a line that a kill left")
    builder.lines.file.flush()
    assert 0 < builder.read <= 3
    build(stopped, TEXTS)
    assert files(stopped) == files(tmp_path / "one")


def test_documents_that_are_added_are_found_as_if_they_had_been_there(tmp_path: Path) -> None:
    whole = build(tmp_path / "whole", TEXTS)
    build(tmp_path / "part", TEXTS[:2])
    (tmp_path / "added").mkdir()
    builder = IndexBuilder(tmp_path / "added", REQUEST, 0, 0)
    builder.start_from(tmp_path / "part")
    for document in documents(TEXTS)[2:]:
        builder.add(document)
    builder.finish()
    added = SearchIndex(tmp_path / "added")
    for query in ("yen", "日本", "cents", "kind"):
        assert added.find(query, 9) == whole.find(query, 9)
    assert [added.passage(n) for n in range(5)] == [whole.passage(n) for n in range(5)]
    assert files(tmp_path / "added") == files(tmp_path / "whole")


def test_words_that_no_passage_has_find_nothing(tmp_path: Path) -> None:
    index = build(tmp_path / "index", TEXTS)
    assert index.find("xyzzy", 5) == []
    assert index.find("", 5) == []
    assert index.find("\0 ' OR 1=1; --", 5) == index.find("or 1 1", 5)


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    assert build(tmp_path / "index", []).find("yen", 5) == []


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=30), st.integers(1, 40))
def test_the_best_are_those_of_a_full_sort(scores: list[float], most: int) -> None:
    ordered = sorted((n for n, score in enumerate(scores) if score > 0), key=lambda n: (-scores[n], n))
    assert [hit.passage for hit in best_hits(np.array(scores, dtype=np.float32), most)] == ordered[:most]


def test_the_facts_say_what_the_index_is_made_of(tmp_path: Path) -> None:
    build(tmp_path / "index", TEXTS)
    facts = json.loads((tmp_path / "index" / "index.json").read_text())
    assert (facts["documents"], facts["passages"]) == (5, 5)


def test_a_lock_that_a_killed_run_left_is_removed(here: Path, sft: Any) -> None:
    Path("a.txt").write_text("The yen.")
    words = ("retrieve", "--corpus", "a.txt", "--index", "idx", "--index-only")
    assert sft(*words).code == 0
    Path(".idx.lock").touch()
    assert sft(*words).err == "idx: up to date, 1 passage\n"
    assert sorted(path.name for path in Path().iterdir()) == ["a.txt", "idx"]


def test_a_run_that_was_stopped_inside_a_document_goes_on_there(tmp_path: Path, monkeypatch: Any) -> None:
    text = "\n\n".join(f"Passage {n} is of the yen." for n in range(40))
    request = {**REQUEST, "chunk_tokens": 6}

    def long_document() -> SourceDocument:
        return SourceDocument("long", "a.txt", DocumentParts("", text_blocks(text.splitlines())))

    def build_rest(folder: Path) -> None:
        builder = IndexBuilder(folder, request, 6, 0)
        builder.add(long_document())
        builder.finish()

    (tmp_path / "whole").mkdir()
    build_rest(tmp_path / "whole")
    (tmp_path / "stopped").mkdir()
    monkeypatch.setattr(building, "BLOCK_WORDS", 50)
    builder = IndexBuilder(tmp_path / "stopped", request, 6, 0)
    monkeypatch.setattr(builder, "save", lambda save=builder.save: (save(), 1 / (builder.passages < 20)))
    with pytest.raises(ZeroDivisionError):
        builder.add(long_document())
    assert (builder.read, builder.part > 0) == (0, True)
    build_rest(tmp_path / "stopped")
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    index = SearchIndex(tmp_path / "whole")
    assert [index.passage(n)["id"] for n in (0, len(index) - 1)] == ["long#1", f"long#{len(index)}"]


@pytest.mark.slow
def test_memory_does_not_grow_with_a_file(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(building, "BLOCK_WORDS", 20_000)
    monkeypatch.setattr(blocks, "MOST_CHARACTERS", 10_000)
    peaks = []
    for lines in (5_000, 40_000):
        folder = tmp_path / str(lines)
        folder.mkdir()
        builder = IndexBuilder(folder, {**REQUEST, "chunk_tokens": 50}, 50, 10)
        text = (f"The yen is the currency number {n % 97} of the country.\n" for n in range(lines))
        tracemalloc.start()
        builder.add(SourceDocument("long", "a.txt", DocumentParts("", text_blocks(text))))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
