"""The flags of `sft retrieve`, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.data.chunking.flags import CHUNK_TOKENS, OVERLAP_TOKENS
from sft_cli.evidence.classifier_labels import positive_label
from sft_cli.model.text_model_files import embedding_plan
from sft_cli.run.errors import UserError, require
from sft_cli.run.flags import Common, Flag, ReadsRows, UsesDevice, fields_of

RERANKED = 50
METHODS = ("bm25", "dense", "fusion")
VECTOR_SEARCHES = ("auto", "exact", "approximate")
OF_CORPUS = ("map", "chunk_tokens", "overlap_tokens")  # how documents are read: an index that is there is read already
USEARCH = "usearch>=2.20"


@dataclass(frozen=True, kw_only=True)
class SearchesCorpus:
    """The flags of commands that search documents: which, and how they are cut."""

    group: ClassVar[str] = "Corpus"

    corpus: Annotated[
        list[str],
        Flag(
            "documents to search: text, Markdown or HTML files, JSON, JSONL, CSV, TSV or Parquet records, "
            "or folders of them; repeatable",
            reads=True,
            metavar="PATH",
        ),
    ] = field(default_factory=list)
    index: Annotated[
        str | None,
        Flag(
            "folder of the index; with --corpus it is built there, unless it is up to date",
            reads=True,
            may_be_new=True,
            metavar="DIR",
        ),
    ] = None
    map: Annotated[
        list[str],
        Flag(
            "name the fields of records: id, title, text or source, for example text=abstract; repeatable",
            metavar="NEW=OLD",
        ),
    ] = field(default_factory=list)
    chunk_tokens: Annotated[int, CHUNK_TOKENS] = 200
    overlap_tokens: Annotated[int, OVERLAP_TOKENS] = 40

    @property
    def adds(self) -> bool:
        """Whether documents are added to the index that is there."""
        return False

    @property
    def rebuilds(self) -> bool:
        """Whether an index is built again although it is up to date."""
        return False


@dataclass(frozen=True, kw_only=True)
class RetrieveSettings(Common, ReadsRows, SearchesCorpus, UsesDevice):
    """Flags of `sft retrieve`."""

    group: ClassVar[str] = "Retrieval"

    prompts: Annotated[
        str,
        Flag(
            "rows, or plain text (stdin or a .txt file) with one query per line; - is stdin",
            positional=True,
            reads=True,
            metavar="PROMPTS",
        ),
    ] = "-"
    add: Annotated[bool, Flag("add the documents of --corpus to the index of --index", group="Corpus")] = False
    index_only: Annotated[bool, Flag("build the index of --index and stop", group="Corpus")] = False
    top_k: Annotated[int, Flag("largest number of passages for each prompt", minimum=1, metavar="N")] = 5
    embedding: Annotated[
        str | None,
        Flag(
            "embedding model; its vectors of the passages are stored in the index and searched",
            reads=True,
            metavar="DIR",
        ),
    ] = None
    method: Annotated[
        str | None,
        Flag(
            "search by words (bm25), by vectors (dense), or by the ranks of both (fusion) "
            "[default: fusion with --embedding, otherwise bm25]",
            choices=METHODS,
        ),
    ] = None
    vector_search: Annotated[
        str,
        Flag(
            "compare with all vectors (exact), or search a graph of them (approximate, needs usearch); auto: "
            "approximate above 1,000,000 passages",
            choices=VECTOR_SEARCHES,
        ),
    ] = "auto"
    rerank: Annotated[
        str | None,
        Flag("classifier that reads the query and each of the best passages and ranks them", reads=True, metavar="DIR"),
    ] = None
    rerank_top: Annotated[
        int | None,
        Flag(
            f"number of passages that --rerank reads for each prompt [default: {RERANKED}, or --top-k if larger]",
            minimum=1,
            metavar="N",
        ),
    ] = None
    context_tokens: Annotated[
        int | None,
        Flag("largest number of tokens of all passages of a prompt, as --model counts them", minimum=1, metavar="N"),
    ] = None
    model: Annotated[
        str | None,
        Flag(
            "model that will read the passages; --context-tokens are tokens of its tokenizer", reads=True, is_model=True
        ),
    ] = None
    query: Annotated[
        str | None,
        Flag("field of a row with the text to search for [default: its last user turn, or its text]", metavar="FIELD"),
    ] = None

    @property
    def adds(self) -> bool:
        """With --add."""
        return self.add

    @property
    def rebuilds(self) -> bool:
        """With --index-only and --force; otherwise --force replaces the output alone."""
        return self.force and self.index_only

    @property
    def chosen_method(self) -> str:
        """How passages are found: bm25, dense or fusion."""
        return self.method or ("fusion" if self.embedding is not None else "bm25")

    @property
    def uses_models(self) -> bool:
        """Whether a model embeds or ranks."""
        return self.embedding is not None or self.rerank is not None

    @property
    def reranked(self) -> int:
        """How many passages of a prompt --rerank reads."""
        return self.rerank_top or max(RERANKED, self.top_k)


def check_retrieve_flags(settings: RetrieveSettings) -> None:
    """Raise UserError for flags that do not work together."""
    if not settings.corpus and settings.index is None:
        raise UserError("--corpus: expected files to search, or --index DIR, got neither")
    check_cut(settings)
    for flag, is_given in (("--add", settings.add), ("--index-only", settings.index_only)):
        if is_given and not (settings.corpus and settings.index):
            raise UserError(f"{flag}: needs --corpus and --index")
    if (settings.context_tokens is None) != (settings.model is None):
        raise UserError("--context-tokens, --model: expected both or neither")
    _check_model_flags(settings)


def check_cut(settings: SearchesCorpus) -> None:
    """Raise UserError for a corpus on stdin, and for an overlap that is as long as a passage."""
    if "-" in settings.corpus:
        raise UserError("--corpus: expected files or folders, got stdin")
    for each in fields_of(SearchesCorpus) if not settings.corpus else ():
        if each.name in OF_CORPUS and getattr(settings, each.name) != each.default:
            raise UserError(f"{each.option}: has an effect only with --corpus")
    if settings.chunk_tokens and settings.overlap_tokens >= settings.chunk_tokens:
        raise UserError(
            f"--overlap-tokens: expected less than --chunk-tokens ({settings.chunk_tokens}), got "
            f"{settings.overlap_tokens}"
        )


def _check_model_flags(settings: RetrieveSettings) -> None:
    """Raise UserError for flags of models without the model, or for a model that nothing reads."""
    method = settings.chosen_method
    if method != "bm25" and settings.embedding is None:
        raise UserError(f"--method {method}: needs a model\nhint: --embedding DIR")
    if method == "bm25" and settings.embedding is not None and not settings.index_only:
        raise UserError("--embedding: --method bm25 does not read it; dense and fusion do")
    if settings.vector_search != "auto" and settings.embedding is None:
        raise UserError("--vector-search: has an effect only with --embedding")
    if settings.vector_search == "approximate":
        require("usearch", "--vector-search approximate", USEARCH)
    if settings.rerank_top is not None:
        if settings.rerank is None:
            raise UserError("--rerank-top: needs a model\nhint: --rerank DIR")
        if settings.rerank_top < settings.top_k:
            raise UserError(
                f"--rerank-top: expected at least --top-k ({settings.top_k:,}), got {settings.rerank_top:,}"
            )
    if settings.embedding is not None:
        embedding_plan(settings.embedding)  # or what is wrong with it
    if settings.rerank is not None:
        positive_label(settings.rerank)
    if not settings.uses_models:
        for each in fields_of(UsesDevice):
            if getattr(settings, each.name) != each.default:
                raise UserError(f"{each.option}: has an effect only with --embedding or --rerank")
