"""Which rows are kept: a number of rows or words, divided among tasks, whatever the order of the rows is."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sft_cli.curation.choice_settings import ChoiceSettings
from sft_cli.curation.row_parts import turns_text
from sft_cli.curation.shares import filled, largest_amount, tempered, whole
from sft_cli.curation.sources import SourceNames
from sft_cli.data.rows import Row, content_key
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import UserError
from sft_cli.run.named import check_names, parse_numbers
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import counted

if TYPE_CHECKING:
    import numpy as np

MOST_SOURCES_SHOWN = 20
SOURCES_HINT = "\nhint: the name is the task of a row; for a row without a task, the name of its file without endings"


@dataclass
class RowChoice:
    """The choice that the flags ask for: `see` all rows, `end_survey`, then `keeps` for each row in the same order.

    Of each source the rows with the smallest hash of seed and content are kept. Needs 12 bytes of memory for each row,
    16 with --words.
    """

    settings: ChoiceSettings
    seed: int
    names: dict[str, int] = field(default_factory=dict)
    sources: SourceNames = field(default_factory=SourceNames)
    owners: Any = field(default_factory=lambda: array("I"))
    hashes: Any = field(default_factory=lambda: array("Q"))
    words: Any = field(default_factory=lambda: array("I"))
    chosen: Any = None  # bool (rows,)
    seen: int = 0

    @property
    def flag(self) -> str:
        """The flag that a message names."""
        return self.settings.choice_flags[0]

    def see(self, where: str, row: Row) -> None:
        """Take notice of the next row."""
        self.owners.append(self.names.setdefault(self.sources.of(where, row), len(self.names)))
        self.hashes.append(stable_hash("choice", self.seed, content_key(row)))
        if self.settings.words is not None:
            self.words.append(len(mixed(turns_text(row))))

    def end_survey(self) -> None:
        """Choose among all rows. Raises UserError for shares that do not fit the sources or the size."""
        import numpy as np

        self.chosen = np.zeros(len(self.hashes), dtype=bool)
        names = sorted(self.names)
        members = self._members(names)
        rows = [len(own) for own in members]
        costs = [np.array(self.words, dtype=np.int64)[own] for own in members] if len(self.words) else None
        sizes = [int(own.sum()) for own in costs] if costs else rows
        if not sum(sizes):
            return
        shares, amount = self._shares(names, sizes), self._amount(sizes)
        if self.settings.mix:
            amount = self._amount_in_shares(names, shares, sizes)
        amounts = filled(shares, sizes, amount)
        if costs:
            limits = amounts + 1e-6  # a product of floats can be a hair below a whole number
            pairs = zip(costs, limits, strict=True)
            counts = [int(np.searchsorted(np.cumsum(own), limit, "right")) for own, limit in pairs]
        else:
            counts = whole(amounts, rows).tolist()
        for own, count in zip(members, counts, strict=True):
            self.chosen[own[:count]] = True

    def _members(self, names: Sequence[str]) -> list[np.ndarray]:
        """The rows of each source in the order in which they are taken, without those above --most-per-task."""
        import numpy as np

        owners = np.array(self.owners, dtype=np.int64)
        order = np.lexsort((np.arange(len(owners)), np.array(self.hashes, dtype=np.uint64)))
        grouped = order[np.argsort(owners[order], kind="stable")]
        ends = np.cumsum(np.bincount(owners, minlength=len(names)))
        parts = np.split(grouped, ends[:-1])
        return [parts[self.names[name]][: self.settings.most_per_task] for name in names]

    def _shares(self, names: Sequence[str], sizes: Sequence[int]) -> list[float]:
        if self.settings.mix_temperature is not None:
            return tempered(sizes, self.settings.mix_temperature)
        if not self.settings.mix:
            return [float(size) for size in sizes]
        given = parse_numbers("--mix", self.settings.mix, may_be_zero=True)
        check_names("--mix", given, names, SOURCES_HINT)
        missing = [name for name in names if name not in given]
        if missing:
            count = counted(sum(owner == self.names[missing[0]] for owner in self.owners), "row")
            raise UserError(
                f"--mix: {missing[0]} ({count}) has no share; expected one for each of {', '.join(names[:12])}\n"
                f"hint: --mix {missing[0]}=0 leaves it out"
            )
        return [given[name] for name in names]

    def _amount(self, sizes: Sequence[int]) -> float:
        asked = self.settings.rows if self.settings.words is None else self.settings.words
        return sum(sizes) if asked is None else min(asked, sum(sizes))

    def _amount_in_shares(self, names: Sequence[str], shares: Sequence[float], sizes: Sequence[int]) -> float:
        """The size that is asked for, or the largest; raises UserError if a source has too little for its share."""
        most = largest_amount(shares, sizes)
        unit = "rows" if self.settings.words is None else "words"
        asked = self.settings.rows if self.settings.words is None else self.settings.words
        if asked is None:
            return most
        for name, share, size in zip(names, shares, sizes, strict=True):
            wanted = asked * share / sum(shares)
            if wanted >= size + 1:
                raise UserError(
                    f"--{unit} {asked}: {name} has {size:,} {unit}, its share is {wanted:,.0f}\n"
                    f"hint: --{unit} {int(most + 1e-9)} is the largest size with these shares"
                )
        return asked

    def keeps(self) -> bool:
        """Whether the next row, in the order of `see`, is kept."""
        self.seen += 1
        return bool(self.chosen[self.seen - 1])

    def lines(self) -> list[str]:
        """What is kept of each source, as text."""
        import numpy as np

        owners = np.array(self.owners, dtype=np.int64)
        all_rows = np.bincount(owners, minlength=len(self.names))
        kept = np.bincount(owners[self.chosen], minlength=len(self.names))
        total = max(int(kept.sum()), 1)
        order = sorted(self.names, key=lambda name: (-kept[self.names[name]], name))
        lines = [f"choice: {counted(int(kept.sum()), 'row')} of {len(owners):,}{self._words_kept()}"]
        for name in order[:MOST_SOURCES_SHOWN]:
            own, of = int(kept[self.names[name]]), int(all_rows[self.names[name]])
            lines.append(f"  {name}: {own / total:.1%} of the rows; {own:,} of {of:,} kept, {of - own:,} left out")
        if rest := order[MOST_SOURCES_SHOWN:]:
            own, of = (int(sum(counts[self.names[name]] for name in rest)) for counts in (kept, all_rows))
            lines.append(f"  … {len(rest):,} more: {own:,} of {of:,} kept, {of - own:,} left out")
        return [*lines, *self._too_few(int(kept.sum()))]

    def _words_kept(self) -> str:
        import numpy as np

        return f", {int(np.array(self.words, dtype=np.int64)[self.chosen].sum()):,} words" if len(self.words) else ""

    def _too_few(self, kept: int) -> list[str]:
        asked = self.settings.rows
        return [f"--rows {asked}: only {counted(kept, 'row')}, no row is repeated"] if asked and kept < asked else []
