"""`sft prep`: raw data in, rows out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TextIO

from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.benchmarks.convert import BenchmarkConverter
from sft_cli.data.convert import Converter
from sft_cli.data.fields import read_mapping
from sft_cli.data.formats import FORMATS
from sft_cli.data.judging.convert import JudgeConverter
from sft_cli.data.judging.records import KINDS, judge_records
from sft_cli.data.readers import Located, read_records
from sft_cli.data.rows import Row, stems, turn_text
from sft_cli.data.split import part_of, read_split
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, FieldError, UserError
from sft_cli.run.flags import Common, Flag, ReadsRows
from sft_cli.run.jsonl import as_line
from sft_cli.run.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class PrepSettings(Common, ReadsRows):
    """Flags of `sft prep`."""

    inputs: Annotated[
        list[str],
        Flag(
            "JSON, JSONL, CSV, TSV, Parquet or text files (also .gz, .zst), hf:owner/name[:split], - for stdin; with "
            "--benchmark also a directory",
            positional=True,
            reads=True,
            metavar="INPUT",
        ),
    ] = field(default_factory=lambda: ["-"])
    format: Annotated[
        str, Flag("what the records look like; auto asks the first record of each input", choices=("auto", *FORMATS))
    ] = "auto"
    map: Annotated[
        list[str], Flag("rename a column before converting: instruction=question; repeatable", metavar="FIELD=COLUMN")
    ] = field(default_factory=list)
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
    prompts: Annotated[bool, Flag("rows that only ask, with or without an answer; text becomes a user turn")] = False
    split: Annotated[
        str | None,
        Flag("write DIR/train.jsonl and so on (with -o DIR), by content", metavar="train=0.8,test=0.2"),
    ] = None
    seed: Annotated[int, Flag("seed of --split", metavar="N")] = 0
    judge: Annotated[
        str | None,
        Flag(
            "prompts for a model that judges what sft generate wrote: pairs of two files, or ratings",
            choices=KINDS,
        ),
    ] = None
    judge_template: Annotated[
        str | None, Flag("a Jinja template for --judge instead of the built-in one", reads=True, metavar="FILE")
    ] = None
    check: Annotated[bool, Flag("write nothing; exit 1 if there are bad rows", neutral=True)] = False
    dry_run: Annotated[bool, Flag("read and check everything, write nothing", neutral=True)] = False
    show: Annotated[int, Flag("print the first N rows, readable, to stderr", minimum=0, neutral=True, metavar="N")] = 0


def prep(settings: PrepSettings, run: Run) -> None:
    """Turn raw data into rows, the JSONL that every other command reads.

    \b
    Example: sft prep alpaca.json -o train.jsonl
             sft prep chats.jsonl.gz --split train=0.9,test=0.1 -o data/
             sft prep gsm8k.csv --map prompt=question --map completion=answer --eval | sft generate runs/a
             sft prep --benchmark rte glue/RTE | sft generate runs/a --choices --max-new-tokens 0

    A bad row stops the command, after all were read, with every error as file:line: field: problem; nothing
    is written then to -o. --on-error skip goes on without such rows. Memory does not grow with the input.

    \b
    Formats:
      alpaca             instruction, input, output (system, history)
      sharegpt           conversations of from and value (system, tools, function_call, observation)
      messages           messages of role and content (tools, tool_calls)
      prompt-completion  prompt and completion, question and answer, …: strings or lists of messages
      text               text, of which every token is learned
    Columns that a format does not use pass through.

    --benchmark reads a benchmark's own files or Hugging Face's copies of them, and words its questions as EleutherAI's
    evaluation harness does. Of a directory it takes the validation split, and says which file that is.

    --judge pairwise BASE OTHER shows a judge each pair of answers in both orders; sft score --metric judge-pairwise
    reads its verdicts. BASE is held in memory.

    --split asks a hash of the row's content, so that the parts stay the same when rows are added or
    reordered, and equal rows never lie in two parts. Rows of all parts look alike: `sft generate` moves the
    last assistant turn away by itself, and --eval does it here.
    """
    _check_flags(settings)
    shares = read_split(settings.split) if settings.split is not None else {}
    writes = not (settings.check or settings.dry_run)
    if shares and writes and settings.out == "-":
        raise UserError("--split: writes one file per part into a directory\nhint: -o data/")
    with contextlib.ExitStack() as stack:
        sinks = _open_sinks(stack, settings, run, list(shares)) if writes else {}
        # Left before the outputs: its collected errors keep them from appearing.
        ledger = stack.enter_context(run.ledger())
        if settings.check:
            ledger.on_error = "skip"
        _write_rows(settings, run, ledger, shares, sinks)
        if not ledger.counts["read"] and settings.limit != 0:
            raise UserError(f"no rows in {', '.join('<stdin>' if path == '-' else path for path in settings.inputs)}")
    if shares and writes:
        _write_split_manifest(settings, run, list(shares))
    for line in ledger.lines():
        run.say(line)
    if settings.check and ledger.rejected:
        total = f"{ledger.rejected} bad row{'s' if ledger.rejected > 1 else ''}"
        raise AnswerIsNo("\n".join([*ledger.error_lines(), total]))


def _check_flags(settings: PrepSettings) -> None:
    """Raise UserError for flags that say nothing with, or without, --benchmark or --judge."""
    if settings.eval and settings.prompts:
        raise UserError("--prompts: says nothing with --eval, which wants an answer in each row")
    if settings.judge_template and not settings.judge:
        raise UserError("--judge-template: only --judge reads it")
    if settings.judge:
        for flag, value in (
            ("--format", settings.format != "auto"),
            ("--map", settings.map),
            ("--eval", settings.eval),
            ("--prompts", settings.prompts),
            ("--system", settings.system),
            ("--benchmark", settings.benchmark),
        ):
            if value:
                raise UserError(f"{flag}: says nothing with --judge")
    if settings.benchmark is None:
        for flag, value in (("--benchmark-split", settings.benchmark_split), ("--chat", settings.chat)):
            if value:
                raise UserError(f"{flag}: only --benchmark reads it")
        return
    if settings.format != "auto":
        raise UserError(f"--format: {settings.benchmark} has its own")
    if settings.prompts:
        raise UserError(f"--prompts: {settings.benchmark} only asks anyway")
    if settings.map:
        raise UserError(f"--map: the columns of {settings.benchmark} have their own names")
    if settings.system and not settings.chat:
        raise UserError("--system: raw text has no system turn\nhint: --chat asks in a chat")


def _open_sinks(stack: contextlib.ExitStack, settings: PrepSettings, run: Run, parts: list[str]) -> dict[str, TextIO]:
    if not parts:
        return {"": stack.enter_context(run.output())}
    if Path(settings.out).is_file():
        raise UserError(f"--split: {settings.out}: is a file; expected a directory")
    return {part: stack.enter_context(run.output(f"{settings.out}/{part}.jsonl")) for part in parts}


def _write_split_manifest(settings: PrepSettings, run: Run, parts: list[str]) -> None:
    """Describe all parts in DIR/manifest.json, which make and --skip-if-current look at."""
    folder = Path(settings.out)
    files = [folder / f"{part}.jsonl" for part in parts]
    run.write_manifest(folder / "manifest.json", files)
    if settings.manifest:
        run.write_manifest(Path(settings.manifest), files)


def _write_rows(
    settings: PrepSettings, run: Run, ledger: Ledger, shares: dict[str, float], sinks: dict[str, TextIO]
) -> None:
    shown = 0
    ledger.count("read", 0)
    for row, finished in _rows(settings, run, ledger):
        part = part_of(row, shares, settings.seed) if shares else ""
        ledger.count((f"written to {part}" if part else "written") if sinks else "good")
        if shown < settings.show:
            shown += 1
            print(_readable(finished[1]), file=sys.stderr)
        # After the first bad row nothing will be kept: read on only to name the others.
        if sinks and not (ledger.rejected and ledger.on_error == "stop"):
            sinks[part].write(finished[0])


def _rows(settings: PrepSettings, run: Run, ledger: Ledger) -> Iterator[tuple[Row, tuple[str, Row]]]:
    """Yield each good row, and (its line, the row) as it is written."""
    done = 0
    for records, converter, name in _inputs(settings, run):
        if settings.limit is not None and done >= settings.limit:
            return
        for number, (where, record) in enumerate(records, start=1):
            done += 1
            ledger.count("read")
            try:
                if isinstance(record, FieldError):
                    raise record
                row = converter.row(record, where, f"{name}-{done if settings.benchmark else number}")
                finished = converter.finish(row)
                yield row, (_line(finished), finished)
            except FieldError as error:
                ledger.reject(where, error, _printable(record))
                if number == 1 and error.hint and ledger.on_error == "stop":
                    break  # the cause lies in the file: its other lines would say the same
            if settings.limit is not None and done >= settings.limit:
                return


def _inputs(
    settings: PrepSettings, run: Run
) -> Iterator[tuple[Iterator[Located], Converter | BenchmarkConverter | JudgeConverter, str]]:
    """The records of each input, what makes rows of them, and the name that their ids begin with."""
    task, system = settings.task or "", settings.system or ""
    if settings.benchmark is not None:
        from sft_cli.data.benchmarks.source import benchmark_records

        questions = BenchmarkConverter(settings.benchmark, task, system, settings.chat)
        for path in settings.inputs:
            records = benchmark_records(settings.benchmark, path, settings.benchmark_split, run.say)
            yield records, questions, settings.benchmark
        return
    if settings.judge is not None:
        records = judge_records(settings.judge, settings.inputs, run.say)
        yield records, JudgeConverter(settings.judge, settings.judge_template or "", task), "judge"
        return
    columns = read_mapping(settings.map)
    for path, stem in zip(settings.inputs, stems(settings.inputs), strict=True):
        makes = "eval" if settings.eval else "prompts" if settings.prompts else ""
        yield read_records(path), Converter(settings.format, columns, task, system, makes, run.say), stem


def _line(row: Row) -> str:
    try:
        return as_line(row)
    except TypeError as error:  # orjson: bytes of an image column, half a surrogate pair, a number past 64 bits
        raise FieldError("", f"cannot be written as JSON: {error}") from error


def _printable(record: Any) -> Any:
    """The record as --rejects can hold it: its repr if JSON cannot."""
    try:
        as_line({"row": record if isinstance(record, dict) else None})
    except TypeError:
        return repr(record)
    return record if isinstance(record, dict) else None


def _readable(row: Row) -> str:
    head = "  ".join(f"{key}={row[key]}" for key in ("id", "task", "source") if key in row)
    turns = [f"[{message['role']}] {turn_text(message)}" for message in row.get("messages", [])]
    turns = turns or [row.get("text", "")]
    turns += [f"[reference] {text}" for text in row.get("references", [])]
    turns += [f"[choice] {text}" for text in row.get("choices", [])]
    return "\n".join([f"── {head}", *turns, ""])
