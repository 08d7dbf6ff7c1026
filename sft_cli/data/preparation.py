"""The work of `sft prep`: inputs, converters, rows and outputs."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TextIO

from sft_cli.data.fields import known_fields
from sft_cli.data.inputs import inputs_of
from sft_cli.data.readers import LocatedRecord
from sft_cli.data.row_rules import LeavesOut, RowRules, Silent, Surveying, Voice
from sft_cli.data.rows import Row, turn_text
from sft_cli.data.settings import ConversionSettings
from sft_cli.data.split import part_of
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import ENCODING_HINT, as_line
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted

GoodRow = tuple[Row, tuple[str, Row]]  # a row; its line and the row as they are written
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
    if not parts:
        return {"": stack.enter_context(run.output())}
    return {part: stack.enter_context(run.output(f"{settings.out}/{part}.jsonl")) for part in parts}


def write_rows(
    settings: ConversionSettings,
    rows: Iterator[GoodRow],
    ledger: Ledger,
    shares: dict[str, float],
    sinks: dict[str, TextIO],
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


def _good_rows(
    settings: ConversionSettings, run: Voice, ledger: Ledger, keeps: Keeps | None, rules: RowRules | None
) -> Iterator[GoodRow]:
    """Yield each good row that the rules keep, and (its line, the row) in the form to write."""
    done = 0

    def leave_out(where: str, reason: str) -> None:
        ledger.count("read")
        ledger.count(f"left out: {reason}")
        if rules:
            rules.leave_out(where, reason)

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
                    finished = converter.finish(kept)
                    yield kept, (_written_line(finished), finished)
            except FieldError as error:
                ledger.reject(where, error, record if isinstance(record, dict) else None)
                if rules:
                    rules.reject(where, error)
                is_of_file = error.hint and (number == 1 or error.hint == ENCODING_HINT)
                if is_of_file and ledger.on_error == "stop":
                    break  # its other lines would have the same error
            if settings.limit is not None and done >= settings.limit:
                return


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
