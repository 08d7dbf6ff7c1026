"""The writing system of a text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter, RowPart, part_of_row
from sft_cli.data.rows import Row
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name
from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

WRITING_SYSTEMS = {
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff",
    "han": HAN_RANGES,
    "kana": KANA,
    "hangul": HANGUL,
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "arabic": "\u0600-\u06ff\u0750-\u077f",
    "hebrew": "\u0590-\u05ff",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
}
PATTERNS = {name: re.compile(f"[{ranges}]") for name, ranges in WRITING_SYSTEMS.items()}


def script_shares(text: str) -> dict[str, float]:
    """The share of the letters in each writing system, the largest first; `other` for systems that are not listed."""
    if text.isascii():  # most of the time of a long file is here
        return {"latin": 1.0} if PATTERNS["latin"].search(text) else {}
    letters = sum(map(str.isalpha, text))
    counts = Counter({name: len(pattern.findall(text)) for name, pattern in PATTERNS.items()})
    known = counts.total()
    counts["other"] = max(letters - known, 0)
    total = max(counts.total(), 1)
    return {name: count / total for name, count in counts.most_common() if count}


@dataclass(frozen=True, kw_only=True)
class ScriptFilter(RowFilter):
    """Keeps rows whose answer (of=question, of=all) is in the writing system `only`: latin, han, kana, cyrillic, ….

    Several systems are joined by a slash: `only=han/kana`. `least`: share of the letters that must be in them. A text
    without letters is kept. The writing system does not tell English from French.
    """

    name: ClassVar[str] = "script"
    of: RowPart = "answer"
    only: str = "latin"
    least: float = field(default=0.5)

    def __post_init__(self) -> None:
        for each in self.only.split("/"):
            if each not in WRITING_SYSTEMS:
                raise UserError(
                    f"script: only: expected writing systems such as {'/'.join(WRITING_SYSTEMS)}, got {each!r}."
                    f"{near_name(each, list(WRITING_SYSTEMS))}"
                )

    def problem(self, row: Row) -> str:
        """Whether fewer letters than `least` are in the systems of `only`."""
        shares = script_shares(part_of_row(row, self.of))
        if not shares or sum(shares.get(each, 0.0) for each in self.only.split("/")) >= self.least:
            return ""
        return f"{self.of} is not in {self.only}"
