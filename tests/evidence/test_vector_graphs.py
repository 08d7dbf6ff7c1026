"""An approximate search finds what an exact search finds, its graphs are built once, and a kill loses little."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from run_command import Result
from tiny_models import save_embedder

from sft_cli.evidence import dense
from sft_cli.evidence.dense import DenseSearch
from sft_cli.evidence.index import vector_graphs
from sft_cli.evidence.index.search_index import INDEX_VERSION, write_index_facts
from sft_cli.evidence.index.vector_graphs import graphs_are_whole, make_graphs
from sft_cli.evidence.search_words import WORDS_VERSION
from sft_cli.run.errors import UserError

SAID: list[str] = []
RUN: Any = SimpleNamespace(say=SAID.append, settings=SimpleNamespace(quiet=True))
WIDTH = 32


def unit_vectors(number: int, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(number, WIDTH)).astype("f4")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(folder: Path, vectors: Any, model: str = "m") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "vectors.f4").write_bytes(vectors.astype("<f4").tobytes())
    about = {"model": model, "dtype": "float32", "width": WIDTH, "passages": len(vectors), "cut": 0}
    old = json.loads((folder / "index.json").read_text()) if (folder / "index.json").exists() else {}
    facts = {"version": INDEX_VERSION, "words_version": WORDS_VERSION, "passages": len(vectors), "vectors": about}
    facts |= {"documents": len(vectors), "files": {}, "corpus": []}
    write_index_facts(folder, {**old, **facts})
    return folder


def searcher(folder: Path, queries: Any, choice: str) -> DenseSearch:
    settings = SimpleNamespace(vector_search=choice, threads=1)
    loaded = SimpleNamespace(queries=lambda texts: queries)
    model: Any = SimpleNamespace(settings=settings, run=RUN, loaded=loaded)
    return DenseSearch(folder, model)


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: Any) -> None:
    SAID.clear()
    monkeypatch.setattr(vector_graphs, "GRAPH_PASSAGES", 1500)


def test_an_approximate_search_finds_the_nearest_in_the_same_order(tmp_path: Path) -> None:
    vectors = unit_vectors(4000)
    folder = write_vectors(tmp_path / "index", vectors)
    make_graphs(folder, RUN, 1)
    near = vectors[:100] + unit_vectors(100, 1) * 0.3  # the winner is clear: a vector that was moved a little
    queries = np.concatenate([near, unit_vectors(100, 2)])
    texts = [""] * len(queries)
    exact = searcher(folder, queries, "exact").find_all(texts, 10)
    found = searcher(folder, queries, "approximate").find_all(texts, 10)
    assert [hits[0].passage for hits in found[:100]] == list(range(100))
    recall = [
        len({hit.passage for hit in a} & {hit.passage for hit in b}) / 10 for a, b in zip(exact, found, strict=True)
    ]
    assert np.mean(recall) >= 0.95
    same = [pair for pair, share in zip(zip(exact, found, strict=True), recall, strict=True) if share == 1]
    for wanted, got in same:
        assert [hit.passage for hit in got] == [hit.passage for hit in wanted]
        np.testing.assert_allclose([hit.score for hit in got], [hit.score for hit in wanted], atol=1e-6)


@pytest.mark.parametrize("most", [1, 3, 10, 100])
def test_equal_vectors_are_in_the_order_of_the_corpus(tmp_path: Path, most: int) -> None:
    vectors = np.concatenate([unit_vectors(50), np.zeros((3, WIDTH)), unit_vectors(50)])
    folder = write_vectors(tmp_path / "index", vectors)
    make_graphs(folder, RUN, 1)
    queries = np.concatenate([unit_vectors(1), np.zeros((1, WIDTH))]).astype("f4")
    exact, found = (searcher(folder, queries, choice).find_all(["", ""], most) for choice in ("exact", "approximate"))
    assert [hit.passage for hit in found[0]][:2] == [0, 53][:most]
    assert {hit.passage for hit in found[0]} == {hit.passage for hit in exact[0]}
    assert found[1] == []  # of a text without tokens
    one = searcher(folder, queries[:1], "approximate").find_all([""], most)
    assert one == found[:1]


def test_the_same_vectors_make_the_same_files(tmp_path: Path) -> None:
    folders = [write_vectors(tmp_path / name, unit_vectors(3300)) for name in ("a", "b")]
    for folder, threads in zip(folders, (1, 3), strict=True):
        make_graphs(folder, RUN, threads)
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert sorted(files[0]) == ["index.json", *(f"vectors.{n}.usearch" for n in range(3)), "vectors.f4"]


def test_vectors_that_were_added_are_added_to_the_last_graph(tmp_path: Path) -> None:
    vectors = unit_vectors(3500)
    folder = write_vectors(tmp_path / "index", vectors[:2000])
    make_graphs(folder, RUN, 1)
    first = (folder / "vectors.0.usearch").stat().st_ino
    write_vectors(folder, vectors)
    assert not graphs_are_whole(folder)
    make_graphs(folder, RUN, 1)
    assert graphs_are_whole(folder)
    assert (folder / "vectors.0.usearch").stat().st_ino == first
    found = searcher(folder, vectors[::50], "approximate").find_all([""] * 70, 1)
    assert [hits[0].passage for hits in found] == list(range(0, 3500, 50))


def test_a_kill_loses_only_the_unfinished_graph(tmp_path: Path, monkeypatch: Any) -> None:
    folder = write_vectors(tmp_path / "index", unit_vectors(3300))
    new_graph, made = vector_graphs._new_graph, []

    def dies_at_the_third(width: int) -> Any:
        made.append(width)
        if len(made) == 3:
            raise KeyboardInterrupt
        return new_graph(width)

    monkeypatch.setattr(vector_graphs, "_new_graph", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        make_graphs(folder, RUN, 1)
    assert list(json.loads((folder / "index.json").read_text())["graphs"]["files"]) == ["0", "1"]
    (folder / "vectors.2.tmp").write_bytes(b"a part of a graph that a kill left")
    made.clear()
    make_graphs(folder, RUN, 1)
    assert len(made) == 1
    assert graphs_are_whole(folder)
    assert not (folder / "vectors.2.tmp").exists()


def test_graphs_of_other_vectors_and_damaged_files_are_built_again(tmp_path: Path) -> None:
    vectors = unit_vectors(2000)
    folder = write_vectors(tmp_path / "index", vectors)
    make_graphs(folder, RUN, 1)
    whole = (folder / "vectors.1.usearch").read_bytes()
    (folder / "vectors.1.usearch").write_bytes(whole[:-1])
    assert not graphs_are_whole(folder)
    make_graphs(folder, RUN, 1)
    assert (folder / "vectors.1.usearch").read_bytes() == whole
    assert SAID[-2:] == [
        f"{folder}: graphs for approximate search built again, because a file is damaged",
        "vectors: 2,000 passages in graphs for approximate search",
    ]
    write_vectors(folder, -vectors, "other")
    make_graphs(folder, RUN, 1)
    assert f"{folder}: graphs for approximate search built again, because the vectors changed" in SAID
    assert searcher(folder, -vectors[:1], "approximate").find_all([""], 1)[0][0].passage == 0


def test_a_file_that_is_no_graph_is_damage(tmp_path: Path) -> None:
    folder = write_vectors(tmp_path / "index", unit_vectors(100))
    make_graphs(folder, RUN, 1)
    path = folder / "vectors.0.usearch"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(UserError, match=r"the index is damaged: vectors\.0\.usearch: .*\nhint: --corpus FILES"):
        searcher(folder, unit_vectors(1), "approximate")


def test_a_disk_that_is_full_is_an_error(tmp_path: Path, monkeypatch: Any) -> None:
    folder = write_vectors(tmp_path / "index", unit_vectors(100))

    def save(*words: Any) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr("usearch.index.Index.save", save)
    with pytest.raises(UserError, match="index: cannot write: No space left on device"):
        make_graphs(folder, RUN, 1)


def index_it(sft: Any, *words: str) -> Result:
    rows = [json.dumps({"id": f"c{n}", "text": text}) for n, text in enumerate(("fox", "日元", "a lazy dog"))]
    Path("corpus.jsonl").write_text("\n".join(rows))
    flags = ("--index", "idx", "--embedding", "model", "--dtype", "float32", "--index-only", *words)
    result: Result = sft("retrieve", "--corpus", "corpus.jsonl", *flags)
    return result


def ask(sft: Any, *words: str) -> Result:
    flags = ("--embedding", "model", "--dtype", "float32", "--method", "dense", *words)
    result: Result = sft("retrieve", *flags, "-", stdin=b"fox")
    assert result.code == 0, result.err
    assert json.loads(result.out)["context"][0]["id"] == "c0"
    return result


APPROXIMATE = "vectors: approximate search can miss some of the nearest passages; --vector-search exact finds all\n"


def test_a_large_index_is_searched_by_a_graph(here: Path, sft: Any, monkeypatch: Any) -> None:
    save_embedder(here / "model")
    monkeypatch.setattr(dense, "MANY_PASSAGES", 2)
    assert "vectors: 3 passages in graphs for approximate search" in index_it(sft).err
    assert "graphs" not in index_it(sft).err  # nothing is left to do
    assert APPROXIMATE in ask(sft, "--index", "idx").err
    assert "approximate search" not in ask(sft, "--index", "idx", "--vector-search", "exact").err


def test_a_small_index_is_searched_exactly_unless_a_graph_is_asked_for(here: Path, sft: Any) -> None:
    save_embedder(here / "model")
    assert "graph" not in index_it(sft).err
    assert "vectors:" not in ask(sft, "--index", "idx").err
    asked = ask(sft, "--index", "idx", "--vector-search", "approximate").err
    assert "vectors: 3 passages in graphs for approximate search" in asked
    assert APPROXIMATE in asked
    assert APPROXIMATE in ask(sft, "--corpus", "corpus.jsonl", "--vector-search", "approximate").err


def test_added_documents_are_added_to_the_graph(here: Path, sft: Any) -> None:
    save_embedder(here / "model")
    index_it(sft, "--vector-search", "approximate")
    Path("more.jsonl").write_text(json.dumps({"id": "d", "text": "The yen."}))
    flags = ("--embedding", "model", "--dtype", "float32", "--index-only", "--vector-search", "approximate")
    result = sft("retrieve", "--corpus", "more.jsonl", "--index", "idx", "--add", *flags)
    assert "vectors: 4 passages in graphs for approximate search" in result.err
    assert "built again" not in result.err
    assert json.loads(Path("idx/index.json").read_text())["graphs"]["files"]["0"]["passages"] == 4


EXACT = "vectors: exact search, slow in a large index; "


def test_a_large_index_without_a_graph_is_searched_exactly_and_says_so(here: Path, sft: Any, monkeypatch: Any) -> None:
    save_embedder(here / "model")
    index_it(sft)
    monkeypatch.setattr(dense, "MANY_PASSAGES", 2)
    assert f"{EXACT}--vector-search approximate builds a graph\n" in ask(sft, "--index", "idx").err
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "usearch" else found(name))
    cure = "pip install 'usearch>=2.20', and then --vector-search approximate builds a graph\n"
    assert f"{EXACT}{cure}" in ask(sft, "--index", "idx").err
    assert "graphs" not in index_it(sft).err
    refused = sft("retrieve", "--index", "idx", "--embedding", "model", "--vector-search", "approximate", "-")
    assert refused.code == 2
    assert refused.err.endswith(
        "--vector-search approximate: needs the package usearch\nhint: pip install 'usearch>=2.20'\n"
    )


@pytest.mark.parametrize("choice", ["exact", "approximate"])
def test_the_flag_needs_vectors(here: Path, sft: Any, choice: str) -> None:
    Path("a.txt").write_text("fox")
    result = sft("retrieve", "--corpus", "a.txt", "--vector-search", choice, "-", stdin=b"fox")
    assert result.code == 2
    assert result.err.endswith("--vector-search: has an effect only with --embedding\n")


@pytest.mark.parametrize("part", [None, 3, {}, {"of": {}}])
def test_damaged_facts_of_graphs_are_refused(tmp_path: Path, part: Any) -> None:
    folder = write_vectors(tmp_path / "index", unit_vectors(10))
    facts = json.loads((folder / "index.json").read_text())
    write_index_facts(folder, {**facts, "graphs": part})
    with pytest.raises(UserError, match=r"index\.json: graphs: expected an object of of, files"):
        graphs_are_whole(folder)
