"""The work of `sft prep`: inputs, converters, rows and outputs."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TextIO

from sft_cli.data.block_conversion import NOT_ANSWERED, BlockConverter
from sft_cli.data.finished import is_answered
from sft_cli.data.inputs import block_inputs, check_dropped_fields, inputs_of, large_line_files
from sft_cli.data.line_blocks import line_blocks
from sft_cli.data.made_rows import GoodRow, MadeRows, writer_for
from sft_cli.data.parallel_conversion import BlockJoiner, FileEngine
from sft_cli.data.ray_engine import made_by_ray, ray_cluster
from sft_cli.data.readers import LocatedRecord
from sft_cli.data.row_rules import LeavesOut, RowRules, Silent, Surveying, TakesRows, Voice
from sft_cli.data.rows import Row, turn_text
from sft_cli.data.settings import ConversionSettings
from sft_cli.data.split import part_of
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import ENCODING_HINT
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted

NOT_FOR_RAY = (
    "--engine ray: expected files of JSON lines (.jsonl), each row of which is converted alone\n"
    "hint: without --limit, --show, --check, --dry-run, --keep, --to, --expand-turns, --benchmark, --judge, "
    "--verifier, and with no --dedup but exact"
)
# Passes on the records to keep, and leaves out the others: (records, leave_out) -> records.
Keeps = Callable[[Iterator[LocatedRecord], LeavesOut], Iterator[LocatedRecord]]


def written_rows(
    settings: ConversionSettings,
    run: Run,
    shares: dict[str, float],
    keeps: Keeps | None = None,
    rules: RowRules | None = None,
) -> tuple[Ledger, str]:
    """Write the rows of the inputs to their outputs. Returns their counts, and the problem if no rows are left.

    keeps: which records become rows; all if None. rules: what is done with the rows.
    """
    writes = not (settings.check or settings.dry_run)
    while rules and (flag := rules.needs_survey):
        if "-" in settings.inputs:
            raise UserError(f"{flag}: reads the inputs twice: expected files, got stdin\nhint: save the rows first")
        for _ in _good_rows(settings, Silent(), Ledger("skip"), keeps, Surveying(rules)):
            pass
        rules.end_survey()
    with contextlib.ExitStack() as stack:
        sinks = open_sinks(stack, settings, run, list(shares)) if writes else {}
        # Closed before the outputs: its collected errors prevent their publication.
        ledger = stack.enter_context(run.ledger(skips=settings.check))
        is_alone = writes and rules and rules.is_alone and not (keeps or settings.to)
        files = large_line_files(settings) if is_alone else []
        engine = None
        if settings.engine == "ray":
            if not files:
                raise UserError(NOT_FOR_RAY)
            stack.enter_context(ray_cluster(settings.ray_address))
            engine = made_by_ray
        if files and rules:
            joiner = BlockJoiner(run, ledger, rules, sinks, Counter(dict.fromkeys(shares or [""], 0)))
            parts = convert_in_parallel(settings, joiner, shares, engine)
        else:
            parts = write_rows(settings, _good_rows(settings, run, ledger, keeps, rules), ledger, shares, sinks)
        ledger.close()
        problem = nothing_left(settings, ledger, parts) if settings.limit != 0 else ""
        run.withholds = bool(problem)  # the rejected rows are still published
    return ledger, problem


def nothing_left(settings: ConversionSettings, ledger: Ledger, parts: Counter[str]) -> str:
    """The error if an output has no rows, so that a build does not continue with it; otherwise empty."""
    if not ledger.counts["read"]:
        return f"no rows in {', '.join('<stdin>' if path == '-' else path for path in settings.inputs)}"
    if settings.check:
        return ""
    if not parts.total():
        if not ledger.rejected:
            return "\n".join([*ledger.lines(), "no rows left: all are dropped"])
        return "\n".join([*ledger.error_lines(), f"no rows left: {ledger.total()}"])
    if empty := [part for part, rows in parts.items() if not rows]:
        return (
            f"--split: {', '.join(empty)}: no rows: all {counted(parts.total(), 'row')} are in other parts\n"
            "hint: use more rows, a larger share, or another --seed"
        )
    return ""


def open_sinks(
    stack: contextlib.ExitStack, settings: ConversionSettings, run: Run, parts: list[str]
) -> dict[str, TextIO]:
    """The output, or with --split the output of each part."""
    writer = writer_for(settings.to)
    ending = writer.ending if writer else "jsonl"
    paths = {part: f"{settings.out}/{part}.{ending}" for part in parts} or {"": settings.out}
    sinks = {part: stack.enter_context(run.output(path)) for part, path in paths.items()}
    return {part: stack.enter_context(writer.sink(out, run.say)) for part, out in sinks.items()} if writer else sinks


def write_rows(
    settings: ConversionSettings,
    rows: Iterator[GoodRow],
    ledger: Ledger,
    shares: dict[str, float],
    sinks: dict[str, TextIO],
) -> Counter[str]:
    """Write all rows; returns the number of rows of each part, also of good rows that were not written."""
    shown = 0
    is_to_learn = not (settings.prompts or settings.ask_questions or settings.judge or settings.benchmark)
    parts = Counter(dict.fromkeys(shares or [""], 0))
    ledger.count("read", 0)
    ledger.kept = 0
    for row, split_by, written, line, _ in rows:
        part = part_of(split_by, shares, settings.seed) if shares else ""
        parts[part] += 1
        ledger.kept = parts.total()
        ledger.count((f"written to {part}" if part else "written") if sinks else "good")
        if is_to_learn and not is_answered(row):
            ledger.count(NOT_ANSWERED)
        if shown < settings.show:
            shown += 1
            sys.stderr.write(f"{_readable(written)}\n")
        # After the first bad row nothing is kept: further rows are read only to report their errors.
        if sinks and not (ledger.rejected and ledger.on_error == "stop"):
            sinks[part].write(line)
    return parts


def convert_in_parallel(
    settings: ConversionSettings, joiner: BlockJoiner, shares: dict[str, float], engine: FileEngine | None
) -> Counter[str]:
    """Write all rows of files of lines, converted on all cores; returns the number of rows of each part."""
    joiner.ledger.count("read", 0)
    joiner.ledger.kept = 0
    is_to_learn = not settings.prompts
    for path, source, converter, drop in block_inputs(settings, joiner.run):
        blocks = BlockConverter(
            path,
            converter,
            joiner.rules.for_blocks(),
            shares,
            settings.seed,
            drop,
            is_to_learn,
            joiner.ledger.on_error == "stop",
        )
        if not joiner.convert(blocks, line_blocks(source, path), engine):
            joiner.run.warn(f"{path}: no rows in this file")
    check_dropped_fields(settings, joiner.dropped)
    return joiner.parts


def _good_rows(
    settings: ConversionSettings, run: Voice, ledger: Ledger, keeps: Keeps | None, rules: TakesRows | None
) -> Iterator[GoodRow]:
    """Yield each good row that the rules keep, and its form to write."""
    done = 0
    made = MadeRows(writer_for(settings.to), ledger, rules)

    def leave_out(where: str, rule: str, reason: str) -> None:
        ledger.count("read")
        ledger.count(f"left out: {reason}")
        if rules:
            rules.leave_out(where, rule, reason)

    for records, converter in inputs_of(settings, run):
        if settings.limit is not None and done >= settings.limit:
            return
        for number, (where, record) in enumerate(keeps(records, leave_out) if keeps else records, 1):
            done += 1
            ledger.count("read")
            try:
                if isinstance(record, FieldError):
                    raise record
                row = converter.row(record, where)
                kept = rules.kept(where, row, ledger) if rules else row
                if kept is not None:
                    yield from made.of(where, kept, converter.finish)
            except FieldError as error:
                ledger.reject(where, error, record if isinstance(record, dict) else None)
                if rules:
                    rules.reject(where, error)
                is_of_file = error.hint and ((number == 1 and not made.refuses) or error.hint == ENCODING_HINT)
                made.refuses = False
                if is_of_file and ledger.on_error == "stop":
                    break  # its other lines would have the same error
            if settings.limit is not None and done >= settings.limit:
                return


def _readable(row: Row) -> str:
    head = "  ".join(f"{key}={row[key]}" for key in ("id", "task", "source") if key in row)
    turns = [f"[{message['role']}] {turn_text(message)}" for message in row.get("messages", [])]
    turns = turns or [row.get("text", "")]
    turns += [f"[reference] {text}" for text in row.get("references", [])]
    turns += [f"[choice] {text}" for text in row.get("choices", [])]
    return "\n".join([f"── {head}", *turns, ""])
