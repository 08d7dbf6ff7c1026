"""Makes the index of a corpus where it is wanted, if it is not there already."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from sft_cli.data.folders import input_files
from sft_cli.evidence.corpus import read_corpus
from sft_cli.evidence.dense import EmbeddingModel, is_approximate
from sft_cli.evidence.index.arrays import array_file
from sft_cli.evidence.index.builder import SAVED_FILE, IndexBuilder
from sft_cli.evidence.index.search_index import INDEX_FILE, SearchIndex, read_index_facts
from sft_cli.evidence.index.vector_graphs import graphs_are_whole, make_graphs
from sft_cli.evidence.index.vectors import copy_vectors, lacks_vectors, make_vectors
from sft_cli.evidence.settings import SearchesCorpus
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.lock import lock_path
from sft_cli.run.manifest import file_hash, input_entry
from sft_cli.run.output import partial_directory, sync
from sft_cli.run.progress import Progress
from sft_cli.run.publish import Publication
from sft_cli.run.text import counted


@contextmanager
def open_index(
    settings: SearchesCorpus, run: Run, ledger: Ledger, model: EmbeddingModel | None = None
) -> Iterator[SearchIndex]:
    """The index to search: that of --index, made or brought up to date first with --corpus, or one for this run.

    It gets the vectors of the model, if there is one. Bad records of the corpus go to the ledger; raises UserError at
    its end if they are not skipped.
    """
    if settings.index is not None:
        make_index(settings, run, ledger, model)
        yield SearchIndex(Path(settings.index))
        return
    with tempfile.TemporaryDirectory(prefix="sft-index-") as folder:
        _Making(settings, run, ledger).build(Path(folder), index_request(settings))
        if model is not None:
            make_vectors(Path(folder), model)
            if model.settings.vector_search == "approximate":  # auto: an index for this run is not worth a graph
                make_graphs(Path(folder), run, model.settings.threads)
        yield SearchIndex(Path(folder))


def index_request(settings: SearchesCorpus) -> dict[str, Any]:
    """What an index is made of: the files of its corpus by their content, and how they are cut."""
    corpus = [{"path": path, "sha256": _content_hash(path)} for path in settings.corpus]
    cut = {"chunk_tokens": settings.chunk_tokens, "overlap_tokens": settings.overlap_tokens, "map": settings.map}
    return {"corpus": corpus, **cut}


def _content_hash(path: str) -> str | None:
    """The hash of a file, or of all files of a folder that are read; None for a data set of the hub.

    `input_entry` leaves out README.md and other files that a run writes about itself: here they are documents.
    """
    if not Path(path).is_dir():
        return cast(str | None, input_entry(path)["sha256"])
    digest = hashlib.sha256()
    for name in input_files([path], "", lambda text: None):
        try:
            line = f"{Path(name).relative_to(path)}\0{file_hash(Path(name))}\n"
        except OSError as error:
            raise UserError(f"{name}: cannot read: {error.strerror}") from error
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def make_index(settings: SearchesCorpus, run: Run, ledger: Ledger, model: EmbeddingModel | None = None) -> None:
    """Build the index of --corpus in --index, unless it is there and is up to date, and the vectors of the model.

    A run that was stopped while it built the index is continued. Raises UserError if the folder is something else.
    """
    assert settings.index is not None
    target = Path(settings.index)
    if lock_path(target).exists():
        Publication(target).release()  # finishes what a killed run had begun to publish
    had_vectors = (target / INDEX_FILE).is_file() and array_file(target, "vectors").is_file()
    if settings.corpus:
        _update_passages(target, settings, run, ledger)
    facts = read_index_facts(target)  # or what is wrong with it
    if model is None:
        if had_vectors and facts.get("vectors", {}).get("passages") != facts["passages"]:
            run.say(f"{target}: some passages have no vectors: --embedding DIR adds them")
    else:
        _update_vectors(target, model, run)


def _update_vectors(target: Path, model: EmbeddingModel, run: Run) -> None:
    """Make the vectors that an index lacks, and the graphs of an approximate search."""
    lacks = lacks_vectors(target, model)
    search, threads = model.settings.vector_search, model.settings.threads
    wants = is_approximate(search, read_index_facts(target)["passages"])
    if search == "auto" and not (lacks or model.settings.corpus):
        wants = False  # building takes hours, and the user asked for a search
    if not lacks and (not wants or graphs_are_whole(target)):
        return
    publication = Publication(target)
    try:
        if lacks:
            make_vectors(target, model)
        if wants:
            make_graphs(target, run, threads)
    finally:
        publication.release()
    run.hash_inputs_again()


def _update_passages(target: Path, settings: SearchesCorpus, run: Run, ledger: Ledger) -> None:
    """Build what is searched by words, unless it is up to date."""
    old = _old_facts(target, run)
    request = index_request(settings)
    if settings.adds:
        if old is None:
            raise UserError(f"--add: {target}: expected an index to add to, got none\nhint: leave out --add")
        if _is_added(old, request):
            run.say(f"{target}: up to date, {counted(old['passages'], 'passage')}")
            return
        request = {**request, "corpus": [*old["corpus"], *request["corpus"]]}
    elif old is not None:
        changed = [name for name in request if old.get(name) != request[name]]
        if not changed and not settings.rebuilds:
            run.say(f"{target}: up to date, {counted(old['passages'], 'passage')}")
            return
        if changed:
            run.say(f"{target}: built again, because this changed: {', '.join(sorted(changed))}")
    publication = Publication(target)
    try:
        partial = partial_directory(target)
        if not (partial / SAVED_FILE).is_file():
            publication.remove(partial)
        partial.mkdir(parents=True, exist_ok=True)
        _Making(settings, run, ledger).build(partial, request, target if settings.adds else None)
        if settings.adds:
            copy_vectors(target, partial)
        for path in (*partial.iterdir(), partial):
            sync(path)
        publication.moves.append((partial, target))
        publication.commit(lambda: run.command)
    finally:
        publication.release()
    run.hash_inputs_again()


def _old_facts(target: Path, run: Run) -> dict[str, Any] | None:
    """The facts of the index that is there; None if nothing is, or an index of another version."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    if not target.is_dir():
        raise UserError(f"--index: {target}: expected a folder, got a file")
    if not (target / INDEX_FILE).is_file():
        problem = f"not replaced: it has no {INDEX_FILE}, so it was not made by sft"
        raise UserError(f"--index: {target}: {problem}\nhint: remove the folder, or use another --index")
    try:
        return read_index_facts(target)
    except UserError as error:
        run.say(f"{str(error).splitlines()[0]}: built again")
        return None


