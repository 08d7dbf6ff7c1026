"""The rules of `sft prep` on rows, one after another, from --reasoning to --expand-turns."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sft_cli.curation import DUPLICATES
from sft_cli.curation.choice import RowChoice
from sft_cli.curation.duplicates import Duplicate, FindsDuplicates
from sft_cli.curation.expressions import WhereCondition, read_condition
from sft_cli.curation.filters import FILTERS
from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.held_out_file import HeldOutFile
from sft_cli.curation.row_ledger import CHANGED, DROPPED, LEFT_OUT, LONGEST_IN_LEDGER, Later, RowLedger, told
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.curation.semantic_duplicates import OpensEmbedder, SemanticDuplicates
from sft_cli.curation.settings import PrepSettings
from sft_cli.curation.thoughts import without_reasoning
from sft_cli.curation.turn_rows import first_prompt, rows_of_turns
from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger
from sft_cli.run.options import read_with_options
from sft_cli.run.registry import near_name

# The row or None, what was done, and what the ledger says of the last of it when all rows have been read.
Passed = tuple[Row | None, list[dict[str, Any]], Later | None]


@dataclass(frozen=True)
class RulesDone:
    """What rules did in another process. lines: of --ledger."""

    read: int
    dropped: int
    thoughtful: int
    fields: list[str]
    unknown: list[set[str]]
    lines: str


@dataclass
class Rules:
    """The rules that the flags ask for, and what they did.

    A row passes through them in this order: thoughts, conditions, filters, held-out rows, duplicates, the choice of
    rows, one row for each turn. Each rule that compares a row with all others needs a survey before: all rows that the
    rules before it keep, once, in their order.
    """

    conditions: list[WhereCondition] = field(default_factory=list)
    filters: list[tuple[str, RowFilter]] = field(default_factory=list)
    held_out: HeldOutFile | None = None
    finder: FindsDuplicates | None = None
    dedup_key: str = ""
    choice: RowChoice | None = None
    reasoning: str = "keep"
    expands: bool = False  # whether each assistant turn becomes a row
    learns: bool = True  # whether the rows are to learn from
    book: RowLedger = field(default_factory=RowLedger)
    left_out: dict[int, Duplicate] = field(default_factory=dict)
    kept_places: dict[int, str] = field(default_factory=dict)
    surveyed: int = 0  # rules that have seen all rows
    seen: int = 0  # rows that came to `finder`, in this reading
    read: int = 0
    expanded: int = 0
    fields: dict[str, None] = field(default_factory=dict)  # of the rows, for a suggestion

    @classmethod
    def of(cls, settings: PrepSettings, opens: OpensEmbedder | None = None) -> Rules:
        """The rules of the flags; `opens` is for --dedup semantic. Raises UserError for what cannot be read."""
        key, finder = read_with_options(settings.dedup, DUPLICATES, "--dedup") if settings.dedup else ("", None)
        if isinstance(finder, SemanticDuplicates):
            finder.opens = opens
        return cls(
            [read_condition(text) for text in settings.where],
            [read_with_options(text, FILTERS, "--filter") for text in settings.filter],
            HeldOutFile.of(settings.decontaminate) if settings.decontaminate else None,
            finder,
            key,
            RowChoice(settings, settings.seed) if settings.choice_flags else None,
            settings.reasoning,
            settings.expand_turns,
            not (settings.eval or settings.prompts),
        )

    @property
    def _surveyors(self) -> list[tuple[str, Any]]:
        """The rules that must see all rows, with their flags, in the order in which they act."""
        found: list[tuple[str, Any]] = [(f"--filter {key}", each) for key, each in self.filters if each.compares_rows]
        if self.finder and not self.finder.in_one_reading:
            found.append(("--dedup", self.finder))
        return [*found, (self.choice.flag, self.choice)] if self.choice else found

    @property
    def is_alone(self) -> bool:
        """Whether each row becomes one row or none; of the others only equal ones matter."""
        return not (self._surveyors or self.expands)

    @property
    def needs_survey(self) -> str:
        """The flag of the next rule that must see all rows; empty if all have."""
        return next((flag for flag, _ in self._surveyors[self.surveyed :]), "")

    def survey(self, where: str, row: Row) -> None:
        """Show a row to the rule of `needs_survey`, if the rules before keep it."""
        rule = self._surveyors[self.surveyed][1]
        kept = self._alone(row, rule)[0]
        if kept is None:
            return
        if not isinstance(rule, RowChoice):
            rule.see(kept)
        elif self._left_out(where, kept) is None:
            rule.see(where, kept)

    def end_survey(self) -> None:
        """The rule of `needs_survey` has seen all rows."""
        rule = self._surveyors[self.surveyed][1]
        if rule is not self.finder:
            rule.end_survey()
        elif self.finder:
            self.left_out = self.finder.duplicates()
            self.kept_places = dict.fromkeys((each.kept for each in self.left_out.values()), "")
        if self.finder:
            self.finder.forget()
        self.surveyed += 1
        self.seen = 0

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row to write, or None; what was done is counted."""
        kept = self.kept_alone(where, row, ledger)
        if kept is None:
            return None
        if twin := self._left_out(where, kept):
            if twin.kept < 0:
                self.drop_repeat(where, ledger)
                return None
            text = compared(kept)[:LONGEST_IN_LEDGER] if self.book.lines else ""
            entry = {**told(DROPPED, f"--dedup {self.dedup_key}", "duplicate"), "share": twin.share}
            self.book.tell(where, ledger, entry, lambda: {"text": text, "kept_row": self.kept_places[twin.kept]})
            return None
        if self.choice and not self.choice.keeps():
            self.book.tell(where, ledger, told(LEFT_OUT, self.choice.flag, "not chosen"))
            return None
        return kept

    def kept_alone(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row after the rules that need no other row, or None; what was done is counted."""
        self.read += 1
        self.fields.update(dict.fromkeys(row))
        kept, entries, other = self._alone(row, where=where)
        for entry in entries:
            self.book.tell(where, ledger, entry, other if entry is entries[-1] else None)
        return kept

    def drop_repeat(self, where: str, ledger: Ledger) -> None:
        """Count a row whose content came before; the place of the first is not known."""
        self.book.tell(where, ledger, told(DROPPED, f"--dedup {self.dedup_key}", "duplicate"))

    @property
    def finds_repeats(self) -> bool:
        """Whether duplicates are looked for."""
        return self.finder is not None

    def _left_out(self, where: str, row: Row) -> Duplicate | None:
        """The duplicate that a row is, or None; its number is −1 if only the reading so far is known."""
        if self.finder is None:
            return None
        if self.finder.in_one_reading:
            return Duplicate(-1) if self.finder.is_repeat(row) else None
        number = self.seen
        self.seen += 1
        if number in self.kept_places:
            self.kept_places[number] = where
        return self.left_out.get(number)

    def _alone(self, row: Row, until: Any = None, where: str = "") -> Passed:
        """The row after the rules before `until` that need no reading of their own, and what they did.

        where: the place of the row, in the last reading.
        """
        done: list[dict[str, Any]] = []
        if not (self.expands and self.reasoning == "last"):  # which turn is the last depends on the row of each turn
            bare = without_reasoning(row, self.reasoning)
            done += [self._thoughts_dropped()] if bare is not row else []
            row = bare
        for condition in self.conditions:
            if not condition.is_true(row):
                return None, [told(DROPPED, f"--where {condition.text}", "not true")], None
        for key, each in self.filters:
            if each is until:
                return row, done, None
            if where and each.compares_rows:
                each.note_place(where, row)
            if problem := each.problem(row):
                other = partial(_other_row, each.other_row(row)) if each.compares_rows else None
                return None, [*done, told(DROPPED, f"--filter {key}", problem)], other
            row, change = each.changed(row)
            done += [told(CHANGED, f"--filter {key}", change)] if change else []
        if self.held_out and (entry := self.held_out.entry(row)):
            return None, [*done, entry], None
        return row, done, None

    def rows_of(self, where: str, row: Row, ledger: Ledger) -> list[Row]:
        """The rows to write for a row that is kept; what was done is counted."""
        if not self.expands:
            return [row]
        expanded = rows_of_turns(row, self.learns)
        made = [without_reasoning(each, self.reasoning) for each in expanded]
        if any(bare is not each for bare, each in zip(made, expanded, strict=True)):
            self.book.tell(where, ledger, self._thoughts_dropped())
        if made[0]["id"] != row["id"]:
            self.expanded += 1
            entry = told(CHANGED, "--expand-turns", "one row for each assistant turn")
            self.book.tell(where, ledger, {**entry, "rows": len(made)})
        return made

    def split_by(self, row: Row) -> Row:
        """What decides the part of --split: rows of one conversation, and equal rows, are in one part."""
        return first_prompt(row) if self.expands else row

    def change(self, where: str, ledger: Ledger, rule: str, reason: str) -> None:
        """Count a change of a row that is written."""
        self.book.tell(where, ledger, told(CHANGED, rule, reason))

    def _thoughts_dropped(self) -> dict[str, Any]:
        return told(CHANGED, f"--reasoning {self.reasoning}", "thoughts dropped")

    def reject(self, where: str, error: FieldError) -> None:
        """Write a bad row to --ledger."""
        self.book.reject(where, error)

    def leave_out(self, where: str, rule: str, reason: str) -> None:
        """Write a record that --keep, --keep-best or --read-questions leaves out to --ledger."""
        self.book.leave_out(where, rule, reason)

    def for_blocks(self) -> Rules:
        """The same rules for another process: what they do is in `done`."""
        return dataclasses.replace(self, book=self.book.for_blocks(), read=0, fields={})

    def done(self) -> RulesDone:
        """What the rules did since the last call, in a form that can be pickled."""
        book, unknown = self.book, [set(each.unknown) for each in self.conditions]
        lines = book.lines.getvalue() if isinstance(book.lines, io.StringIO) else ""
        done = RulesDone(self.read, book.dropped, book.thoughtful, list(self.fields), unknown, lines)
        self.read, self.fields, self.book = 0, {}, book.for_blocks()
        return done

    def take(self, other: RulesDone) -> None:
        """Add what the same rules did in another process."""
        self.read += other.read
        self.book.dropped += other.dropped
        self.book.thoughtful += other.thoughtful
        self.fields.update(dict.fromkeys(other.fields))
        for mine, theirs in zip(self.conditions, other.unknown, strict=True):
            mine.unknown &= theirs
        if self.book.lines is not None:
            self.book.lines.write(other.lines)

    def close(self) -> list[str]:
        """Write the entries that waited for the places of other rows; returns warnings."""
        self.book.write_waiting()
        unknown = [(each.text, name) for each in self.conditions for name in sorted(each.unknown)] if self.read else []
        warnings = [
            f"--where {text!r}: no row has the field {name!r}.{near_name(name, list(self.fields))}"
            for text, name in unknown
        ]
        if self.read and self.reasoning != "keep" and not self.book.thoughtful:
            where = "" if self.reasoning == "drop" else " before the last assistant turn"
            warnings.append(f"--reasoning {self.reasoning}: no row has thoughts{where}")
        if self.read and self.expands and not self.expanded:
            warnings.append("--expand-turns: no row has several assistant turns")
        return warnings


def compared(row: Row) -> str:
    """The question and the answer of a row."""
    return f"{question_of_row(row)}\n{answer_of_row(row)}".strip()


def _other_row(place: Any) -> dict[str, Any]:
    return {"other_row": place()}
