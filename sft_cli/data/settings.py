"""The flags of `sft prep` that convert raw records, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.formats import FORMATS
from sft_cli.data.instructions.flags import InstructionSettings, check_instruction_flags
from sft_cli.data.judging import JUDGE_KINDS as JUDGED
from sft_cli.data.kinds import FILE_KINDS
from sft_cli.data.writers import WRITERS
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows

# Flags for reading and converting raw records: benchmarks and judges have fixed formats.
RAW = (
    *("format", "map", "requests", "eval", "prompts", "keep", "keep_best"),
    *("drop_field", "input_kind", "encoding", "delimiter", "lines"),
)


@dataclass(frozen=True, kw_only=True)
class ConversionSettings(Common, ReadsRows, InstructionSettings):
    """The flags of `sft prep` that read and convert records."""

    group: ClassVar[str] = "Data"

    inputs: Annotated[
        list[str],
        Flag(
            "files (JSON, CSV, Parquet, Arrow, XLSX, tar, text, HTML; also .gz, .zst), folders, 'data/*.jsonl', "
            "hf:owner/name[:split]; - is stdin",
            positional=True,
            reads=True,
            may_be_pattern=True,
            metavar="INPUT",
            is_usual=True,
        ),
    ] = field(default_factory=lambda: ["-"])
    format: Annotated[
        str, Flag("format of the records; auto detects it for each record", choices=("auto", *FORMATS), is_usual=True)
    ] = "auto"
    map: Annotated[
        list[str],
        Flag(
            "rename a field before the conversion: instruction=question, answer=response.text; repeatable",
            metavar="NEW=OLD",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    requests: Annotated[
        str | None,
        Flag("requests of OpenAI batch outputs: each output is joined with its request", reads=True, metavar="FILE"),
    ] = None
    drop_field: Annotated[
        list[str], Flag("leave out a field of the records; repeatable", metavar="NAME", group="Rows")
    ] = field(default_factory=list)
    input_kind: Annotated[
        str | None,
        Flag(
            "file type of stdin, and of files without a known ending", choices=tuple(dict.fromkeys(FILE_KINDS.values()))
        ),
    ] = None
    encoding: Annotated[
        str | None, Flag("encoding of the text [default: UTF-8, unless the first bytes show another]", metavar="NAME")
    ] = None
    delimiter: Annotated[
        str | None, Flag("separator of fields in CSV and TSV [default: found from the first lines]", metavar="CHAR")
    ] = None
    lines: Annotated[bool, Flag("read each line of a text file as a document, instead of the whole file")] = False
    benchmark: Annotated[
        str | None,
        Flag(
            "write the questions of a standard benchmark",
            choices=BENCHMARKS,
            metavar="NAME",
            group="Benchmarks and judges",
        ),
    ] = None
    benchmark_split: Annotated[
        str | None,
        Flag(
            "with --benchmark: split to read from a directory [default: validation]",
            choices=("validation", "test", "train"),
            group="Benchmarks and judges",
        ),
    ] = None
    chat: Annotated[
        bool, Flag("with --benchmark: ask in a user turn instead of raw text", group="Benchmarks and judges")
    ] = False
    task: Annotated[
        str | None, Flag("set the field `task` of every row", metavar="NAME", group="Rows", is_usual=True)
    ] = None
    system: Annotated[
        str | None, Flag("add this system turn to conversations without one", metavar="TEXT", group="Rows")
    ] = None
    eval: Annotated[
        bool,
        Flag("write rows for evaluation: the last assistant turn moves to `references`", group="Rows", is_usual=True),
    ] = False
    prompts: Annotated[
        bool, Flag("accept rows without an answer; each line of a text file becomes a user turn", group="Rows")
    ] = False
    keep: Annotated[
        list[str],
        Flag(
            "generations: keep those for which this holds: 'exact_match == 1', 'completion_tokens <= 200'; repeatable",
            metavar="EXPRESSION",
            group="Rows",
        ),
    ] = field(default_factory=list)
    keep_best: Annotated[
        str | None,
        Flag(
            "from generations: for each prompt keep the sample with the best value of this metric",
            metavar="METRIC",
            group="Rows",
        ),
    ] = None
    split: Annotated[
        str | None,
        Flag(
            "with -o DIR: split the rows into DIR/train.jsonl and so on, by a hash of the content of each row",
            metavar="train=0.8,test=0.2",
            is_usual=True,
            group="Rows",
        ),
    ] = None
    to: Annotated[
        str | None,
        Flag(
            "write the rows in the format of another tool, instead of rows for the other commands",
            choices=WRITERS,
            metavar="FORMAT",
            is_usual=True,
            group="Rows",
        ),
    ] = None
    seed: Annotated[int, Flag("seed of --split, --template and the choice of rows", metavar="N", group="Rows")] = 0
    judge: Annotated[
        str | None,
        Flag(
            "write prompts for a judge model: to compare the answers of two files, or to rate those of one",
            choices=JUDGED,
            group="Benchmarks and judges",
        ),
    ] = None
    judge_template: Annotated[
        str | None,
        Flag(
            "with --judge: Jinja template of the prompts [default: built in]",
            reads=True,
            metavar="FILE",
            group="Benchmarks and judges",
        ),
    ] = None
    verifier: Annotated[
        bool,
        Flag(
            "write rows that train or test a verifier, from records with evidence, claim and label (NLI sets too)",
            group="Benchmarks and judges",
        ),
    ] = False
    label: Annotated[
        list[str],
        Flag(
            "with --verifier: which verdict a label of the records means, such as supported=0; repeatable",
            metavar="VERDICT=LABEL",
            group="Benchmarks and judges",
        ),
    ] = field(default_factory=list)
    engine: Annotated[
        str,
        Flag(
            "where rows are converted: local is all cores of this machine, ray a Ray cluster",
            choices=("local", "ray"),
            neutral=True,
            group="Devices",
        ),
    ] = "local"
    ray_address: Annotated[
        str | None,
        Flag(
            "with --engine ray: address of the cluster [default: start one on this machine]",
            neutral=True,
            metavar="HOST:PORT",
            group="Devices",
        ),
    ] = None
    check: Annotated[
        bool, Flag("write nothing; exit with code 1 if there are bad rows", neutral=True, group="Common")
    ] = False
    dry_run: Annotated[bool, Flag("read and check everything, write nothing", neutral=True, group="Common")] = False
    show: Annotated[
        int,
        Flag("print the first N rows to stderr in readable form", minimum=0, neutral=True, metavar="N", group="Common"),
    ] = 0


def check_prep_flags(settings: ConversionSettings) -> None:
    """Raise UserError for flags that have no effect with, or without, --benchmark or --judge."""
    if settings.split is not None and not (settings.check or settings.dry_run) and settings.out == "-":
        raise UserError("--split: needs a directory, for one file per part\nhint: -o data/")
    if settings.split is not None and Path(settings.out).is_file():
        raise UserError(f"--split: {settings.out}: expected a directory, got a file")
    if settings.ray_address and settings.engine != "ray":
        raise UserError("--ray-address: has an effect only with --engine ray")
    if settings.to == "parquet" and settings.out == "-" and not (settings.check or settings.dry_run):
        raise UserError("--to parquet: expected a file, because Parquet is not text\nhint: -o FILE.parquet")
    if settings.to in ("alpaca", "openai") and (settings.eval or settings.prompts):
        flag = "--eval" if settings.eval else "--prompts"
        raise UserError(
            f"--to {settings.to}: needs an answer in each row, not with {flag}\nhint: --to messages does not"
        )
    unset = ConversionSettings()
    given = [f"--{name.replace('_', '-')}" for name in RAW if getattr(settings, name) != getattr(unset, name)]
    if settings.eval and settings.prompts:
        raise UserError("--prompts: has no effect with --eval, which needs an answer in each row")
    if (settings.keep or settings.keep_best) and (settings.eval or settings.prompts or settings.verifier):
        raise UserError("--keep, --keep-best: have an effect only on rows to learn from")
    if settings.judge_template and not settings.judge:
        raise UserError("--judge-template: has an effect only with --judge")
    if settings.judge:
        given += [flag for flag, value in (("--system", settings.system), ("--benchmark", settings.benchmark)) if value]
        if given:
            raise UserError(f"{given[0]}: has no effect with --judge")
    check_instruction_flags(settings, _set_flags(settings))
    if settings.label and not settings.verifier:
        raise UserError("--label: has an effect only with --verifier")
    if settings.verifier:
        _check_flags_with_verifier(settings)
    if settings.benchmark is None:
        for flag, value in (("--benchmark-split", settings.benchmark_split), ("--chat", settings.chat)):
            if value:
                raise UserError(f"{flag}: has an effect only with --benchmark")
        return
    own = {"--format": f"{settings.benchmark} has a fixed format"}
    own["--map"] = f"the fields of {settings.benchmark} have fixed names"
    for flag in given:
        if flag != "--eval":
            raise UserError(f"{flag}: {own.get(flag, f'has no effect with --benchmark {settings.benchmark}')}")
    if settings.system and not settings.chat:
        raise UserError("--system: raw text has no system turn\nhint: --chat writes chats")


def _check_flags_with_verifier(settings: ConversionSettings) -> None:
    """Raise UserError for flags that have no effect on the rows of a verifier."""
    for flag, value in (
        ("--format", settings.format != "auto"),
        ("--requests", settings.requests),
        ("--system", settings.system),
        ("--benchmark", settings.benchmark),
        ("--judge", settings.judge),
    ):
        if value:
            raise UserError(f"{flag}: has no effect with --verifier")


def _set_flags(settings: ConversionSettings) -> dict[str, bool]:
    """The flags that a template, a cut or questions may exclude, and whether each is set."""
    names = ("map", "eval", "prompts", "system", "keep", "keep_best", "benchmark", "judge", "verifier")
    flags = {f"--{name.replace('_', '-')}": bool(getattr(settings, name)) for name in names}
    return {**flags, "--format": settings.format != "auto"}
