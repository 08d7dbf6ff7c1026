"""Is the completion JSON: as a whole, inside a code fence, or somewhere in the text?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.json_text import FENCE, embedded_values, is_json
from sft_cli.metrics.protocol import Metric, PartRead, Sums

LEVELS = ("raw", "fenced", "embedded")


def json_level(text: str, kind: str = "container") -> str | None:
    """The first that is true: `raw`, the whole text is JSON; `fenced`, a code fence is; `embedded`, a part is; or None.

    An embedded part is an object or a non-empty array. An array of one number does not count: `[1]` is a footnote.
    """
    if is_json(text.strip(), kind):
        return "raw"
    if any(is_json(content, kind) for content in FENCE.findall(text)):
        return "fenced"
    for value in embedded_values(text):
        is_footnote = isinstance(value, list) and (not value or (len(value) == 1 and isinstance(value[0], int)))
        if not is_footnote:
            return "embedded"
    return None


@dataclass(frozen=True, kw_only=True)
class JsonValidity(Metric):
    """Shares of rows that are JSON at a level or at a stricter level; needs no reference. A failed row is not JSON.

    `kind=any` also accepts a single string, number, true, false or null as JSON.
    """

    name: ClassVar[str] = "json-validity"
    primary: ClassVar[str] = "json_validity.raw"
    primary_sums: ClassVar[tuple[str, ...]] = ("raw", "count")
    reads: ClassVar[PartRead] = "text"
    kind: Literal["container", "any"] = "container"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """1 for each level that the completion reaches."""
        text = said(row)
        level = None if text is None else json_level(text, self.kind)
        reached = LEVELS.index(level) if level else len(LEVELS)
        return {**{name: int(reached <= place) for place, name in enumerate(LEVELS)}, "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The share of rows at each level: `raw` ≤ `fenced` ≤ `embedded`."""
        return {f"json_validity.{level}": ratio(sums[level], sums["count"]) for level in LEVELS if level in sums}

    def signature_parts(self) -> dict[str, str]:
        """The values that count as JSON."""
        return {"kind": self.kind}
