"""Approximate search by vectors: graphs of neighbours (HNSW; Malkov and Yashunin, 2016), through usearch.

Each file has the graph of up to GRAPH_PASSAGES passages. One thread builds it, so that the same vectors make the same
file; several files are built at the same time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.evidence.index.arrays import mapped_array
from sft_cli.evidence.index.search_index import read_index_facts, write_index_facts
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted

GRAPH_PASSAGES = 1 << 19  # of one file: with vectors of width 384, 0.5 GB
ADDED_AT_ONCE = 1024  # passages between two looks at the progress
MOST_BUILT_AT_ONCE = 8  # graphs that are built at the same time, each in memory
# usearch's own CONNECTIVITY and EXPANSION_ADD. With its own EXPANSION_SEARCH, 64, recall@10 is 0.90 on random vectors.
CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 16, 128, 512
VERSION = 1


def graph_file(folder: Path, number: int) -> Path:
    """The file of a graph."""
    return folder / f"vectors.{number}.usearch"


class _Ungraphed(NamedTuple):
    """Passages that a graph lacks: the number of its file, the first passage of the file, and of those to add."""

    number: int
    first: int
    start: int
    end: int


def graphs_are_whole(folder: Path) -> bool:
    """Whether the graphs of an index have all its vectors."""
    facts = read_index_facts(folder)
    return "graphs" in facts and not _ungraphed(facts, _usable(folder, facts))


def make_graphs(folder: Path, run: Run, threads: int | None) -> None:
    """Build the graphs of the vectors of an index, or what they lack; a stopped run loses the unfinished files.

    Raises UserError if the files cannot be written.
    """
    facts = read_index_facts(folder)
    files = _usable(folder, facts)
    if len(files) < len(facts.get("graphs", {}).get("files", ())):
        changed = _origin(facts) != facts["graphs"]["of"]
        reason = "the vectors changed" if changed else "a file is damaged"
        run.say(f"{folder}: graphs for approximate search built again, because {reason}")
    tasks = _ungraphed(facts, files)
    if not tasks:
        return
    try:
        _build_all(folder, tasks, files, run, min(threads or os.cpu_count() or 1, MOST_BUILT_AT_ONCE))
    except (OSError, RuntimeError) as error:  # usearch raises RuntimeError for a disk that is full
        raise UserError(f"--index: {folder}: cannot write: {getattr(error, 'strerror', error)}") from error
    run.say(f"vectors: {counted(facts['passages'], 'passage')} in graphs for approximate search")


def _origin(facts: dict[str, Any]) -> dict[str, Any]:
    """What the graphs of an index are made of."""
    vectors = {name: facts["vectors"][name] for name in ("model", "dtype", "width")}
    return {"version": VERSION, "passages": GRAPH_PASSAGES, **vectors}


def _usable(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """The entries of the graphs in index.json that are made of these vectors and whose files have their size."""
    graphs = facts.get("graphs")
    if graphs is None or "vectors" not in facts or graphs["of"] != _origin(facts):
        return {}
    usable = {}
    for number, entry in graphs["files"].items():
        with contextlib.suppress(OSError):
            if graph_file(folder, int(number)).stat().st_size == entry["bytes"]:
                usable[number] = entry
    return usable


def _ungraphed(facts: dict[str, Any], files: dict[str, Any]) -> list[_Ungraphed]:
    tasks = []
    for number, first in enumerate(range(0, facts["passages"], GRAPH_PASSAGES)):
        start = first + files.get(str(number), {}).get("passages", 0)
        end = min(first + GRAPH_PASSAGES, facts["passages"])
        if start < end:
            tasks.append(_Ungraphed(number, first, start, end))
    return tasks


def _build_all(folder: Path, tasks: list[_Ungraphed], files: dict[str, Any], run: Run, workers: int) -> None:
    """Build graphs at the same time, and note each in index.json when its file is on disk."""
    facts = read_index_facts(folder)
    facts["graphs"] = {"of": _origin(facts), "files": files}
    write_index_facts(folder, facts)  # so that no entry is of a file that is being replaced by another kind
    done = dict.fromkeys(tasks, 0)
    stop = threading.Event()
    before = facts["passages"] - sum(task.end - task.start for task in tasks)
    with (
        Progress("graph", facts["passages"], "passage", run.settings.quiet, before) as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        try:
            pending: set[Future[Any]] = {pool.submit(_build, folder, task, done, stop) for task in tasks}
            while pending:
                finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                # Those that failed come last: the others that ended with them are noted.
                for future in sorted(finished, key=lambda each: each.exception() is not None):
                    number, entry = future.result()
                    files[str(number)] = entry
                    facts["graphs"]["files"] = dict(sorted(files.items(), key=lambda item: int(item[0])))
                    write_index_facts(folder, facts)
                progress.update(before + sum(done.values()), {"files": len(files)})
        finally:
            stop.set()


def _build(folder: Path, task: _Ungraphed, done: dict[_Ungraphed, int], stop: threading.Event) -> tuple[int, Any]:
    """Build one graph, or add passages to it; return its number and its entry for index.json."""
    import numpy

    facts = read_index_facts(folder)
    vectors = mapped_array(folder, "vectors").reshape(-1, facts["vectors"]["width"])
    path = graph_file(folder, task.number)
    graph = _new_graph(facts["vectors"]["width"])
    if task.start > task.first:
        graph.load(path)
    for start in range(task.start, task.end, ADDED_AT_ONCE):
        if stop.is_set():
            raise InterruptedError
        end = min(start + ADDED_AT_ONCE, task.end)
        graph.add(numpy.arange(start, end, dtype="u8"), numpy.ascontiguousarray(vectors[start:end]), threads=1)
        done[task] = end - task.start
    temporary = path.with_suffix(".tmp")
    graph.save(temporary)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)  # another process may have mapped the old file
    return task.number, {"passages": task.end - task.first, "bytes": path.stat().st_size}


def _new_graph(width: int) -> Any:
    from usearch.index import Index

    return Index(ndim=width, metric="ip", dtype="f16", connectivity=CONNECTIVITY, expansion_add=EXPANSION_ADD)


def graph_files(folder: Path) -> Iterator[Path]:
    """The files of the graphs that index.json names."""
    for number in read_index_facts(folder).get("graphs", {}).get("files", {}):
        yield graph_file(folder, int(number))


class VectorGraphs:
    """The graphs of an index, mapped into memory."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        """Raises UserError if a file is damaged."""
        self.threads = threads or 0  # 0: all
        width = read_index_facts(folder)["vectors"]["width"]
        self.graphs = []
        for path in graph_files(folder):
            graph = _new_graph(width)
            try:
                graph.view(path)
            except (OSError, RuntimeError, ValueError) as error:
                hint = "hint: --corpus FILES --index-only --force builds it again"
                raise UserError(f"--index: {folder}: the index is damaged: {path.name}: {error}\n{hint}") from error
            self.graphs.append(graph)

    def candidates(self, queries: Any, most: int) -> list[Any]:
        """For each query, (queries, width), at least the `most` passages that the graphs find: sorted numbers."""
        import numpy
        from usearch.index import Matches

        nearest: list[list[Any]] = [[] for _ in queries]
        for graph in self.graphs:
            count = min(2 * most + 16, len(graph))  # more than asked, because the graphs round vectors to 16 bits
            graph.expansion_search = max(EXPANSION_SEARCH, 2 * count)
            matches = graph.search(numpy.ascontiguousarray(queries), count, threads=self.threads)
            each = [matches] if isinstance(matches, Matches) else matches  # of a single query
            for number in range(len(queries)):
                nearest[number].append(each[number].keys)
        return [numpy.sort(numpy.concatenate(keys)).astype("i8") for keys in nearest]
