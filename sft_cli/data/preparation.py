"""The work of `sft prep`: inputs, converters, rows and outputs."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from sft_cli.data.benchmarks.convert import BenchmarkConverter
from sft_cli.data.charset import check_encoding
from sft_cli.data.convert import Converter
from sft_cli.data.fields import known_fields, read_mapping
from sft_cli.data.folders import input_files
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.judging.convert import JudgeConverter
from sft_cli.data.judging.records import judge_records
from sft_cli.data.kinds import FILE_KINDS, LINE_KINDS, kind_of
from sft_cli.data.readers import LocatedRecord, Reading, read_records
from sft_cli.data.rows import Row, turn_text
from sft_cli.data.settings import PrepSettings
from sft_cli.data.split import part_of
from sft_cli.data.tables import read_delimiter
from sft_cli.data.verifier.convert import VERIFIER_FIELDS, VerifierConverter
from sft_cli.data.verifier.stances import read_labels
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import ENCODING_HINT, as_line
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted

GoodRow = tuple[Row, tuple[str, Row]]  # a row; its line and the row as they are written
# Passes on the records to keep, and counts the others: (records, count) -> records.
Keeps = Callable[[Iterator[LocatedRecord], Callable[[str], None]], Iterator[LocatedRecord]]


def written_rows(settings: PrepSettings, run: Run, shares: dict[str, float], keeps: Keeps | None = None) -> Ledger:
    """Write the rows of the inputs to their outputs; the ledger counts them. Raises UserError if none is left.

    keeps: which records become rows; all if None.
    """
    writes = not (settings.check or settings.dry_run)
    with contextlib.ExitStack() as stack:
        sinks = open_sinks(stack, settings, run, list(shares)) if writes else {}
        # Closed before the outputs: its collected errors prevent their publication.
        ledger = stack.enter_context(run.ledger(skips=settings.check))
        parts = write_rows(settings, _good_rows(settings, run, ledger, keeps), ledger, shares, sinks)
        ledger.close()
        problem = nothing_left(settings, ledger, parts) if settings.limit != 0 else ""
        run.withholds = bool(problem)  # the rejected rows are still published
    if problem:
        raise UserError(problem)
    return ledger


def nothing_left(settings: PrepSettings, ledger: Ledger, parts: Counter[str]) -> str:
    """The error if an output has no rows, so that a build does not continue with it; otherwise empty."""
    if not ledger.counts["read"]:
        return f"no rows in {', '.join('<stdin>' if path == '-' else path for path in settings.inputs)}"
    if settings.check:
        return ""
    if not parts.total():
        return "\n".join([*ledger.error_lines(), f"no rows left: {ledger.total()}"])
    if empty := [part for part, rows in parts.items() if not rows]:
        return (
            f"--split: {', '.join(empty)}: no rows: all {counted(parts.total(), 'row')} are in other parts\n"
            "hint: use more rows, a larger share, or another --seed"
        )
    return ""


def open_sinks(stack: contextlib.ExitStack, settings: PrepSettings, run: Run, parts: list[str]) -> dict[str, TextIO]:
    """The output, or with --split the output of each part."""
    if not parts:
        return {"": stack.enter_context(run.output())}
    if Path(settings.out).is_file():
        raise UserError(f"--split: {settings.out}: expected a directory, got a file")
    return {part: stack.enter_context(run.output(f"{settings.out}/{part}.jsonl")) for part in parts}


def write_rows(
    settings: PrepSettings, rows: Iterator[GoodRow], ledger: Ledger, shares: dict[str, float], sinks: dict[str, TextIO]
) -> Counter[str]:
    """Write all rows; returns the number of rows of each part, also of good rows that were not written."""
    shown = 0
    is_to_learn = not (settings.prompts or settings.judge or settings.benchmark)
    parts = Counter(dict.fromkeys(shares or [""], 0))
    ledger.count("read", 0)
    ledger.kept = 0
    for row, finished in rows:
        part = part_of(row, shares, settings.seed) if shares else ""
        parts[part] += 1
        ledger.kept = parts.total()
        ledger.count((f"written to {part}" if part else "written") if sinks else "good")
        if is_to_learn and not _is_answered(row):
            ledger.count("of them end with a turn without an answer; this turn is not learned")
        if shown < settings.show:
            shown += 1
            sys.stderr.write(f"{_readable(finished[1])}\n")
        # After the first bad row nothing is kept: further rows are read only to report their errors.
        if sinks and not (ledger.rejected and ledger.on_error == "stop"):
            sinks[part].write(finished[0])
    return parts


def _good_rows(settings: PrepSettings, run: Run, ledger: Ledger, keeps: Keeps | None) -> Iterator[GoodRow]:
    """Yield each good row, and (its line, the row) in the form to write."""
    done = 0
    for records, converter in _inputs(settings, run):
        if settings.limit is not None and done >= settings.limit:
            return
        for number, (where, record) in enumerate(keeps(records, ledger.count) if keeps else records, 1):
            done += 1
            ledger.count("read")
            try:
                if isinstance(record, FieldError):
                    raise record
                row = converter.row(record, where)
                finished = converter.finish(row)
                yield row, (_written_line(finished), finished)
            except FieldError as error:
                ledger.reject(where, error, record if isinstance(record, dict) else None)
                is_of_file = error.hint and (number == 1 or error.hint == ENCODING_HINT)
                if is_of_file and ledger.on_error == "stop":
                    break  # its other lines would have the same error
            if settings.limit is not None and done >= settings.limit:
                return


def _inputs(
    settings: PrepSettings, run: Run
) -> Iterator[tuple[Iterator[LocatedRecord], Converter | BenchmarkConverter | JudgeConverter | VerifierConverter]]:
    """The records of each input, and their converter."""
    task, system = settings.task or "", settings.system or ""
    if settings.benchmark is not None:
        from sft_cli.data.benchmarks.source import benchmark_records

        questions = BenchmarkConverter(settings.benchmark, task, system, settings.chat)
        for path in settings.inputs:
            records = benchmark_records(settings.benchmark, path, settings.benchmark_split, run.say)
            yield records, questions
        return
    if settings.judge is not None:
        records = judge_records(settings.judge, settings.inputs, run.say)
        yield records, JudgeConverter(settings.judge, settings.judge_template or "", task)
        return
    mapping = read_mapping(settings.map, VERIFIER_FIELDS if settings.verifier else ())
    reading = _reading(settings, mapping, run)
    makes = "eval" if settings.eval else "prompts" if settings.prompts else ""
    files = input_files(settings.inputs, reading.kind, run.say)
    kinds = {reading.kind or kind_of(path) for path in files}
    _check_kinds(settings, kinds)
    if kinds & {*LINE_KINDS} and not reading.is_by_line:
        run.say("a text file is one document (--lines: each line is a document)")
    ids, given = Ids(), SeenIds(run.warn)
    labels = read_labels(settings.label)
    for path in files:
        records = read_records(path, reading)
        if len(files) > 1:
            records = _with_warning(records, path, run)
        if settings.verifier:
            yield records, VerifierConverter(labels, mapping, task, makes, ids, given)
        else:
            yield records, Converter(settings.format, mapping, task, system, makes, ids, run.say, given)
    if missing := [name for name, count in reading.dropped.items() if not count]:
        raise UserError(f"--drop-field: {', '.join(missing)}: expected a field of the input, got an unknown name")


def _with_warning(records: Iterator[LocatedRecord], path: str, run: Run) -> Iterator[LocatedRecord]:
    """The records; a file without records, among others, is reported."""
    first = next(records, None)
    if first is None:
        run.warn(f"{path}: no rows in this file")
    else:
        yield first
        yield from records


def _reading(settings: PrepSettings, mapping: dict[str, list[str]], run: Run) -> Reading:
    """The settings for reading the inputs, from the flags."""
    if settings.encoding:
        check_encoding(settings.encoding)
    return Reading(
        settings.input_kind or "",
        settings.encoding or "",
        read_delimiter(settings.delimiter or ""),
        settings.lines or settings.prompts,
        Counter(dict.fromkeys(settings.drop_field, 0)),
        lambda name: name in mapping or name in known_fields(),
        run.say,
        has_flags=True,
    )


def _check_kinds(settings: PrepSettings, kinds: set[str]) -> None:
    """Raise UserError for a flag that has no effect on any input, and for an output inside an input folder."""
    for flag, value, read in (
        ("--lines", settings.lines, {*LINE_KINDS}),
        ("--delimiter", settings.delimiter, {"csv", "tsv"}),
        ("--encoding", settings.encoding, {*FILE_KINDS.values(), ""} - {"parquet"}),
    ):
        if value and not kinds & read:
            raise UserError(f"{flag}: has no effect on the inputs, because of their file types")
    for flag, target in (("--out", settings.out), ("--rejects", settings.rejects)):
        for path in settings.inputs:
            if (
                target
                and target != "-"
                and Path(path).is_dir()
                and Path(path).resolve() in Path(target).resolve().parents
            ):
                raise UserError(f"{flag}: {target}: is inside the input {path}, and would be read at the next run")


def _is_answered(row: Row) -> bool:
    """Whether a row does not end with a question, or has its answer."""
    is_open = "messages" in row and row["messages"][-1]["role"] != "assistant"
    return not is_open or any(row.get(key) for key in ("references", "choices", "answer"))


def _written_line(row: Row) -> str:
    try:
        return as_line(row)
    except FieldError as error:  # bytes or a picture in a field, half a surrogate pair
        name = error.field
        hint = f"--drop-field {name} leaves the field out" if name and name not in known_fields() else ""
        raise FieldError(name, error.problem, hint) from None


def _readable(row: Row) -> str:
    head = "  ".join(f"{key}={row[key]}" for key in ("id", "task", "source") if key in row)
    turns = [f"[{message['role']}] {turn_text(message)}" for message in row.get("messages", [])]
    turns = turns or [row.get("text", "")]
    turns += [f"[reference] {text}" for text in row.get("references", [])]
    turns += [f"[choice] {text}" for text in row.get("choices", [])]
    return "\n".join([f"── {head}", *turns, ""])
