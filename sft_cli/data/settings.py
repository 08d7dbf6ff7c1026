"""The flags of `sft prep`, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.formats import FORMATS
from sft_cli.data.judging.records import JUDGE_KINDS as JUDGED
from sft_cli.data.kinds import FILE_KINDS
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows

# Flags that say how raw records are read and converted: benchmarks and judges have their own way.
RAW = ("format", "map", "eval", "prompts", "drop_columns", "input_kind", "encoding", "delimiter", "lines")


@dataclass(frozen=True, kw_only=True)
class PrepSettings(Common, ReadsRows):
    """Flags of `sft prep`."""

    inputs: Annotated[
        list[str],
        Flag(
            "JSON, JSONL, CSV, TSV, Parquet, text, Markdown or HTML files (also .gz, .zst), folders of them, "
            "hf:owner/name[:split], - for stdin",
            positional=True,
            reads=True,
            metavar="INPUT",
        ),
    ] = field(default_factory=lambda: ["-"])
    format: Annotated[str, Flag("what the records look like; auto asks each record", choices=("auto", *FORMATS))] = (
        "auto"
    )
    map: Annotated[
        list[str], Flag("rename a column before converting: instruction=question; repeatable", metavar="FIELD=COLUMN")
    ] = field(default_factory=list)
    drop_columns: Annotated[list[str], Flag("leave a column out; repeatable", metavar="NAME")] = field(
        default_factory=list
    )
    input_kind: Annotated[
        str | None,
        Flag("of stdin, and of files whose name does not tell", choices=tuple(dict.fromkeys(FILE_KINDS.values()))),
    ] = None
    encoding: Annotated[str | None, Flag("of text [default: UTF-8, or what the first bytes say]", metavar="NAME")] = (
        None
    )
    delimiter: Annotated[
        str | None, Flag("what parts the columns of CSV and TSV [default: what the first lines say]", metavar="CHAR")
    ] = None
    lines: Annotated[bool, Flag("each line of a text file is a document, not the whole file")] = False
    benchmark: Annotated[
        str | None, Flag("the questions of a standard benchmark", choices=BENCHMARKS, metavar="NAME")
    ] = None
    benchmark_split: Annotated[
        str | None, Flag("of a directory [default: validation]", choices=("validation", "test", "train"))
    ] = None
    chat: Annotated[bool, Flag("with --benchmark: ask in a user turn, not as raw text")] = False
    task: Annotated[str | None, Flag("set `task` of every row", metavar="NAME")] = None
    system: Annotated[str | None, Flag("a system turn for conversations that have none", metavar="TEXT")] = None
    eval: Annotated[bool, Flag("rows for evaluation: the last assistant turn moves to `references`")] = False
    prompts: Annotated[
        bool, Flag("rows that only ask, with or without an answer; each line of a text file is a user turn")
    ] = False
    split: Annotated[
        str | None,
        Flag("write DIR/train.jsonl and so on (with -o DIR), by content", metavar="train=0.8,test=0.2"),
    ] = None
    seed: Annotated[int, Flag("seed of --split", metavar="N")] = 0
    judge: Annotated[
        str | None,
        Flag(
            "prompts for a model that judges what sft generate wrote: pairs of two files, or ratings",
            choices=JUDGED,
        ),
    ] = None
    judge_template: Annotated[
        str | None, Flag("a Jinja template for --judge instead of the built-in one", reads=True, metavar="FILE")
    ] = None
    check: Annotated[bool, Flag("write nothing; exit 1 if there are bad rows", neutral=True)] = False
    dry_run: Annotated[bool, Flag("read and check everything, write nothing", neutral=True)] = False
    show: Annotated[int, Flag("print the first N rows, readable, to stderr", minimum=0, neutral=True, metavar="N")] = 0


def check_prep_flags(settings: PrepSettings) -> None:
    """Raise UserError for flags that say nothing with, or without, --benchmark or --judge."""
    if settings.split is not None and not (settings.check or settings.dry_run) and settings.out == "-":
        raise UserError("--split: writes one file per part into a directory\nhint: -o data/")
    unset = PrepSettings()
    given = [f"--{name.replace('_', '-')}" for name in RAW if getattr(settings, name) != getattr(unset, name)]
    if settings.eval and settings.prompts:
        raise UserError("--prompts: says nothing with --eval, which wants an answer in each row")
    if settings.judge_template and not settings.judge:
        raise UserError("--judge-template: only --judge reads it")
    if settings.judge:
        given += [flag for flag, value in (("--system", settings.system), ("--benchmark", settings.benchmark)) if value]
        if given:
            raise UserError(f"{given[0]}: says nothing with --judge")
    if settings.benchmark is None:
        for flag, value in (("--benchmark-split", settings.benchmark_split), ("--chat", settings.chat)):
            if value:
                raise UserError(f"{flag}: only --benchmark reads it")
        return
    own = {"--format": f"{settings.benchmark} has its own"}
    own["--map"] = f"the columns of {settings.benchmark} have their own names"
    for flag in given:
        if flag != "--eval":
            raise UserError(f"{flag}: {own.get(flag, f'says nothing with --benchmark {settings.benchmark}')}")
    if settings.system and not settings.chat:
        raise UserError("--system: raw text has no system turn\nhint: --chat asks in a chat")
