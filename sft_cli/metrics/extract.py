"""Rules that find the final answer in a longer text."""

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
# Groups of three digits can have commas between them: "1,234" is one number, "1,2" is two numbers.
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
    """Every number of a text, as plain digits: `$1,234.50` is `1234.5`.

    Digits inside a word (`B12`) are not a number.
    """
    return [plain_number(number) for number in NUMBER.findall(fold_minus(text))]


def plain_number(number: str) -> str:
    """A number that matches `NUMBER`, as plain digits: no commas, no currency, no zeros at its end."""
    value = Decimal(re.sub(f"[,{CURRENCY}]", "", number))
    return f"{value.normalize():f}" if value else "0"


def last_number(text: str) -> str | None:
    """The last number, as `numbers` writes it; None if there is none.

    lm-evaluation-harness's `flexible-extract` for GSM8K is wider: it also takes digits inside words.
    """
    return next(reversed(numbers(text)), None)


def last_line(text: str) -> str | None:
    """The last line that is not blank, without white space around it."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else None


def last_boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{…}`, whose braces must match; the rule of MATH."""
    starts = [match.end() for match in BOXED.finditer(text)]
    for start in reversed(starts):
        depth = 1
        for place in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return text[start:place].strip()
    return None


def after_marker(text: str) -> str | None:
    """The text after the last `####`, `Answer:`, `the answer is`, `答案是` or `答:` on its line, without a full stop.

    An amount of money or another number is returned as plain digits, as in `plain_amount`.
    """
    normal = fold_width(text)
    ends = [match.end() for match in MARKER.finditer(normal)]
    if not ends:
        return None
    rest = normal[ends[-1] :].strip().splitlines()
    answer = rest[0].strip().lstrip("*").rstrip("*.。").strip() if rest else ""
    return plain_amount(answer) or None


def plain_amount(text: str) -> str:
    """`$70,000` or `18.` as plain digits (`70000`, `18`), as for answers of GSM8K; any other text unchanged."""
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
    """The function for a rule: a name of `EXTRACTORS`, or `json:a.b`; None for another name.

    In the answer, `-` replaces any minus sign before a number.
    """
    name, _, path = rule.partition(":")
    keys = path.split(".")
    read = (lambda text: json_field(text, keys)) if name == "json" and path else EXTRACTORS.get(rule)
    if read is None or rule == "none":
        return read
    return lambda text: None if (answer := read(text)) is None else MINUS.sub("-", answer)


def check_rule(metric: str, rule: str) -> None:
    """Raise UserError if the option `extract` of a metric is not a rule."""
    if rule != "auto" and extractor(rule) is None:
        known = ["auto", *EXTRACTORS, JSON_RULE]
        raise UserError(f"{metric}: extract: expected one of {', '.join(known)}, got {rule!r}.{near_name(rule, known)}")


def reference_answer(rule: str, reference: str) -> str:
    """The answer in a reference by the same rule; the whole reference if the rule finds nothing in it."""
    read = extractor(rule)
    answer = None if read is None else read(reference)
    if answer is not None:
        return answer
    return plain_amount(reference) if rule == "marked" else reference if read is None else MINUS.sub("-", reference)
