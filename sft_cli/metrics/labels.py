"""Labels: the rule by which two are one class, and the label that a text names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from sft_cli.metrics.plain_text import collapse_space, fold_minus
from sft_cli.run.writing_systems import NO_WORD_GAPS

INVALID = "__invalid__"
ARROW = "→"
# Characters of a label that are not letters or digits: `-1`, `<5`, `$3`, and `C++`, `C#`, `A-`, `5%`, `3°`.
SIGN_BEFORE = re.compile(r"[-+<>=≤≥≠±~$€£¥]+(?=[.,]?\d)")
SIGN_AFTER = re.compile(r"(?<=\w)[-+#%‰°′″$€£¥]+")

Naming = Callable[[str], str]


def class_name(text: str) -> str:
    """A label as a class: usual widths, case folded, one space between words, no punctuation around it except signs."""
    folded = _without_case(text)
    start, stop = 0, len(folded)
    while start < stop and not folded[start].isalnum() and not SIGN_BEFORE.match(folded, start):
        start += 1
    while stop > start and not (folded[stop - 1].isalnum() or unicodedata.category(folded[stop - 1]).startswith("M")):
        stop -= 1
    sign = SIGN_AFTER.match(folded, stop)
    return folded[start : sign.end() if sign else stop] or folded


def _without_case(text: str) -> str:
    return _plain_label(text).casefold()


def _plain_label(text: str) -> str:
    return collapse_space(fold_minus(text)).replace(ARROW, "->")


def _exact(text: str) -> str:
    return text.replace(ARROW, r"\u2192")  # a cell of the confusion matrix is `right→read`


NAMINGS: tuple[Naming, ...] = (class_name, _without_case, _plain_label, _exact)
CASELESS = (class_name, _without_case)


def naming_of(labels: Sequence[str]) -> Naming:
    """The function from labels to classes: the least strict one that keeps these labels different."""
    return _naming_of(tuple(labels))


@lru_cache(maxsize=4096)
def _naming_of(labels: tuple[str, ...]) -> Naming:
    different = set(labels)
    apart = (naming for naming in NAMINGS if len(set(map(naming, different))) == len(different))
    return next(apart, _exact)


@lru_cache(maxsize=4096)
def _mention(label: str, is_caseless: bool) -> re.Pattern[str]:
    """The place where a text names a label: as a whole word, not within a longer number, and not before a sign."""
    # A label of one letter keeps its case: "a" is an ordinary word in most answers.
    flags = re.IGNORECASE if is_caseless and len(label) > 1 else 0
    before = r"(?<!\d)(?<!\d[.,])" if label[:1].isdigit() else ""
    after = r"(?!\d)(?![.,]\d)" if label[-1:].isdigit() else ""
    if not NO_WORD_GAPS.search(label):
        # A sign makes a different label: -1 is not 1, and C# is not C. A hyphen between words is not a sign.
        before += r"(?<!\w)" + (r"(?<!(?<!\w)[-+])" if label[:1].isdigit() else "")
        after += r"(?!\w)(?![+#]+(?!\w))"
    return re.compile(before + re.escape(label) + after, flags)


def read_label(text: str, labels: Sequence[str]) -> tuple[str, str]:
    """The class that a text names, and the rule that found it.

    `exact`: the text is a label, without regard to case, white space and punctuation around it (unless labels differ
    only in these). `mention`: the label that occurs first as a whole word (Chinese, Japanese and Korean labels: as a
    substring), the longest if several start there. `none`: the class is `__invalid__`.
    """
    naming = naming_of(labels)
    whole = naming(text)
    if whole in map(naming, labels):
        return whole, "exact"
    plain, is_caseless = _plain_label(text), naming in CASELESS
    mentions = [
        (match.start(), -len(label), label)
        for label in labels
        if (name := _plain_label(label)) and (match := _mention(name, is_caseless).search(plain))
    ]
    return (naming(min(mentions)[2]), "mention") if mentions else (INVALID, "none")
