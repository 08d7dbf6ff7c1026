"""The conversion of `sft prep` on all cores: blocks of lines are converted in other processes, and joined in order.

What a row needs to know of earlier rows is done where they are joined: endings of ids, repeated ids, and duplicates.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from typing import Any, TextIO

from sft_cli.data.convert import Converter
from sft_cli.data.finished import finished_line, is_answered
from sft_cli.data.identity import Ids, id_key
from sft_cli.data.ids import SeenIds
from sft_cli.data.key_set import KeySet
from sft_cli.data.line_blocks import LineBlock
from sft_cli.data.row_rules import RowRules, Voice
from sft_cli.data.rows import Row, content_key
from sft_cli.data.split import part_of_content
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.jsonl import ENCODING_HINT, read_objects
from sft_cli.run.ledger import Ledger
from sft_cli.run.parallel import in_order
from sft_cli.run.seed import stable_hash

HEAD = len('{"id":"') + 16  # characters of a line before the ending of an id that was made from the prompt
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

    keys: of the ids that were made, in order. names: ids that rows have, and their places. For each row that is kept:
    its line, its part, its place, the place of its key (−1 without one) and the hash of its content.
    """

    keys: array[int]
    names: list[tuple[str, str]]
    rejected: list[tuple[str, FieldError, Any]]
    lines: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    keyed: list[int] = field(default_factory=list)
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

    def made(self, block: LineBlock) -> MadeBlock:
        """The rows of a block, and what is to be said, counted and rejected."""
        ids, names, ledger = RecordedIds(), RecordedNames(), RecordedRejections()
        made = MadeBlock(ids.keys, names.names, ledger.found, counts=ledger.counts)
        self.converter.ids, self.converter.given, self.converter.say = ids, names, made.said.append
        is_first = block.first == 1
        for number, record in read_objects(block.lines(), block.first):
            where = f"{self.path}:{number}"
            names.where, ids.last = where, -1
            ledger.count("read")
            try:
                if isinstance(record, FieldError):
                    raise record
                self._convert(record, where, number, made, ledger)
            except FieldError as error:
                ledger.reject(where, error, record if isinstance(record, dict) else None)
                self.rules.reject(where, error)
                if self.stops and error.hint and (is_first or error.hint == ENCODING_HINT):
                    made.ends_file = True  # its other lines would have the same error
                    break
            is_first = False
        made.done = self.rules.done()
        return made

    def _convert(self, record: dict[str, Any], where: str, number: int, made: MadeBlock, ledger: Ledger) -> None:
        for name in self.drop & record.keys():
            del record[name]
            made.dropped[name] += 1
        row = self.rules.kept_alone(where, self.converter.row(record, where), ledger)
        if row is None:
            return
        content = content_key(row) if self.shares or self.rules.finds_repeats else []
        key = stable_hash(content) if self.rules.finds_repeats else 0
        part = part_of_content(content, self.shares, self.seed) if self.shares else ""
        ids = self.converter.ids
        assert isinstance(ids, RecordedIds)
        made.lines.append(finished_line(self.converter.finish(row)))
        made.parts.append(part)
        made.places.append(number)
        made.keyed.append(ids.last)
        made.contents.append(key)
        ledger.count(f"written to {part}" if part else "written")
        if self.is_to_learn and not is_answered(row):
            ledger.count(NOT_ANSWERED)


# Converts the file of a converter.
FileEngine = Callable[[BlockConverter], Iterator[MadeBlock]]


