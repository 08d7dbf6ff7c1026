"""The inputs of `sft prep`: the records of each, and what makes rows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sft_cli.data.batches import BatchRequests
from sft_cli.data.benchmarks.convert import BenchmarkConverter
from sft_cli.data.charset import check_encoding
from sft_cli.data.convert import Converter
from sft_cli.data.fields import known_fields, read_mapping
from sft_cli.data.folders import input_files
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.judging.convert import JudgeConverter
from sft_cli.data.judging.records import judge_records
from sft_cli.data.kinds import BINARY_KINDS, FILE_KINDS, LINE_KINDS, kind_of
from sft_cli.data.readers import LocatedRecord, Reading, read_records
from sft_cli.data.row_rules import Voice
from sft_cli.data.settings import ConversionSettings
from sft_cli.data.tables import read_delimiter
from sft_cli.data.verifier.convert import VERIFIER_FIELDS, VerifierConverter
from sft_cli.data.verifier.stances import read_labels
from sft_cli.run.errors import UserError


def inputs_of(
    settings: ConversionSettings, run: Voice
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
    ids, given, said = Ids(), SeenIds(run.warn), set[str]()
    labels = read_labels(settings.label)
    requests = BatchRequests(settings.requests) if settings.requests else None
    for path in files:
        records = read_records(path, reading)
        if requests:
            records = requests.with_requests(records)
        if len(files) > 1:
            records = _with_warning(records, path, run)
        if settings.verifier:
            yield records, VerifierConverter(labels, mapping, task, makes, ids, given)
        else:
            yield records, Converter(settings.format, mapping, task, system, makes, ids, run.say, given, said=said)
    if requests and settings.limit is None:
        requests.check()
    if missing := [name for name, count in reading.dropped.items() if not count]:
        raise UserError(f"--drop-field: {', '.join(missing)}: expected a field of the input, got an unknown name")


def _with_warning(records: Iterator[LocatedRecord], path: str, run: Voice) -> Iterator[LocatedRecord]:
    """The records; a file without records, among others, is reported."""
    first = next(records, None)
    if first is None:
        run.warn(f"{path}: no rows in this file")
    else:
        yield first
        yield from records


def _reading(settings: ConversionSettings, mapping: dict[str, list[str]], run: Voice) -> Reading:
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