def _is_added(old: dict[str, Any], request: dict[str, Any]) -> bool:
    """Whether an index has the files of a request already."""
    return all(entry in old["corpus"] for entry in request["corpus"])


class _Making(NamedTuple):
    """What an index is made with: the flags, the messages, the bad records."""

    settings: SearchesCorpus
    run: Run
    ledger: Ledger

    def build(self, folder: Path, request: dict[str, Any], base: Path | None = None) -> None:
        """Read the corpus, and write its index into a folder. base: an index to which the documents are added."""
        settings, run, ledger = self
        builder = self._builder(folder, request)
        if base is not None and not builder.passages:
            _check_same_cut(request, read_index_facts(base))
            builder.start_from(base)
        if builder.read:
            run.say(f"index: continued after {counted(builder.read, 'document')}")
        with Progress("index", 0, "document", run.settings.quiet) as progress:
            taken = SearchIndex(base).document_ids() if base is not None else ()
            documents = read_corpus(settings, run, ledger, taken)
            for number, document in enumerate(documents, 1):
                if number > builder.read:
                    builder.add(document)
                progress.update(number, {"passages": builder.passages_so_far})
        ledger.close()
        if ledger.rejected:
            run.say(f"corpus: {ledger.total()} left out")
        if not builder.passages_so_far:
            raise UserError(f"--corpus: no passage in {' '.join(settings.corpus)}")
        if builder.empty:
            run.say(f"corpus: {counted(builder.empty, 'document')} without words, left out of the index")
        facts = builder.finish()
        run.say(
            f"index: {counted(facts['documents'], 'document')}, {counted(facts['passages'], 'passage')}, "
            f"{counted(facts['words'], 'distinct word')}"
        )

    def _builder(self, folder: Path, request: dict[str, Any]) -> IndexBuilder:
        most, overlap = self.settings.chunk_tokens, self.settings.overlap_tokens
        try:
            return IndexBuilder(folder, request, most, overlap)
        except (EOFError, ValueError):  # a file lost its end or is damaged: nothing of the stopped run can be used
            shutil.rmtree(folder)
            folder.mkdir()
            return IndexBuilder(folder, request, most, overlap)


def _check_same_cut(request: dict[str, Any], old: dict[str, Any]) -> None:
    for name in ("chunk_tokens", "overlap_tokens"):
        if request[name] != old[name]:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}: the index was made with {old[name]}; --add needs the same, got {request[name]}")
