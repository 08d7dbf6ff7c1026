"""Scored rows whose question or answer is in a training row of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sft_cli.curation.contamination import CONTAINED_PARTS, Contamination, HeldOut, HeldOutRow
from sft_cli.curation.training_rows import rows_with_texts
from sft_cli.report.provenance import recorded_steps
from sft_cli.report.texts import texts_of
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_lines, read_objects
from sft_cli.run.manifest import file_hash
from sft_cli.run.text import counted, one_line
from sft_cli.scoring.scoreboard import first_rows
from sft_cli.scoring.settings import ScoreSettings

LARGEST_UNASKED = 20_000_000  # bytes of training rows that are read without --train: a few seconds
MOST_EXAMPLES = 20  # rows that the summary names
LONGEST_TEXT = 80  # characters of a text in a warning


@dataclass
class TrainedRows:
    """Which scored rows are in the training rows. parts: how many, by what a training row has of them."""

    files: list[str]
    rows: int
    training_rows: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many scored rows are in the training rows."""
        return self.parts.total()

    def counts(self) -> dict[str, Any]:
        """For the manifest, where sft compare reads it."""
        return {
            "files": self.files,
            "training_rows": self.training_rows,
            "rows": self.rows,
            "in_training": self.count,
            "parts": {part: self.parts[part] for part in CONTAINED_PARTS if self.parts[part]},
        }

    def document(self) -> dict[str, Any]:
        """For the summary: the counts, and the first rows."""
        return {**self.counts(), "examples": self.examples}

    def warning(self, path: str) -> str:
        """The warning with the first such row; empty if there is none."""
        if not self.count:
            return ""
        parts = ", ".join(f"{self.parts[part]:,} with {part}" for part in CONTAINED_PARTS if self.parts[part])
        first = self.examples[0]
        text = one_line(" ".join(first["text"].split()))
        short = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
        form = first["form"] if first["share"] == 1 else f"{first['form']}, {first['share']:.2f}"
        return (
            f"warning: the training rows contain {self.count:,} of {counted(self.rows, 'row')} ({parts}); such rows do "
            f"not show what the model can do with new ones\n"
            f"first: {path}:{first['line']} is in {first['training_row']} ({form}): {short}"
        )


def check_trained_rows(settings: ScoreSettings, run: Run) -> TrainedRows | None:
    """Look for the scored rows in the rows of --train, or in those that the manifests name; warn of what is there.

    None if no training rows are known. Raises UserError for --train with generations that cannot be read twice.
    """
    path, files = settings.generations, settings.train
    if files and not Path(path).is_file():
        got = "stdin" if path == "-" else path or "--harness"
        raise UserError(f"--train: expected a file of generations, because it reads them twice, got {got}")
    if not files:
        files, problem = training_files(path) if Path(path).is_file() else ([], "")
        if problem:
            run.say(f"not compared with all training rows: {problem}; --train FILE compares them")
    if not files:
        return None
    rows = trained_rows(read_objects(first_rows(read_lines(path), settings.limit)), files)
    if rows.count:
        run.warn(rows.warning(path))
    return rows


def trained_rows(lines: Iterable[tuple[int, Any]], files: list[str]) -> TrainedRows:
    """Look for the rows of a file of generations in training rows. Raises UserError for a bad training row.

    A row with several samples counts once for each. The first training row that has most of a row is kept.
    """
    asked: dict[HeldOutRow, list[int]] = {}
    rows = 0
    for number, row in lines:
        try:
            if isinstance(row, FieldError):
                continue  # it is reported where rows are scored
            texts = texts_of(row)
        except FieldError:
            continue
        rows += 1
        asked.setdefault(HeldOutRow(texts.question, tuple(texts.references)), []).append(number)
    held_out = HeldOut(list(asked))
    result = TrainedRows(files, rows)
    best: dict[int, tuple[Contamination, str]] = {}
    for where, _, own in rows_with_texts(files):
        result.training_rows += 1
        for found in held_out.found_in(own):
            if found.row not in best or _rank(found) < _rank(best[found.row][0]):
                best[found.row] = found, where
    numbers = list(asked.values())
    for row in sorted(best):
        found, where = best[row]
        result.parts[found.part] += len(numbers[row])
        if len(result.examples) < MOST_EXAMPLES:
            match = found.match
            how = {"part": found.part, "form": match.form, "share": round(match.share, 4), "text": match.text}
            result.examples.append({"line": numbers[row][0], "training_row": where, **how})
    return result


def _rank(found: Contamination) -> tuple[int, float]:
    return CONTAINED_PARTS.index(found.part), -found.match.share


def training_files(path: str) -> tuple[list[str], str]:
    """The files of training rows that the manifests name for a file of generations, and why others are not read.

    All trainings on the way back count, so an adapter on a trained model has the rows of both.
    """
    files: list[str] = []
    problems: list[str] = []
    for place, recorded in recorded_steps(path):
        if recorded["command"] not in ("train", "distill"):
            continue
        entries = {entry.get("path"): entry for entry in recorded.get("inputs", []) if isinstance(entry, dict)}
        for name in recorded.get("config", {}).get("data") or []:
            entry = entries.get(name, {})
            there = [each for each in (Path(name), Path(place).parent / Path(name).name) if each.is_file()]
            same = [each for each in there if file_hash(each) == entry.get("sha256")]
            if same:
                files.append(str(same[0]))
            else:
                problems.append(f"{name} {'has another content now' if there else 'is not here'}")
    files = list(dict.fromkeys(files))
    size = sum(Path(each).stat().st_size for each in files)
    if size > LARGEST_UNASKED:
        problems = [f"{', '.join(files)}: {size / 1e6:,.0f} MB, more than {LARGEST_UNASKED / 1e6:,.0f} MB"]
        files = []
    return files, "; ".join(dict.fromkeys(problems))
