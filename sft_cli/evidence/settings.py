"""The flags of `sft retrieve`, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows


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
    chunk_tokens: Annotated[
        int,
        Flag(
            "longest passage in words; a Chinese character is a word; 0: each document is one passage",
            minimum=0,
            metavar="N",
        ),
    ] = 200
    overlap_tokens: Annotated[
        int,
        Flag(
            "words at the end of a passage that the next one repeats, in whole sentences",
            minimum=0,
            metavar="N",
        ),
    ] = 40


@dataclass(frozen=True, kw_only=True)
class RetrieveSettings(Common, ReadsRows, SearchesCorpus):
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
    context_tokens: Annotated[
        int | None,
        Flag("largest number of tokens of all passages of a prompt, as --model counts them", minimum=1, metavar="N"),
    ] = None
    model: Annotated[
        str | None,
        Flag("model that will read the passages; its tokenizer counts --context-tokens", reads=True, is_model=True),
    ] = None
    query: Annotated[
        str | None,
        Flag("field of a row with the text to search for [default: its last user turn, or its text]", metavar="FIELD"),
    ] = None


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


def check_cut(settings: SearchesCorpus) -> None:
    """Raise UserError for a corpus on stdin, and for an overlap that is as long as a passage."""
    if "-" in settings.corpus:
        raise UserError("--corpus: expected files or folders, got stdin")
    if settings.chunk_tokens and settings.overlap_tokens >= settings.chunk_tokens:
        raise UserError(
            f"--overlap-tokens: expected less than --chunk-tokens ({settings.chunk_tokens}), got "
            f"{settings.overlap_tokens}"
        )
