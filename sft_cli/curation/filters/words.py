"""Words and patterns that a row must not have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter, RowPart, part_of_row
from sft_cli.data.rows import Row
from sft_cli.metrics.plain_text import fold_width
from sft_cli.metrics.safety.word_lists import WordList, read_word_lists
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import UserError


@dataclass(frozen=True, kw_only=True)
class WordListFilter(RowFilter):
    """Drops rows with an entry of the `lists`: a file KIND.txt or KIND.regex, or a folder of such files."""

    name: ClassVar[str] = "words"
    of: RowPart = "all"
    lists: str = ""

    def __post_init__(self) -> None:
        if not self.lists:
            raise UserError("words: lists: expected a file or a folder, got nothing\nhint: --filter words:lists=FILE")

    @cached_property
    def _lists(self) -> dict[str, WordList]:
        return read_word_lists(self.lists)

    def files(self) -> list[str]:
        """The lists."""
        return [self.lists]

    def problem(self, row: Row) -> str:
        """The list of the first entry that the text has; not the entry, which can be offensive."""
        text = fold_width(part_of_row(row, self.of))
        tokens = mixed(text)
        kind = next((kind for kind, words in self._lists.items() if words.first_in(text, tokens) is not None), "")
        return f"{self.of} has a word of the list {kind}" if kind else ""
