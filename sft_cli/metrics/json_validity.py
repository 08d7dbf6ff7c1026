"""Is the completion JSON: by itself, inside a code fence, or somewhere in the text?"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, Sums

FENCE = re.compile(r"```[ \t]*[\w-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
MOST_STARTS = 1000  # brackets tried per text: a wall of `[` must not take quadratic time
LEVELS = ("raw", "fenced", "embedded")


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_reject)


def is_json(text: str, kind: str = "container") -> bool:
    """Whether the whole text is one JSON value (RFC 8259: no NaN, no Infinity); `container`: an object or array."""
    try:
        value = json.loads(text, parse_constant=_reject)
    except (ValueError, RecursionError):
        return False
    return kind == "any" or isinstance(value, (dict, list))


def embedded_values(text: str) -> Iterator[Any]:
    """The objects and arrays that a text holds, from each bracket on that begins one."""
    for start in list(re.finditer(r"[{\[]", text))[:MOST_STARTS]:
        with contextlib.suppress(ValueError, RecursionError):
            yield DECODER.raw_decode(text, start.start())[0]


def first_json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object that a text holds; None without one."""
    return next((value for value in embedded_values(text) if isinstance(value, dict)), None)


def json_level(text: str, kind: str = "container") -> str | None:
    """The first that holds: `raw`, the whole text is JSON; `fenced`, a code fence is; `embedded`, a part is; None.

    An embedded part is an object or a non-empty array of anything but one bare number, as `[1]` is a footnote.
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
    """Shares of rows that are JSON at each level or a stricter one; needs no reference. A failed row is not JSON.

    `kind=any` also lets a bare string, number, true, false or null pass as JSON.
    """

    name: ClassVar[str] = "json-validity"
    primary: ClassVar[str] = "json_validity.raw"
    primary_sums: ClassVar[tuple[str, ...]] = ("raw", "count")
    kind: Literal["container", "any"] = "container"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """1 for each level that the completion reaches."""
        level = None if row["completion"] is None else json_level(row["completion"], self.kind)
        reached = LEVELS.index(level) if level else len(LEVELS)
        return {**{name: int(reached <= place) for place, name in enumerate(LEVELS)}, "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The share of rows at each level: `raw` ≤ `fenced` ≤ `embedded`."""
        return {f"json_validity.{level}": ratio(sums[level], sums["count"]) for level in LEVELS if level in sums}

    def signature_parts(self) -> dict[str, str]:
        """What passes as JSON."""
        return {"kind": self.kind}
