"""`sft prep`: raw data in, rows out."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from sft_cli.data.benchmarks.convert import BenchmarkConverter
from sft_cli.data.convert import Converter
from sft_cli.data.encoding import check_encoding
from sft_cli.data.fields import known_fields, read_mapping
from sft_cli.data.folders import input_files
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.judging.convert import JudgeConverter
from sft_cli.data.judging.records import judge_records
from sft_cli.data.readers import KINDS, LINE_KINDS, Located, Reading, kind_of, read_records
from sft_cli.data.rows import Row, turn_text
from sft_cli.data.settings import PrepSettings, check_flags
from sft_cli.data.split import part_of, read_split
from sft_cli.data.tables import read_delimiter
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, FieldError, UserError
from sft_cli.run.jsonl import ENCODING_HINT, as_line
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted


def prep(settings: PrepSettings, run: Run) -> None:
    """Turn raw data into rows, the JSONL that every other command reads.

    \b
    Example: sft prep alpaca.json -o train.jsonl
             sft prep chats.jsonl.gz --split train=0.9,test=0.1 -o data/
             sft prep gsm8k.csv --map prompt=question --map completion=answer --eval | sft generate runs/a
             sft prep --benchmark rte glue/RTE | sft generate runs/a --choices --max-new-tokens 0

    A bad row stops the command, after all were read, with every error as file:line: field: problem; nothing
    is written then to -o. --on-error skip goes on without such rows. Memory grows with the
    longest row, and by about 100 bytes for each row without an id, which gets one made from its prompt.

    \b
    Formats:
      alpaca             instruction, input, output (system, history)
      sharegpt           conversations of from and value (system, tools, function_call, observation)
      messages           messages of role and content (tools, tool_calls)
      prompt-completion  prompt and completion, question and answer, …: strings or lists of messages
      text               text, of which every token is learned
    Columns that a format does not use pass through.

    \b
    Files:
      txt, md            one document each, paragraphs and headings as they are; --lines: one a line
      html               the text that the page shows, one document each
      csv, tsv           a header; separators and a byte order mark are looked for, and said
      parquet            bytes are left out, dates become text
      folders            all files of known kinds, sorted by their paths; the others are named

    --benchmark reads a benchmark's own files or Hugging Face's copies of them, and words its questions as EleutherAI's
    evaluation harness does. Of a directory it takes the validation split, and says which file that is.

    --judge pairwise BASE OTHER shows a judge each pair of answers in both orders; sft score --metric judge-pairwise
    reads its verdicts. BASE is held in memory.

    --split asks a hash of the row's content, so that the parts stay the same when rows are added or
    reordered, and equal rows never lie in two parts. Rows of all parts look alike: `sft generate` moves the
    last assistant turn away by itself, and --eval does it here.
    """
    check_flags(settings)
    shares = read_split(settings.split) if settings.split is not None else {}
    writes = not (settings.check or settings.dry_run)
    if shares and writes and settings.out == "-":
        raise UserError("--split: writes one file per part into a directory\nhint: -o data/")
    with contextlib.ExitStack() as stack:
        sinks = _open_sinks(stack, settings, run, list(shares)) if writes else {}
        # Left before the outputs: its collected errors keep them from appearing.
        ledger = stack.enter_context(run.ledger())
        ledger.on_error = "skip" if settings.check else ledger.on_error
        parts = _write_rows(settings, run, ledger, shares, sinks)
        ledger.close()
        problem = _nothing_left(settings, ledger, parts) if settings.limit != 0 else ""
        run.withholds = bool(problem)  # the rejected rows appear all the same
    if problem:
        raise UserError(problem)
    for line in ledger.lines():
        run.say(line)
    if settings.check and ledger.rejected:
        raise AnswerIsNo("\n".join([*ledger.error_lines(), ledger.total()]))


def _nothing_left(settings: PrepSettings, ledger: Ledger, parts: Counter[str]) -> str:
    """What is wrong where a build would go on with an output without rows; else nothing."""
    if not ledger.counts["read"]:
        return f"no rows in {', '.join('<stdin>' if path == '-' else path for path in settings.inputs)}"
    if settings.check:
        return ""
    if not parts.total():
        return "\n".join([*ledger.error_lines(), f"no rows left: {ledger.total()}"])
    if empty := [part for part, rows in parts.items() if not rows]:
        return (
            f"--split: {', '.join(empty)}: no rows: all {counted(parts.total(), 'row')} went to other parts\n"
            "hint: more rows, a larger share, or another --seed"
        )
    return ""


def _open_sinks(stack: contextlib.ExitStack, settings: PrepSettings, run: Run, parts: list[str]) -> dict[str, TextIO]:
    if not parts:
        return {"": stack.enter_context(run.output())}
    if Path(settings.out).is_file():
        raise UserError(f"--split: {settings.out}: is a file; expected a directory")
    return {part: stack.enter_context(run.output(f"{settings.out}/{part}.jsonl")) for part in parts}


def _write_rows(
    settings: PrepSettings, run: Run, ledger: Ledger, shares: dict[str, float], sinks: dict[str, TextIO]
) -> Counter[str]:
    """Write all rows; gives how many rows each part has, good ones that were not written included."""
    shown = 0
    is_to_learn = not (settings.prompts or settings.judge or settings.benchmark)
    parts = Counter(dict.fromkeys(shares or [""], 0))
    ledger.count("read", 0)
    ledger.kept = 0
    for row, finished in _rows(settings, run, ledger):
        part = part_of(row, shares, settings.seed) if shares else ""
        parts[part] += 1
        ledger.kept = parts.total()
        ledger.count((f"written to {part}" if part else "written") if sinks else "good")
        if is_to_learn and not _is_answered(row):
            ledger.count("of them end in a turn without an answer, which is not learned")
        if shown < settings.show:
            shown += 1
            print(_readable(finished[1]), file=sys.stderr)
        # After the first bad row nothing will be kept: read on only to name the others.
        if sinks and not (ledger.rejected and ledger.on_error == "stop"):
            sinks[part].write(finished[0])
    return parts


def _rows(settings: PrepSettings, run: Run, ledger: Ledger) -> Iterator[tuple[Row, tuple[str, Row]]]:
    """Yield each good row, and (its line, the row) as it is written."""
    done = 0
    for records, converter in _inputs(settings, run):
        if settings.limit is not None and done >= settings.limit:
            return
        for number, (where, record) in enumerate(records, 1):
            done += 1
            ledger.count("read")
            try:
                if isinstance(record, FieldError):
                    raise record
                row = converter.row(record, where)
                finished = converter.finish(row)
                yield row, (_line(finished), finished)
            except FieldError as error:
                ledger.reject(where, error, record if isinstance(record, dict) else None)
                is_of_file = error.hint and (number == 1 or error.hint == ENCODING_HINT)
                if is_of_file and ledger.on_error == "stop":
                    break  # its other lines would say the same
            if settings.limit is not None and done >= settings.limit:
                return


def _inputs(
    settings: PrepSettings, run: Run
) -> Iterator[tuple[Iterator[Located], Converter | BenchmarkConverter | JudgeConverter]]:
    """The records of each input, and what makes rows of them."""
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
    columns = read_mapping(settings.map)
    reading = _reading(settings, columns, run)
    makes = "eval" if settings.eval else "prompts" if settings.prompts else ""
    files = input_files(settings.inputs, reading.kind, run.say)
    kinds = {reading.kind or kind_of(path) for path in files}
    _check_kinds(settings, kinds)
    if kinds & {*LINE_KINDS} and not reading.is_by_line:
        run.say("a text file is one document (--lines: each line is one)")
    ids, given = Ids(), SeenIds(run.warn)
    for path in files:
        records = read_records(path, reading)
        if len(files) > 1:
            records = _with_warning(records, path, run)
        yield records, Converter(settings.format, columns, task, system, makes, ids, run.say, given)
    if missing := [name for name, count in reading.dropped.items() if not count]:
        raise UserError(f"--drop-columns: {', '.join(missing)}: expected a column of the input, got none of this name")


def _with_warning(records: Iterator[Located], path: str, run: Run) -> Iterator[Located]:
    """The records; a file that has none, beside others, is said."""
    first = next(records, None)
    if first is None:
        run.warn(f"{path}: no rows in this file")
    else:
        yield first
        yield from records


def _reading(settings: PrepSettings, columns: dict[str, list[str]], run: Run) -> Reading:
    """How the inputs are read, by the flags."""
    if settings.encoding:
        check_encoding(settings.encoding)
    return Reading(
        settings.input_kind or "",
        settings.encoding or "",
        read_delimiter(settings.delimiter or ""),
        settings.lines or settings.prompts,
        Counter(dict.fromkeys(settings.drop_columns, 0)),
        lambda name: name in columns or name in known_fields(),
        run.say,
    )


def _check_kinds(settings: PrepSettings, kinds: set[str]) -> None:
    """Raise UserError for a flag that says nothing of any input; folders are refused as outputs of themselves."""
    for flag, value, read in (
        ("--lines", settings.lines, {*LINE_KINDS}),
        ("--delimiter", settings.delimiter, {"csv", "tsv"}),
        ("--encoding", settings.encoding, {*KINDS.values(), ""} - {"parquet"}),
    ):
        if value and not kinds & read:
            raise UserError(f"{flag}: no input is a file that it says something of")
    for flag, target in (("--out", settings.out), ("--rejects", settings.rejects)):
        for path in settings.inputs:
            if (
                target
                and target != "-"
                and Path(path).is_dir()
                and Path(path).resolve() in Path(target).resolve().parents
            ):
                raise UserError(f"{flag}: {target}: lies in the input {path}, and would be read the next time")


def _is_answered(row: Row) -> bool:
    """Whether nothing is asked at the end of a row, or the row has its answer."""
    is_open = "messages" in row and row["messages"][-1]["role"] != "assistant"
    return not is_open or any(row.get(key) for key in ("references", "choices", "answer"))


def _line(row: Row) -> str:
    try:
        return as_line(row)
    except FieldError as error:  # bytes or a picture in a column, half a surrogate pair
        name = error.field
        hint = f"--drop-columns {name} leaves the column out" if name and name not in known_fields() else ""
        raise FieldError(name, error.problem, hint) from None


def _readable(row: Row) -> str:
    head = "  ".join(f"{key}={row[key]}" for key in ("id", "task", "source") if key in row)
    turns = [f"[{message['role']}] {turn_text(message)}" for message in row.get("messages", [])]
    turns = turns or [row.get("text", "")]
    turns += [f"[reference] {text}" for text in row.get("references", [])]
    turns += [f"[choice] {text}" for text in row.get("choices", [])]
    return "\n".join([f"── {head}", *turns, ""])
