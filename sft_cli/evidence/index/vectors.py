"""The vectors of an index: made in blocks of passages, and continued where a stopped run left off."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sft_cli.evidence.dense import EmbeddingModel
from sft_cli.evidence.index.arrays import Appended, array_file
from sft_cli.evidence.index.search_index import SearchIndex, read_index_facts, write_index_facts
from sft_cli.evidence.index.vector_graphs import graph_files
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted

BLOCK_PASSAGES = 512  # embedded, sorted by length, before they are written


def lacks_vectors(folder: Path, model: EmbeddingModel) -> bool:
    """Whether an index needs `make_vectors`."""
    facts = read_index_facts(folder)
    done = facts.get("vectors")
    return done is None or done["passages"] < facts["passages"] or bool(_reason_to_start_again(done, model))


def make_vectors(folder: Path, model: EmbeddingModel) -> None:
    """Give every passage of an index its vector.

    `vectors` in index.json says of which model they are, and how many are done. Vectors of another model are made
    again, and those of a --dtype that is not the requested one.
    """
    facts = read_index_facts(folder)
    done = facts.get("vectors")
    if reason := _reason_to_start_again(done, model):
        model.run.say(f"{folder}: vectors built again, because this changed: {reason}")
        done = None
    try:
        _embed_missing(folder, facts, done, model)
    except OSError as error:
        raise UserError(f"--index: {folder}: cannot write: {error.strerror}") from error


def _reason_to_start_again(done: dict[str, Any] | None, model: EmbeddingModel) -> str:
    if done is None:
        return ""
    if done["model"] != model.digest:
        return "embedding"
    return "dtype" if model.settings.dtype not in ("auto", done["dtype"]) else ""


def _embed_missing(folder: Path, facts: dict[str, Any], done: dict[str, Any] | None, model: EmbeddingModel) -> None:
    index, embedder = SearchIndex(folder), model.loaded
    start, width = (done["passages"], done["width"]) if done is not None else (0, 0)
    embedder.cut = done["cut"] if done is not None else 0
    path = array_file(folder, "vectors")
    try:
        sink = Appended.open(path, 4 * start * width)
    except EOFError:  # the file lost its end
        start, embedder.cut = 0, 0
    if start == 0:
        path.unlink(missing_ok=True)  # another process may have mapped the old file
        sink = Appended.open(path, 0)
    else:
        model.run.say(f"vectors: continued after {counted(start, 'passage')}")
    with Progress("embed", len(index), "passage", model.run.settings.quiet, start) as progress:
        for first in range(start, len(index), BLOCK_PASSAGES):
            last = min(first + BLOCK_PASSAGES, len(index))
            vectors = embedder.passages([index.text(number) for number in range(first, last)])
            sink.file.write(vectors.astype("<f4").tobytes())
            sink.save()
            entry = {"model": model.digest, "dtype": embedder.dtype, "width": vectors.shape[1]}
            write_index_facts(folder, {**facts, "vectors": {**entry, "passages": last, "cut": embedder.cut}})
            progress.update(last, {"cut": embedder.cut} if embedder.cut else {})
    sink.file.close()
    if embedder.cut:
        most = f"longer than {embedder.max_tokens:,} tokens; --chunk-tokens makes passages shorter"
        model.run.say(f"vectors: the end of {counted(embedder.cut, 'passage')} left out: {most}")


def copy_vectors(base: Path, folder: Path) -> None:
    """Take over the vectors of an index to which documents were added, and their graphs."""
    done = read_index_facts(base).get("vectors")
    if done is None:
        return
    shutil.copyfile(array_file(base, "vectors"), array_file(folder, "vectors"))
    for path in graph_files(base):
        if path.is_file():  # otherwise it is built again
            shutil.copyfile(path, folder / path.name)
    graphs = {name: value for name, value in read_index_facts(base).items() if name == "graphs"}
    write_index_facts(folder, {**read_index_facts(folder), "vectors": done, **graphs})
