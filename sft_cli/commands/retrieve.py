"""`sft retrieve`: passages of a corpus that fit each prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from sft_cli.data.rows import Row, read_rows, refuse_terminal
from sft_cli.decoding.prompt_rows import is_plain_text, text_lines
from sft_cli.evidence.settings import RetrieveSettings, check_retrieve_flags
from sft_cli.model.names import check_models
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted

if TYPE_CHECKING:
    from sft_cli.evidence.finder import Finder
    from sft_cli.evidence.index.search_index import Hit

PROMPTS_AT_ONCE = 32  # embedded and compared with the vectors together


def retrieve(settings: RetrieveSettings, run: Run) -> None:
    """Find passages of a corpus for each prompt, and add them to the row as `context`.

    \b
    Example:
      sft retrieve --corpus docs/ prompts.jsonl | sft generate runs/a - --prompt-template grounded
      sft retrieve --corpus papers.csv --map id=doc_id --map text=abstract --index papers.index --index-only
      sft retrieve --index papers.index claims.jsonl --top-k 10 -o claims.found.jsonl
      sft retrieve --index papers.index --embedding models/embedder --rerank models/reranker claims.jsonl

    Passages are found by BM25 over the stems of words. Chinese text is searched by single characters and by pairs of
    neighbours. With --embedding they are also found by vectors, and both rankings are fused by their ranks. --rerank
    ranks the best ones again. Documents are cut at headings and at the ends of sentences. The id of a passage is the id
    of its document, followed by #N if the document was cut into several passages. The source of a passage is its file.
    The headings above it are its title, which is also searched.

    An index is a folder that is mapped into memory. With --corpus and --index it is built once, and again only if a
    file or a flag of the corpus changed; the same command continues after a kill. --corpus without --index builds an
    index in the folder of TMPDIR, and removes it. With --embedding, the vectors are added to the index.
    """
    check_retrieve_flags(settings)
    check_models(settings)
    if not settings.index_only:
        refuse_terminal(settings.prompts)
        run.check_output()
    from sft_cli.evidence.context import ContextWriter
    from sft_cli.evidence.dense import EmbeddingModel
    from sft_cli.evidence.finder import Finder
    from sft_cli.evidence.index.making import make_index, open_index

    model = EmbeddingModel(settings.embedding, settings, run) if settings.embedding is not None else None
    if settings.index_only:
        with run.ledger() as ledger:
            make_index(settings, run, ledger, model)
        return
    rows = 0
    with (
        run.publishing(),
        run.output() as sink,
        run.ledger() as ledger,
        open_index(settings, run, ledger, model) as index,
    ):
        of_corpus = ledger.rejected
        finder = Finder(index, settings, run, model)
        writer = ContextWriter(index, finder.digits, settings.context_tokens, _counter(settings.model))
        for asked, hits in _found(_asked_together(_prompts(settings, ledger), settings, ledger), finder):
            try:
                write_row(sink, writer.row(asked.row, hits))
                rows += 1
            except FieldError as error:
                ledger.reject(asked.where, error, asked.row)
    if ledger.rejected > of_corpus:
        run.say(f"prompts: {counted(ledger.rejected - of_corpus, 'bad row')} left out")
    run.say(f"{counted(rows, 'prompt')}, up to {counted(settings.top_k, 'passage')} each")
    writer.say_what_is_missing(run)
    finder.say_what_was_cut()


class _Asked(NamedTuple):
    """A prompt: its place, its row, and the text to search for."""

    where: str
    row: Row
    query: str


def _asked_together(
    prompts: Iterator[tuple[str, Row]], settings: RetrieveSettings, ledger: Ledger
) -> Iterator[list[_Asked]]:
    """Prompts that are searched for together; a bad row goes to the ledger."""
    from sft_cli.evidence.context import query_of

    most = PROMPTS_AT_ONCE if settings.chosen_method != "bm25" else 1
    batch: list[_Asked] = []
    for where, row in prompts:
        try:
            batch.append(_Asked(where, row, query_of(row, settings.query)))
        except FieldError as error:
            ledger.reject(where, error, row)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _found(batches: Iterator[list[_Asked]], finder: Finder) -> Iterator[tuple[_Asked, list[Hit]]]:
    """Each prompt and its passages; a search with models shows its progress."""
    number = 0
    with Progress("retrieve", 0, "prompt", finder.settings.quiet or not finder.settings.uses_models) as progress:
        for batch in batches:
            for asked, hits in zip(batch, finder.find_all([each.query for each in batch]), strict=True):
                number += 1
                progress.update(number, {})
                yield asked, hits


def _prompts(settings: RetrieveSettings, ledger: Ledger) -> Iterator[tuple[str, Row]]:
    """(`file:line`, row) of each prompt; a line of plain text is a user turn."""
    if not is_plain_text(settings.prompts):
        yield from read_rows([settings.prompts], ledger, settings.limit, need="prompt")
        return
    from itertools import islice

    from sft_cli.data.identity import Ids

    ids = Ids()
    for where, text in islice(text_lines(settings.prompts), settings.limit):
        row: Row = {"messages": [{"role": "user", "content": text}]}
        yield where, {"id": ids.of(row), **row}


def _counter(model: str | None) -> Callable[[str], int] | None:
    """Counts the tokens of a text as a model does."""
    if model is None:
        return None
    from sft_cli.model.load import load_tokenizer

    tokenizer = load_tokenizer(model)
    return lambda text: len(tokenizer(text, add_special_tokens=False).input_ids)
