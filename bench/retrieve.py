"""Retrieval: an index of many passages, its queries, and bm25s' own loop beside ours.

    make bench-retrieve                                          # a million passages of 100 made-up words
    make bench-retrieve BENCH='--passages 100000'
    make bench-retrieve BENCH='--corpus c.jsonl --queries q.jsonl'   # records with id, title and text; rows
    make bench-retrieve BENCH='--vectors 1000000'                    # exact and approximate search of random vectors

The words of the made-up passages have the frequencies of a natural language (Zipf, exponent 1), 500 000 kinds of them.
Indexing is timed as a command with its peak memory; queries are timed in this process, without starting.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from sft_cli.evidence.dense import DenseSearch
from sft_cli.evidence.index.search_index import INDEX_VERSION, SearchIndex, write_index_facts
from sft_cli.evidence.index.vector_graphs import make_graphs
from sft_cli.evidence.search_words import WORDS_VERSION, search_words

KINDS, WORDS, TOP = 500_000, 100, 10
RECALLED = 100  # queries whose exact and approximate results are compared
QUIET = SimpleNamespace(say=lambda text: None, settings=SimpleNamespace(quiet=True))


def write_passages(path: Path, passages: int) -> None:
    """Write records of 100 words each."""
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, KINDS + 1)
    ends = np.cumsum(shares / shares.sum())
    names = np.array([f"w{number:x}" for number in range(KINDS)])
    with open(path, "w", encoding="utf-8") as sink:
        for start in range(0, passages, 10_000):
            drawn = names[np.searchsorted(ends, random.random((min(10_000, passages - start), WORDS)))]
            sink.writelines(f'{{"id":"{start + n}","text":"{" ".join(row)}"}}\n' for n, row in enumerate(drawn))


def queries_of(path: str | None, passages: int) -> list[str]:
    """The texts to search for: those of a file, or eight words each with the frequencies of the corpus."""
    if path is not None:
        rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        return [row["messages"][-1]["content"] for row in rows]
    random = np.random.default_rng(1)
    shares = 1 / np.arange(1, KINDS + 1)
    ends = np.cumsum(shares / shares.sum())
    return [" ".join(f"w{word:x}" for word in np.searchsorted(ends, random.random(8))) for _ in range(200)]


def timed(search: Any, queries: list[Any]) -> list[float]:
    """Seconds of each query."""
    seconds = []
    for query in queries:
        start = time.perf_counter()
        search(query)
        seconds.append(time.perf_counter() - start)
    return seconds


def peer_loop(corpus: Path) -> Any:
    """bm25s over the same words in its own index, asked as its README shows."""
    from bm25s import BM25

    records = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    theirs = BM25(method="lucene")
    texts = ["\n".join(filter(None, (record.get("title"), record["text"]))) for record in records]
    theirs.index([search_words(text) for text in texts], show_progress=False)

    def search(query: str) -> Any:
        words = [word for word in search_words(query) if word in theirs.vocab_dict]
        return theirs.retrieve([words], corpus=records, k=TOP, show_progress=False)

    return search


class RandomQueries:
    """Random vectors in the place of an embedding model; the same ones for each search. choice: of --vector-search."""

    def __init__(self, choice: str, width: int) -> None:
        self.width, self.loaded = width, cast(Any, self)
        self.settings = SimpleNamespace(vector_search=choice, threads=None)
        self.run = QUIET

    def queries(self, texts: list[str]) -> Any:
        """(N, width) float32."""
        return np.random.default_rng(1).standard_normal((len(texts), self.width), dtype="f4")


def measure_vectors(folder: Path, count: int, width: int) -> None:
    """Print the time of an exact and of an approximate search of random vectors, and what the second one finds."""
    random = np.random.default_rng(0)
    with open(folder / "vectors.f4", "wb") as sink:
        for start in range(0, count, 10_000):
            vectors = random.standard_normal((min(10_000, count - start), width), dtype="f4")
            sink.write((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tobytes())
    about = {"model": "random", "dtype": "float32", "width": width, "passages": count, "cut": 0}
    versions = {"version": INDEX_VERSION, "words_version": WORDS_VERSION}
    facts = {**versions, "documents": count, "passages": count, "files": {}, "corpus": [], "vectors": about}
    write_index_facts(folder, facts)
    start_time = time.perf_counter()
    make_graphs(folder, cast(Any, QUIET), None)
    built = time.perf_counter() - start_time
    nearest: dict[str, list[set[int]]] = {}
    for choice in ("exact", "approximate"):
        opened = DenseSearch(folder, cast(Any, RandomQueries(choice, width)))
        hits = opened.find_all([""] * RECALLED, TOP)  # also the warm-up
        nearest[choice] = [{hit.passage for hit in found} for found in hits]
        for together in (1, 32):
            seconds = timed(lambda number, search=opened: search.find_all([""] * number, TOP), [together] * 5)
            print(
                f"{count:,} vectors of width {width}, {choice}, {together} at once: "
                f"{statistics.median(seconds) / together * 1000:.2f} ms a query"
            )
    pairs = zip(nearest["exact"], nearest["approximate"], strict=True)
    recall = statistics.mean(len(exact & near) / TOP for exact, near in pairs)
    print(f"graph: {built:.0f} s to build, recall@{TOP} {recall:.3f} over {RECALLED} queries")


def main() -> None:
    """Print the figures, one a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--corpus")
    parser.add_argument("--queries")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--vectors", type=int)
    parser.add_argument("--width", type=int, default=384, help="of the random vectors")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.vectors:
            measure_vectors(Path(folder), given.vectors, given.width)
            return
        corpus = Path(given.corpus or f"{folder}/corpus.jsonl")
        if not given.corpus:
            write_passages(corpus, given.passages)
        index = Path(folder) / "index"
        start = time.perf_counter()
        command = [sys.executable, "-m", "sft_cli", "retrieve", "--corpus", corpus, "--index", index, "--index-only"]
        subprocess.run([*map(str, command), "--chunk-tokens", "0", "--overlap-tokens", "0", "-q"], check=True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
        opened = SearchIndex(index)
        print(f"index of {len(opened):,} passages: {seconds:.0f} s, peak memory {peak:.2f} GB")
        queries = queries_of(given.queries, given.passages)
        ours = lambda query: [opened.passage(hit.passage) for hit in opened.find(query, TOP)]  # noqa: E731
        timed(ours, queries)
        theirs = peer_loop(corpus) if len(opened) <= 200_000 else None
        times: dict[str, list[float]] = {"ours": [], "bm25s": []}
        for _ in range(given.repeats):
            times["ours"].append(statistics.mean(timed(ours, queries)))
            if theirs:
                times["bm25s"].append(statistics.mean(timed(theirs, queries)))
        each = sorted(timed(ours, queries))
        print(f"a query: median {each[len(each) // 2] * 1000:.2f} ms, longest {each[-1] * 1000:.2f} ms")
        if theirs:
            rates = {name: 1 / statistics.median(means) for name, means in times.items()}
            ratio = rates["ours"] / rates["bm25s"]
            print(f"queries/s: ours {rates['ours']:,.0f}, bm25s {rates['bm25s']:,.0f}, ours / bm25s {ratio:.2f}")


if __name__ == "__main__":
    main()
