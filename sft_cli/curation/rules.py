"""The rules of `sft prep` on rows, one after another: --where, --filter, --decontaminate, --dedup, the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TextIO

from sft_cli.curation.choice import RowChoice
from sft_cli.curation.contamination import Contamination, HeldOut, HeldOutRow
from sft_cli.curation.duplicates import DUPLICATES, Duplicate, FindsDuplicates
from sft_cli.curation.expressions import WhereCondition, read_condition
from sft_cli.curation.filters import FILTERS
from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.curation.semantic_duplicates import OpensEmbedder, SemanticDuplicates
from sft_cli.curation.settings import PrepSettings
from sft_cli.curation.training_rows import texts_of_training_row
from sft_cli.data.rows import Row, reference_texts
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import read_jsonl, write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.options import read_with_options
from sft_cli.run.registry import near_name

LONGEST_IN_LEDGER = 500  # characters of a text in the ledger
# The row or None, what was done, and what the ledger says of the last of it when all rows have been read.
Passed = tuple[Row | None, list[dict[str, Any]], Callable[[], dict[str, Any]] | None]
DROPPED, CHANGED, REJECTED, LEFT_OUT = "dropped", "changed", "rejected", "left out"


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


@dataclass
class Rules:
    """The rules that the flags ask for, and what they did.

    A row passes through them in this order: conditions, filters, held-out rows, duplicates, the choice of rows. Each
    rule that compares a row with all others needs a survey before: all rows that the rules before it keep, once, in
    their order.
    """

    conditions: list[WhereCondition] = field(default_factory=list)
    filters: list[tuple[str, RowFilter]] = field(default_factory=list)
    held_out: HeldOutFile | None = None
    finder: FindsDuplicates | None = None
    dedup_key: str = ""
    choice: RowChoice | None = None
    lines: TextIO | None = None  # of --ledger
    left_out: dict[int, Duplicate] = field(default_factory=dict)
    kept_places: dict[int, str] = field(default_factory=dict)
    # Entries that need the place of another row, which can come later.
    waiting: list[tuple[Callable[[], dict[str, Any]], dict[str, Any]]] = field(default_factory=list)
    surveyed: int = 0  # rules that have seen all rows
    seen: int = 0  # rows that came to `finder`, in this reading
    read: int = 0
    dropped: int = 0
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
        )

    @property
    def _surveyors(self) -> list[tuple[str, Any]]:
        """The rules that must see all rows, with their flags, in the order in which they act."""
        found: list[tuple[str, Any]] = [(f"--filter {key}", each) for key, each in self.filters if each.compares_rows]
        if self.finder and not self.finder.in_one_reading:
            found.append(("--dedup", self.finder))
        return [*found, (self.choice.flag, self.choice)] if self.choice else found

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
        self.read += 1
        self.fields.update(dict.fromkeys(row))
        kept, entries, other = self._alone(row, where=where)
        for entry in entries:
            self._tell(where, row, ledger, entry, other if entry is entries[-1] else None)
        if kept is None:
            return None
        if twin := self._left_out(where, kept):
            entry = _told(DROPPED, f"--dedup {self.dedup_key}", "duplicate")
            if twin.kept < 0:  # found in one reading, which does not keep the places
                self._tell(where, kept, ledger, entry)
                return None
            entry["share"] = twin.share
            text = compared(kept)[:LONGEST_IN_LEDGER] if self.lines else ""
            self._tell(where, kept, ledger, entry, lambda: {"text": text, "kept_row": self.kept_places[twin.kept]})
            return None
        if self.choice and not self.choice.keeps():
            self._tell(where, kept, ledger, _told(LEFT_OUT, self.choice.flag, "not chosen"))
            return None
        return kept

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
        for condition in self.conditions:
            if not condition.is_true(row):
                return None, [_told(DROPPED, f"--where {condition.text}", "not true")], None
        for key, each in self.filters:
            if each is until:
                return row, done, None
            if where and each.compares_rows:
                each.note_place(where, row)
            if problem := each.problem(row):
                other = partial(_other_row, each.other_row(row)) if each.compares_rows else None
                return None, [*done, _told(DROPPED, f"--filter {key}", problem)], other
            row, change = each.changed(row)
            done += [_told(CHANGED, f"--filter {key}", change)] if change else []
        if self.held_out and (found := self.held_out.held_out.found_in(texts_of_training_row(row))):
            return None, [*done, self._contaminated(max(found, key=lambda each: each.match.share))], None
        return row, done, None

    def _contaminated(self, found: Contamination) -> dict[str, Any]:
        assert self.held_out is not None
        match = found.match
        return {
            **_told(DROPPED, "--decontaminate", f"a test row: {found.part}, {match.form}"),
            "test_row": self.held_out.places[found.row],
            "share": round(match.share, 4),
            "text": match.text[:LONGEST_IN_LEDGER],
        }

    def _tell(
        self, where: str, row: Row, ledger: Ledger, entry: dict[str, Any], later: Callable[[], Any] | None = None
    ) -> None:
        """Count what was done to a row, and write its line. later: what is known only when all rows have been read."""
        ledger.count(f"{entry['action']}: {entry['rule']}: {entry['reason']}")
        self.dropped += entry["action"] == DROPPED
        if self.lines is None:
            return
        line = {"row": where, "id": row["id"], **entry}
        if later is None:
            write_row(self.lines, line)
        else:
            self.waiting.append((later, line))

    def reject(self, where: str, error: FieldError) -> None:
        """Write a bad row to --ledger."""
        if self.lines is not None:
            write_row(self.lines, {"row": where, **_told(REJECTED, "format", str(error))})

    def leave_out(self, where: str, reason: str) -> None:
        """Write a record that --keep or --keep-best leaves out to --ledger."""
        self.dropped += 1
        if self.lines is not None:
            write_row(self.lines, {"row": where, **_told(DROPPED, "--keep", reason)})

    def close(self) -> list[str]:
        """Write the entries that waited for the places of kept rows; returns warnings."""
        for later, line in self.waiting:
            assert self.lines is not None
            write_row(self.lines, {**line, **later()})
        unknown = [(each.text, name) for each in self.conditions for name in sorted(each.unknown)] if self.read else []
        return [
            f"--where {text!r}: no row has the field {name!r}.{near_name(name, list(self.fields))}"
            for text, name in unknown
        ]


def compared(row: Row) -> str:
    """The question and the answer of a row."""
    return f"{question_of_row(row)}\n{answer_of_row(row)}".strip()


def _other_row(place: Callable[[], str]) -> dict[str, Any]:
    return {"other_row": place()}


def _told(action: str, rule: str, reason: str) -> dict[str, Any]:
    return {"action": action, "rule": rule, "reason": reason}
