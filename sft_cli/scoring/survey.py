"""The first reading of a file, for metrics whose values of a row depend on the other rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_lines, read_objects
from sft_cli.scoring.generations import check_generation
from sft_cli.scoring.scoreboard import Scorer, first_rows


def surveyed_lines(scorer: Scorer, path: str, limit: int | None) -> Iterator[bytes]:
    """The lines of the rows to score, after the metrics `of_file`, if there are any, have seen all of the rows.

    Bad rows are left out, because the scoring reports them. Raises UserError for a pipe, which cannot be read twice.
    """
    surveying = [named for named in scorer.named if named.metric.of_file]
    if surveying and (path == "-" or (Path(path).exists() and not Path(path).is_file())):
        got = "stdin" if path == "-" else path
        raise UserError(
            f"--metric {surveying[0].key}: expected a file, because it reads the rows twice, got {got}\n"
            "hint: save the rows, then sft score generations.jsonl"
        )
    for _, row in read_objects(first_rows(read_lines(path), limit)) if surveying else ():
        if isinstance(row, FieldError):
            continue
        with suppress(FieldError):
            checked = check_generation(row, scorer.reasoning)
            for named in surveying:
                named.metric.survey(checked)
    return first_rows(read_lines(path), limit)
