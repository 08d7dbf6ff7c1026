"""The conversion of blocks of lines, one at a time: what other processes do for `parallel_conversion`."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sft_cli.data.convert import Converter
from sft_cli.data.finished import finished_line, is_answered
from sft_cli.data.identity import Ids, id_key
from sft_cli.data.ids import SeenIds
from sft_cli.data.line_blocks import LineBlock
from sft_cli.data.row_rules import RowRules
from sft_cli.data.rows import Row, content_key
from sft_cli.data.split import part_of_content
from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import ENCODING_HINT, read_objects
from sft_cli.run.ledger import Ledger
from sft_cli.run.seed import stable_hash

NOT_ANSWERED = "of them end with a turn without an answer; this turn is not learned"


class RecordedIds(Ids):
    """Ids without endings. keys: of the rows that were named. last: the place of the latest key, −1 without one."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.last = array("Q"), -1

    def of(self, row: Row) -> str:
        """The id, as if its prompt had not occurred before."""
        key = id_key(row)
        self.last = len(self.keys)
        self.keys.append(key)
        return f"{key:016x}"


class RecordedNames(SeenIds):
    """The ids that rows have, with their places. where: the place of the present row."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[tuple[str, str]] = []
        self.where = ""

    def add(self, name: str) -> bool:
        """Record an id; it is not known here whether it is new."""
        self.names.append((name, self.where))
        return True


class RecordedRejections(Ledger):
    """Bad rows on their way to another process."""

    def __init__(self) -> None:
        super().__init__("skip")
        self.found: list[tuple[str, FieldError, Any]] = []

    def reject(self, where: str, error: FieldError, raw: Any = None) -> None:
        """Keep it."""
        self.found.append((where, error, raw))


@dataclass
class MadeBlock:
    """What became of a block of lines.

    keys: of the ids that were made, in order. names: ids that rows have, and their places. texts: the lines of each
    part. For each row that is kept: the length of its line, the number of its part, its place, the place of its key (−1
    without one) and the hash of its content. All of it is cheap to send to another process.
    """

    keys: array[int]
    names: list[tuple[str, str]]
    rejected: list[tuple[str, FieldError, Any]]
    texts: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    parts: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    keyed: array[int] = field(default_factory=lambda: array("q"))
    contents: array[int] = field(default_factory=lambda: array("Q"))
    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    done: Any = None
    ends_file: bool = False


@dataclass
class BlockConverter:
    """Converts blocks of lines of one file; each process has its own copy. stops: --on-error stop."""

    path: str
    converter: Converter
    rules: RowRules
    shares: dict[str, float]
    seed: int
    drop: frozenset[str]
    is_to_learn: bool
    stops: bool
    ledger: RecordedRejections = field(default_factory=lambda: RecordedRejections(), init=False)  # of the present block
    lines: list[list[str]] = field(default_factory=list, init=False)  # the same, by part

    def made(self, block: LineBlock) -> MadeBlock:
        """The rows of a block, and what is to be said, counted and rejected."""
        ids, names, ledger = RecordedIds(), RecordedNames(), RecordedRejections()
        made = MadeBlock(ids.keys, names.names, ledger.found, counts=ledger.counts)
        self.ledger, self.lines = ledger, [[] for _ in self.part_numbers]
        self.converter.ids, self.converter.given, self.converter.say = ids, names, made.said.append
        is_first = block.first == 1
        for number, record in read_objects(block.lines(), block.first):
            where = f"{self.path}:{number}"
            names.where, ids.last = where, -1
            ledger.count("read")
            try:
                if isinstance(record, FieldError):
                    raise record
                self._convert(record, where, number, made)
            except FieldError as error:
                ledger.reject(where, error, record if isinstance(record, dict) else None)
                self.rules.reject(where, error)
                if self.stops and error.hint and (is_first or error.hint == ENCODING_HINT):
                    made.ends_file = True  # its other lines would have the same error
                    break
            is_first = False
        made.done = self.rules.done()
        made.texts = ["".join(own) for own in self.lines]
        return made

    def _convert(self, record: dict[str, Any], where: str, number: int, made: MadeBlock) -> None:
        for name in self.drop & record.keys():
            del record[name]
            made.dropped[name] += 1
        row = self.rules.kept_alone(where, self.converter.row(record, where), self.ledger)
        if row is None:
            return
        content = content_key(row) if self.shares or self.rules.finds_repeats else []
        key = stable_hash(content) if self.rules.finds_repeats else 0
        part = part_of_content(content, self.shares, self.seed) if self.shares else ""
        ids = self.converter.ids
        assert isinstance(ids, RecordedIds)
        line = finished_line(self.converter.finish(row))
        number_of_part = self.part_numbers[part]
        self.lines[number_of_part].append(line)
        made.sizes.append(len(line))
        made.parts.append(number_of_part)
        made.places.append(number)
        made.keyed.append(ids.last)
        made.contents.append(key)
        self.ledger.count(f"written to {part}" if part else "written")
        if self.is_to_learn and not is_answered(row):
            self.ledger.count(NOT_ANSWERED)

    @cached_property
    def part_numbers(self) -> dict[str, int]:
        """The number of each part of --split; one part without a name without it."""
        return {part: number for number, part in enumerate(self.shares or [""])}
