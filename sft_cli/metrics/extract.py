"""Reading the final answer out of a longer text, by stated rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache

from sft_cli.metrics.json_text import json_field
from sft_cli.metrics.plain_text import MINUS, fold_minus, fold_width
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

Extractor = Callable[[str], str | None]

CURRENCY = "$€£¥₹₩₽฿"
# Superscripts, subscripts, fractions and numbers in circles: a number with one of them is another number.
OTHER_DIGITS = "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u218b\u2460-\u249b\u24ea-\u24ff\u2776-\u2793"
# Groups of three digits may be parted by commas: "1,234" is one number, "1,2" are two.
NUMBER = re.compile(
    rf"(?<![\w.])(?:-[{CURRENCY}]?)?(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?![a-z0-9{OTHER_DIGITS}]|\.\d)",
    re.IGNORECASE | re.ASCII,
)
AMOUNT = re.compile(rf"[{CURRENCY}]?\s*({NUMBER.pattern})\s*[{CURRENCY}]?\.?", re.IGNORECASE | re.ASCII)
MARKER = re.compile(
    r"####|\b(?:final\s+)?answer\s*(?:is\s*:?|[:=])|(?:最终)?答案\s*(?:是|为)?\s*[::]?|答\s*[::]", re.IGNORECASE
)
BOXED = re.compile(r"\\boxed\s*\{")


def numbers(text: str) -> list[str]:
    """Every number of a text, as plain digits: `$1,234.50` gives `1234.5`. Digits inside a word (`B12`) are none."""
    return [plain_number(number) for number in NUMBER.findall(fold_minus(text))]


def plain_number(number: str) -> str:
    """A number that `NUMBER` matches as plain digits: no commas, no currency, no zeros at its end."""
    value = Decimal(re.sub(f"[,{CURRENCY}]", "", number))
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
    """What follows the last `####`, `Answer:`, `the answer is`, `答案是` or `答:` on its line, without a full stop.

    A sum of money or another number comes as plain digits, as in `plain_amount`.
    """
    normal = fold_width(text)
    ends = [match.end() for match in MARKER.finditer(normal)]
    if not ends:
        return None
    rest = normal[ends[-1] :].strip().splitlines()
    answer = rest[0].strip().lstrip("*").rstrip("*.。").strip() if rest else ""
    return plain_amount(answer) or None


def plain_amount(text: str) -> str:
    """`$70,000` or `18.` as plain digits (`70000`, `18`), as GSM8K's answers are compared; any other text as it is."""
    match = AMOUNT.fullmatch(fold_minus(text).strip())
    return plain_number(match.group(1)) if match else text


EXTRACTORS: dict[str, Extractor] = {
    "none": str,
    "number": last_number,
    "line": last_line,
    "boxed": last_boxed,
    "marked": after_marker,
}
JSON_RULE = "json:FIELD"


@cache
def extractor(rule: str) -> Extractor | None:
    """What reads an answer by a rule: a name of `EXTRACTORS`, or `json:a.b`; None if it is neither.

    In an answer that was read, `-` stands for any minus sign before a number.
    """
    name, _, path = rule.partition(":")
    keys = path.split(".")
    read = (lambda text: json_field(text, keys)) if name == "json" and path else EXTRACTORS.get(rule)
    if read is None or rule == "none":
        return read
    return lambda text: None if (found := read(text)) is None else MINUS.sub("-", found)


def check_rule(metric: str, rule: str) -> None:
    """Raise UserError if a metric's option `extract` is no rule."""
    if rule != "auto" and extractor(rule) is None:
        known = ["auto", *EXTRACTORS, JSON_RULE]
        raise UserError(f"{metric}: extract: expected one of {', '.join(known)}, got {rule!r}.{near_name(rule, known)}")


def reference_answer(rule: str, reference: str) -> str:
    """What a reference answers by the same rule; the whole of it if the rule finds nothing in it."""
    read = extractor(rule)
    found = None if read is None else read(reference)
    if found is not None:
        return found
    return plain_amount(reference) if rule == "marked" else reference if read is None else MINUS.sub("-", reference)
