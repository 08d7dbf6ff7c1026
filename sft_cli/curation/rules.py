"""The rules of `sft prep` on rows, one after another: --reasoning, --where, --filter, --decontaminate, --dedup."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO

from sft_cli.curation.contamination import Contamination, HeldOut, HeldOutRow
from sft_cli.curation.duplicates import DUPLICATES, Duplicate, FindsDuplicates, content_hash
from sft_cli.curation.expressions import WhereCondition, read_condition
from sft_cli.curation.filters import FILTERS
from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.curation.settings import PrepSettings
from sft_cli.curation.thoughts import without_reasoning
from sft_cli.curation.training_rows import texts_of_training_row
from sft_cli.curation.turn_rows import first_prompt, rows_of_turns
from sft_cli.data.rows import Row, reference_texts
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_jsonl, write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.options import read_with_options
from sft_cli.run.registry import near_name

LONGEST_IN_LEDGER = 500  # characters of a text in the ledger
DROPPED, CHANGED, REJECTED = "dropped", "changed", "rejected"


@dataclass
class HeldOutFile:
    """The rows of the files of --decontaminate, and where each is."""

    held_out: HeldOut
    places: list[str]

    @classmethod
    def of(cls, paths: Iterable[str]) -> HeldOutFile:
        """Read the files. Raises UserError for a line that is not a row."""
        rows, places = [], []
        for path in paths:
            for number, row in read_jsonl(path):
                where = f"{path}:{number}"
                if isinstance(row, FieldError) or not ("messages" in row or "text" in row):
                    problem = row if isinstance(row, FieldError) else "expected messages or text"
                    raise UserError(
                        f"{where}: {problem}\nhint: --decontaminate reads rows of sft prep; sft prep converts a file"
                    )
                asked = HeldOutRow(question_of_row(row) or str(row.get("text") or ""), tuple(_answers(row)))
                rows.append(asked)
                places.append(where)
        return cls(HeldOut(rows), places)


def _answers(row: Row) -> list[str]:
    """The right answers of a row of a test: its references, else its last assistant turn."""
    return reference_texts(row) or ([answer_of_row(row)] if row.get("messages") else [])


@dataclass(frozen=True)
class RulesDone:
    """What rules did in another process. lines: of --ledger."""

    read: int
    dropped: int
    fields: list[str]
    unknown: list[set[str]]
    thoughtful: int
    lines: str


@dataclass
class Rules:
    """The rules that the flags ask for, and what they did.

    A row passes through them in this order: thoughts, conditions, filters, held-out rows, duplicates, one row for each
    turn. Rules that compare a row with all others need `survey` before: all rows, once, in their order.
    """

    conditions: list[WhereCondition] = field(default_factory=list)
    filters: list[tuple[str, RowFilter]] = field(default_factory=list)
    held_out: HeldOutFile | None = None
    finder: FindsDuplicates | None = None
    dedup_key: str = ""
    reasoning: str = "keep"
    expands: bool = False  # whether each assistant turn becomes a row
    learns: bool = True  # whether the rows are to learn from
    lines: TextIO | None = None  # of --ledger
    recorded: io.StringIO | None = None  # in another process: the lines since the last call of `done`
    left_out: dict[int, Duplicate] = field(default_factory=dict)
    kept_places: dict[int, str] = field(default_factory=dict)
    waiting: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # entries that need the place of a kept row
    seen: int = 0
    read: int = 0
    dropped: int = 0
    thoughtful: int = 0  # rows whose thoughts --reasoning dropped
    expanded: int = 0
    fields: dict[str, None] = field(default_factory=dict)  # of the rows, for a suggestion

    @classmethod
    def of(cls, settings: PrepSettings) -> Rules:
        """The rules of the flags. Raises UserError for what cannot be read."""
        key, finder = read_with_options(settings.dedup, DUPLICATES, "--dedup") if settings.dedup else ("", None)
        return cls(
            [read_condition(text) for text in settings.where],
            [read_with_options(text, FILTERS, "--filter") for text in settings.filter],
            HeldOutFile.of(settings.decontaminate) if settings.decontaminate else None,
            finder,
            key,
            settings.reasoning,
            settings.expand_turns,
            not (settings.eval or settings.prompts),
        )

    @property
    def needs_survey(self) -> bool:
        """Whether all rows must be seen before the first is kept."""
        return self.finder is not None and not self.finder.in_one_reading

    def survey(self, row: Row) -> None:
        """Take notice of a row, in the first reading."""
        kept = self._alone(row)[0]
        if kept is not None and self.finder:
            self.finder.see(kept)

    def end_survey(self) -> None:
        """All rows have been seen."""
        self.left_out = self.finder.duplicates() if self.finder else {}
        self.kept_places = dict.fromkeys((each.kept for each in self.left_out.values()), "")

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row to write, or None; what was done is counted."""
        kept = self.kept_alone(where, row, ledger)
        if kept is None or self.finder is None:
            return kept
        if self.finder.in_one_reading:
            if not self.finder.is_repeat(kept):
                return kept
            self.drop_repeat(where, kept, ledger)
            return None
        number = self.seen
        self.seen += 1
        if number in self.kept_places:
            self.kept_places[number] = where
        if (twin := self.left_out.get(number)) is None:
            return kept
        entry = {"action": DROPPED, "rule": f"--dedup {self.dedup_key}", "reason": "duplicate", "share": twin.share}
        self._tell(where, kept, ledger, entry, twin.kept)
        return None

    def kept_alone(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row after the rules that need no other row, or None; what was done is counted."""
        self.read += 1
        self.fields.update(dict.fromkeys(row))
        kept, entries = self._alone(row)
        for entry in entries:
            self._tell(where, row, ledger, entry)
        return kept

    def drop_repeat(self, where: str, row: Row, ledger: Ledger) -> None:
        """Count a row whose content came before."""
        self._tell(where, row, ledger, _told(DROPPED, f"--dedup {self.dedup_key}", "duplicate"))

    def key_of(self, row: Row) -> int:
        """The 64-bit hash by which duplicates are found in one reading; 0 if they are not looked for."""
        return content_hash(row) if self.finder else 0

    def for_blocks(self) -> Rules:
        """The same rules for another process: what they do is in `done`."""
        recorded = io.StringIO() if self.lines is not None else None
        return dataclasses.replace(self, lines=recorded, recorded=recorded, read=0, dropped=0, thoughtful=0, fields={})

    def done(self) -> RulesDone:
        """What the rules did since the last call, in a form that can be pickled."""
        written = self.recorded.getvalue() if self.recorded else ""
        unknown = [set(each.unknown) for each in self.conditions]
        done = RulesDone(self.read, self.dropped, list(self.fields), unknown, self.thoughtful, written)
        self.read = self.dropped = self.thoughtful = 0
        self.fields = {}
        self.lines = self.recorded = io.StringIO() if self.lines is not None else None
        return done

    def take(self, other: RulesDone) -> None:
        """Add what the same rules did in another process."""
        self.read += other.read
        self.dropped += other.dropped
        self.thoughtful += other.thoughtful
        self.fields.update(dict.fromkeys(other.fields))
        for mine, theirs in zip(self.conditions, other.unknown, strict=True):
            mine.unknown &= theirs
        if self.lines is not None:
            self.lines.write(other.lines)

    def _alone(self, row: Row) -> tuple[Row | None, list[dict[str, Any]]]:
        """The row after the rules that need no other row, and what they did."""
        done: list[dict[str, Any]] = []
        if not (self.expands and self.reasoning == "last"):  # which turn is the last depends on the row of each turn
            bare = without_reasoning(row, self.reasoning)
            done += [self._thoughts_dropped()] if bare is not row else []
            row = bare
        for condition in self.conditions:
            if not condition.is_true(row):
                return None, [_told(DROPPED, f"--where {condition.text}", "not true")]
        for key, each in self.filters:
            if problem := each.problem(row):
                return None, [*done, _told(DROPPED, f"--filter {key}", problem)]
            row, change = each.changed(row)
            done += [_told(CHANGED, f"--filter {key}", change)] if change else []
        if self.held_out and (found := self.held_out.held_out.found_in(texts_of_training_row(row))):
            return None, [*done, self._contaminated(max(found, key=lambda each: each.match.share))]
        return row, done

    def rows_of(self, where: str, row: Row, ledger: Ledger) -> list[Row]:
        """The rows to write for a row that is kept; what was done is counted."""
        if not self.expands:
            return [row]
        expanded = rows_of_turns(row, self.learns)
        made = [without_reasoning(each, self.reasoning) for each in expanded]
        if any(bare is not each for bare, each in zip(made, expanded, strict=True)):
            self._tell(where, row, ledger, self._thoughts_dropped())
        if made[0]["id"] != row["id"]:
            self.expanded += 1
            entry = _told(CHANGED, "--expand-turns", "one row for each assistant turn")
            self._tell(where, row, ledger, {**entry, "rows": len(made)})
        return made

    def split_by(self, row: Row) -> Row:
        """What decides the part of --split: rows of one conversation, and equal rows, are in one part."""
        return first_prompt(row) if self.expands else row

    def change(self, where: str, row: Row, ledger: Ledger, told: tuple[str, str]) -> None:
        """Count a change of a row that is written: its rule, and the reason."""
        self._tell(where, row, ledger, _told(CHANGED, *told))

    def _thoughts_dropped(self) -> dict[str, Any]:
        return _told(CHANGED, f"--reasoning {self.reasoning}", "thoughts dropped")

    def _contaminated(self, found: Contamination) -> dict[str, Any]:
        assert self.held_out is not None
        match = found.match
        return {
            **_told(DROPPED, "--decontaminate", f"a test row: {found.part}, {match.form}"),
            "test_row": self.held_out.places[found.row],
            "share": round(match.share, 4),
            "text": match.text[:LONGEST_IN_LEDGER],
        }

    def _tell(self, where: str, row: Row, ledger: Ledger, entry: dict[str, Any], twin: int | None = None) -> None:
        ledger.count(f"{entry['action']}: {entry['rule']}: {entry['reason']}")
        self.dropped += entry["action"] == DROPPED
        self.thoughtful += entry["rule"].startswith("--reasoning")
        if self.lines is None:
            return
        line = {"row": where, **entry}
        if twin is None:
            write_row(self.lines, line)
        else:
            self.waiting.append((twin, {**line, "text": compared(row)[:LONGEST_IN_LEDGER]}))

    def reject(self, where: str, error: FieldError) -> None:
        """Write a bad row to --ledger."""
        if self.lines is not None:
            write_row(self.lines, {"row": where, **_told(REJECTED, "format", str(error))})

    def leave_out(self, where: str, rule: str, reason: str) -> None:
        """Write a record that --keep, --keep-best or --read-questions leaves out to --ledger."""
        self.dropped += 1
        if self.lines is not None:
            write_row(self.lines, {"row": where, **_told(DROPPED, rule, reason)})

    def close(self) -> list[str]:
        """Write the entries that waited for the places of kept rows; returns warnings."""
        for twin, line in self.waiting:
            assert self.lines is not None
            write_row(self.lines, {**line, "kept_row": self.kept_places[twin]})
        unknown = [(each.text, name) for each in self.conditions for name in sorted(each.unknown)] if self.read else []
        warnings = [
            f"--where {text!r}: no row has the field {name!r}.{near_name(name, list(self.fields))}"
            for text, name in unknown
        ]
        if self.read and self.reasoning != "keep" and not self.thoughtful:
            where = "" if self.reasoning == "drop" else " before the last assistant turn"
            warnings.append(f"--reasoning {self.reasoning}: no row has thoughts{where}")
        if self.read and self.expands and not self.expanded:
            warnings.append("--expand-turns: no row has several assistant turns")
        return warnings


def compared(row: Row) -> str:
    """The question and the answer of a row."""
    return f"{question_of_row(row)}\n{answer_of_row(row)}".strip()


def _told(action: str, rule: str, reason: str) -> dict[str, Any]:
    return {"action": action, "rule": rule, "reason": reason}
