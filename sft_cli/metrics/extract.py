"""Reading the final answer out of a longer completion, by stated rules."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

ExtractorName = Literal["none", "number", "line", "boxed", "marked"]
Extractor = Callable[[str], str | None]

# Groups of three digits may be parted by commas: "1,234" is one number, "1,2" are two.
NUMBER = re.compile(
    r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?![a-z0-9]|\.\d)", re.IGNORECASE | re.ASCII
)
MARKER = re.compile(
    r"####|\b(?:final\s+)?answer\s*(?:is\s*:?|[:=])|(?:最终)?答案\s*(?:是|为)?\s*[::]?|答\s*[::]", re.IGNORECASE
)
BOXED = re.compile(r"\\boxed\s*\{")


def numbers(text: str) -> list[str]:
    """Every number of a text, as plain digits: `$1,234.50` gives `1234.5`. Digits inside a word (`B12`) are none."""
    return [plain_number(number) for number in NUMBER.findall(unicodedata.normalize("NFKC", text))]


def plain_number(number: str) -> str:
    """A number that `NUMBER` matches as plain digits: no commas, no zeros at its end."""
    value = Decimal(number.replace(",", ""))
    return f"{value.normalize():f}" if value else "0"


def last_number(text: str) -> str | None:
    """The last number, as `numbers` writes it; None if there is none.

    lm-evaluation-harness's `flexible-extract` for GSM8K is wider: it takes digits inside words too.
    """
    return next(reversed(numbers(text)), None)


def last_line(text: str) -> str | None:
    """The last line that is not blank, without white space around it."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else None


def last_boxed(text: str) -> str | None:
    r"""What the last `\boxed{…}` holds, whose braces must match; MATH's rule."""
    starts = [match.end() for match in BOXED.finditer(text)]
    for start in reversed(starts):
        depth = 1
        for place in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return text[start:place].strip()
    return None


def after_marker(text: str) -> str | None:
    """What follows the last `####`, `Answer:`, `the answer is`, `答案是` or `答:` on its line, without a full stop."""
    normal = unicodedata.normalize("NFKC", text)
    ends = [match.end() for match in MARKER.finditer(normal)]
    if not ends:
        return None
    rest = normal[ends[-1] :].strip().splitlines()
    answer = rest[0].strip().lstrip("*").rstrip("*.。").strip() if rest else ""
    return answer or None


def without_thinking(text: str) -> str:
    """What follows the last `</think>`; nothing if the text was cut while it thought."""
    _, end, rest = text.rpartition("</think>")
    return rest if end or "<think>" not in text else ""


EXTRACTORS: dict[str, Extractor] = {
    "none": str,
    "number": last_number,
    "line": last_line,
    "boxed": last_boxed,
    "marked": after_marker,
}
