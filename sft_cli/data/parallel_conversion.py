"""The conversion of `sft prep` on all cores: blocks of lines are converted in other processes, and joined in order.

What a row needs to know of earlier rows is done where they are joined: endings of ids, repeated ids, and duplicates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from typing import Any, TextIO

from sft_cli.data.block_conversion import BlockConverter, MadeBlock
from sft_cli.data.identity import Ids
from sft_cli.data.key_set import KeySet
from sft_cli.data.line_blocks import LineBlock
from sft_cli.data.row_rules import RowRules, Voice
from sft_cli.run.errors import shown
from sft_cli.run.ledger import Ledger
from sft_cli.run.parallel import in_order

HEAD = len('{"id":"') + 16  # characters of a line before the ending of an id that was made from the prompt


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
        places, parts, keyed = (np.array(each, dtype=np.int64) for each in (made.places, made.parts, made.keyed))
        gone = np.zeros(len(places), dtype=bool)
        if made.contents and made.contents[0]:
            gone = self.contents.add(np.frombuffer(made.contents, dtype=np.uint64))
            for place in np.flatnonzero(gone).tolist():
                part = list(self.parts)[parts[place]]
                self.ledger.count(f"written to {part}" if part else "written", -1)
                self.rules.drop_repeat(f"{path}:{places[place]}", self.ledger)
        for number, part in enumerate(self.parts):
            self.parts[part] += int((~gone[parts == number]).sum())
        self.ledger.kept = self.parts.total()
        if self.ledger.on_error == "stop" and made.rejected:  # further rows are read only to report their errors
            gone = gone | (places > int(made.rejected[0][0].rpartition(":")[2]))
        if not is_ended:
            changed = gone | (np.isin(keyed, list(endings)) & (keyed >= 0))
            for number, part in enumerate(self.parts):
                own = np.flatnonzero(parts == number)
                ends = np.cumsum(np.array(made.sizes, dtype=np.int64)[own])
                special = {
                    int(place): None if gone[own[place]] else endings[int(keyed[own[place]])]
                    for place in np.flatnonzero(changed[own]).tolist()
                }
                self.sinks[part].write(_changed_lines(made.texts[number], ends, special))

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


def _changed_lines(text: str, ends: Any, changed: dict[int, str | None]) -> str:
    """Lines without some of them, and with the endings of ids in others.

    ends: where each line ends, int64 (lines,). changed: by the number of a line its ending, or None to leave it out.
    """
    if not changed:
        return text
    pieces, done = [], 0
    for place, ending in changed.items():
        start, stop = (int(ends[place - 1]) if place else 0), int(ends[place])
        pieces.append(text[done:start])
        if ending is not None:
            pieces.append(f"{text[start : start + HEAD]}{ending}{text[start + HEAD : stop]}")
        done = stop
    return "".join([*pieces, text[done:]])


def made_by_processes(converter: BlockConverter, blocks: Iterator[LineBlock]) -> Iterator[MadeBlock]:
    """What becomes of each block, in order, from one process for each core."""
    _for_blocks["converter"] = converter
    for _, made in in_order(blocks, _made, lambda block: block, "converts rows"):
        yield made


_for_blocks: dict[str, BlockConverter] = {}  # for forked processes


def _made(block: LineBlock) -> MadeBlock:
    return _for_blocks["converter"].made(block)
