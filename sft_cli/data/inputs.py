"""The inputs of `sft prep`: the records of each, and what makes rows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sft_cli.data.batches import BatchRequests
from sft_cli.data.benchmarks.convert import BenchmarkConverter
from sft_cli.data.charset import check_encoding
from sft_cli.data.convert import Converter
from sft_cli.data.fields import known_fields
from sft_cli.data.file_converters import FileConverter, FileConverters
from sft_cli.data.folders import input_files
from sft_cli.data.judging.convert import JudgeConverter
from sft_cli.data.judging.records import judge_records
from sft_cli.data.kinds import BINARY_KINDS, FILE_KINDS, LINE_KINDS, kind_of
from sft_cli.data.readers import LocatedRecord, Reading, opened, read_records
from sft_cli.data.row_rules import Voice
from sft_cli.data.settings import ConversionSettings
from sft_cli.data.tables import read_delimiter
from sft_cli.run.errors import UserError
from sft_cli.run.flags import HUB
from sft_cli.run.parallel import usable_cores

LEAST_PARALLEL = 8_000_000  # bytes of inputs; the start of other processes takes longer than to read less

AnyConverter = FileConverter | BenchmarkConverter | JudgeConverter


def inputs_of(settings: ConversionSettings, run: Voice) -> Iterator[tuple[Iterator[LocatedRecord], AnyConverter]]:
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
    yield from _converted_files(settings, run)


def _converted_files(
    settings: ConversionSettings, run: Voice
) -> Iterator[tuple[Iterator[LocatedRecord], AnyConverter]]:
    """The records of files of any kind, and their converter."""
    converters = FileConverters.of(settings, run)
    reading = _reading(settings, converters.names, run)
    files = input_files(settings.inputs, reading.kind, run.say)
    kinds = {reading.kind or kind_of(path) for path in files}
    _check_kinds(settings, kinds)
    if kinds & {*LINE_KINDS} and not reading.is_by_line and not settings.chunk_tokens:
        run.say("a text file is one document (--lines: each line is a document)")
    passages = converters.passages
    requests = BatchRequests(settings.requests) if settings.requests else None
    for path in files:
        records = passages.records(path, reading) if passages else read_records(path, reading)
        if requests:
            records = requests.with_requests(records)
        if len(files) > 1:
            records = _with_warning(records, path, run)
        yield records, converters.converter()
    if requests and settings.limit is None:
        requests.check()
    check_dropped_fields(settings, reading.dropped)
    converters.report(run)


def check_dropped_fields(settings: ConversionSettings, dropped: Counter[str]) -> None:
    """Raise UserError for a field of --drop-field that no record had."""
    if missing := [name for name in settings.drop_field if not dropped[name]]:
        raise UserError(f"--drop-field: {', '.join(missing)}: expected a field of the input, got an unknown name")


def large_line_files(settings: ConversionSettings) -> list[str]:
    """The input files, if all are JSON lines, large enough for several processes, and each row is converted alone."""
    is_ray = settings.engine == "ray"
    one_by_one: Any = settings.benchmark or settings.judge or settings.verifier or settings.show or settings.requests
    one_by_one = one_by_one or settings.template or settings.reads_documents or settings.read_questions
    if one_by_one or settings.limit is not None or (usable_cores() < 2 and not is_ray):
        return []
    if any(path == "-" or path.startswith(HUB) or not Path(path).exists() for path in settings.inputs):
        return []
    kind = settings.input_kind or ""
    files = input_files(settings.inputs, kind, lambda text: None)
    is_large = is_ray or sum(Path(path).stat().st_size for path in files) >= LEAST_PARALLEL
    return files if is_large and all((kind or kind_of(path)) == "jsonl" for path in files) else []


def block_inputs(
    settings: ConversionSettings, run: Voice
) -> Iterator[tuple[str, IO[bytes], Converter, frozenset[str]]]:
    """Each file of JSON lines, open, with its converter and the fields to leave out."""
    converters = FileConverters.of(settings, run)
    reading = _reading(settings, converters.names, run)
    files = input_files(settings.inputs, reading.kind, run.say)
    _check_kinds(settings, {"jsonl"})
    for path in files:
        converter = converters.converter()
        assert isinstance(converter, Converter)
        with opened(path, "jsonl", reading) as source:
            yield path, source, converter, frozenset(settings.drop_field)


def _with_warning(records: Iterator[LocatedRecord], path: str, run: Voice) -> Iterator[LocatedRecord]:
    """The records; a file without records, among others, is reported."""
    first = next(records, None)
    if first is None:
        run.warn(f"{path}: no rows in this file")
    else:
        yield first
        yield from records


def _reading(settings: ConversionSettings, names: set[str], run: Voice) -> Reading:
    """The settings for reading the inputs, from the flags."""
    if settings.encoding:
        check_encoding(settings.encoding)
    return Reading(
        settings.input_kind or "",
        settings.encoding or "",
        read_delimiter(settings.delimiter or ""),
        settings.lines or (settings.prompts and not settings.reads_documents),
        Counter(dict.fromkeys(settings.drop_field, 0)),
        lambda name: name in names or name in known_fields(),
        run.say,
        has_flags=True,
    )


def _check_kinds(settings: ConversionSettings, kinds: set[str]) -> None:
    """Raise UserError for a flag that has no effect on any input, and for an output inside an input folder."""
    for flag, value, read in (
        ("--lines", settings.lines, {*LINE_KINDS}),
        ("--delimiter", settings.delimiter, {"csv", "tsv"}),
        ("--encoding", settings.encoding, {*FILE_KINDS.values(), ""} - BINARY_KINDS),
    ):
        if value and not kinds & read:
            raise UserError(f"{flag}: has no effect on the inputs, because of their file types")
    for flag, target in (("--out", settings.out), ("--rejects", settings.rejects)):
        if not target or target == "-":
            continue
        for path in settings.inputs:
            place = Path(path).resolve()
            if Path(path).is_dir() and place in Path(target).resolve().parents:
                raise UserError(f"{flag}: {target}: is inside the input {path}, and would be read at the next run")
            if len(settings.inputs) > 1 and place == Path(target).resolve():  # a pattern may match the output
                raise UserError(f"{flag}: {target}: is one of the inputs")