@dataclass
class BlockJoiner:
    """Joins the rows of all blocks, in order, and writes them."""

    run: Voice
    ledger: Ledger
    rules: RowRules
    sinks: dict[str, TextIO]
    parts: Counter[str]
    dropped: Counter[str] = field(default_factory=Counter)
    ids: Ids = field(default_factory=Ids)
    said: set[str] = field(default_factory=set)

    @cached_property
    def keys(self) -> KeySet:
        """The keys of ids that were made."""
        return KeySet()

    @cached_property
    def names(self) -> KeySet:
        """Hashes of ids that rows have."""
        return KeySet()

    @cached_property
    def contents(self) -> KeySet:
        """Hashes of contents."""
        return KeySet()

    def convert(self, converter: BlockConverter, blocks: Iterator[LineBlock], engine: FileEngine | None = None) -> bool:
        """Convert and write the blocks of a file, the first one here; returns whether there was one.

        engine: converts all of them elsewhere, after the first has shown the format; None is this machine.
        """
        first = next(blocks, None)
        if first is None:
            return False
        made = converter.made(first)
        if engine:
            self._say(made.said)
            made_rows = engine(converter)
        else:
            made_rows = chain([made], made_by_processes(converter, blocks))
        for made in made_rows:
            self.join(made, converter.path)
            if made.ends_file:
                break
        return True

    def join(self, made: MadeBlock, path: str) -> None:
        """Take the rows of the next block."""
        import numpy as np

        self._say(made.said)
        for what, rows in made.counts.items():
            self.ledger.count(what, rows)
        self.dropped.update(made.dropped)
        repeats = np.flatnonzero(self.keys.add(np.frombuffer(made.keys, dtype=np.uint64))).tolist() if made.keys else []
        endings = {place: self.ids.ending(made.keys[place]) for place in repeats}
        self._tell_repeated_names(made.names)
        is_ended = self.ledger.on_error == "stop" and self.ledger.rejected
        for where, error, raw in made.rejected:
            self.ledger.reject(where, error, raw)
        self.rules.take(made.done)
        if made.lines and made.contents[0]:
            again = self.contents.add(np.frombuffer(made.contents, dtype=np.uint64))
            self._drop(made, again.tolist(), path)
        lines = made.lines
        if endings:
            lines = [_ended(line, endings.get(key, "")) for line, key in zip(lines, made.keyed, strict=True)]
        if self.ledger.on_error == "stop" and made.rejected:  # further rows are read only to report their errors
            first_bad = int(made.rejected[0][0].rpartition(":")[2])
            lines = lines[: bisect_left(made.places, first_bad)]
        self._write([] if is_ended else lines, made.parts)

    def _say(self, texts: list[str]) -> None:
        for text in texts:
            kind = re.sub(r"\d+", "", text.partition(" (first in ")[0])  # each process says it once, with another place
            if kind not in self.said:
                self.said.add(kind)
                self.run.say(text)

    def _tell_repeated_names(self, names: list[tuple[str, str]]) -> None:
        import numpy as np

        if not names:
            return
        hashes = b"".join(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name, _ in names)
        for place in np.flatnonzero(self.names.add(np.frombuffer(hashes, dtype=np.uint64))).tolist()[:1]:
            name, where = names[place]
            self.ids.seen.warn = self.run.warn
            self.ids.seen.tell_repeat(f"{where}: id {shown(name)}")

    def _drop(self, made: MadeBlock, is_repeat: list[bool], path: str) -> None:
        """Leave out the rows whose content came before."""
        if not any(is_repeat):
            return
        for place, drops in enumerate(is_repeat):
            if drops:
                part = made.parts[place]
                self.ledger.count(f"written to {part}" if part else "written", -1)
                self.rules.drop_repeat(f"{path}:{made.places[place]}", self.ledger)
        kept = [place for place, drops in enumerate(is_repeat) if not drops]
        made.lines = [made.lines[place] for place in kept]
        made.parts = [made.parts[place] for place in kept]
        made.keyed = [made.keyed[place] for place in kept]
        made.places = [made.places[place] for place in kept]

    def _write(self, lines: list[str], parts: list[str]) -> None:
        self.parts.update(parts)
        self.ledger.kept = self.parts.total()
        if len(self.sinks) == 1:
            next(iter(self.sinks.values())).write("".join(lines))
            return
        of_part: dict[str, list[str]] = {part: [] for part in self.sinks}
        for line, part in zip(lines, parts, strict=False):  # after a bad row there are fewer lines
            of_part[part].append(line)
        for part, own in of_part.items():
            self.sinks[part].write("".join(own))


def _ended(line: str, ending: str) -> str:
    return f"{line[:HEAD]}{ending}{line[HEAD:]}"


def made_by_processes(converter: BlockConverter, blocks: Iterator[LineBlock]) -> Iterator[MadeBlock]:
    """What becomes of each block, in order, from one process for each core."""
    _for_blocks["converter"] = converter
    for _, made in in_order(blocks, _made, lambda block: block, "converts rows"):
        yield made


_for_blocks: dict[str, BlockConverter] = {}  # for forked processes


def _made(block: LineBlock) -> MadeBlock:
    return _for_blocks["converter"].made(block)
