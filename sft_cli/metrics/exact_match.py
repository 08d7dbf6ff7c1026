"""Exact match: is the completion one of the references?"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.extract import NUMBER, check_rule, plain_number, reference_answer
from sft_cli.metrics.overlap import extract_part, references_of
from sft_cli.metrics.plain_text import collapse_space, fold_minus
from sft_cli.metrics.protocol import Metric, Sums, extract_option

ARTICLE = re.compile(r"(?<!\w)(?:a|an|the)\s+(?=[a-z0-9])")

# Between letters and digits, after them (`C++`, `C#`, `A-`), or before a bound (`<5`).
SIGN = re.compile(r"(?<=\w)[-+*/^=<>](?=\w)|(?<=\w)[-+#]+(?!\w)|[<>]=?(?=-?\d)")


def normalize_answer(text: str) -> str:
    """SQuAD's answer normalisation for any script: lower case, no punctuation, no articles, one space.

    Differences from squad/evaluate-v1.1.py: first, full-width characters become usual ones. Unicode punctuation is also
    removed (`。`, `「`). An article is removed only before a Latin word (an answer `A` stays). A text of punctuation
    only keeps it (`...` is not `!!!`).
    """
    text = collapse_space(fold_minus(text)).lower()
    return " ".join(ARTICLE.sub("", _without_punctuation(text, 0, len(text))).split()) or text


def normalize_value(text: str) -> str:
    """As `normalize_answer`, but numbers keep sign and point, and are equal by value: `-5` is not `5`, `3.50` is `3.5`.

    Signs that change a word or a formula also stay: `x+1` is not `x-1`, and `C++` is not `C`.
    """
    text = collapse_space(fold_minus(text)).lower()
    signs = {place for match in SIGN.finditer(text) for place in range(*match.span())}
    parts, done = [], 0
    for match in NUMBER.finditer(text):
        parts += [_without_punctuation(text, done, match.start(), signs), plain_number(match.group())]
        done = match.end()
    bare = "".join([*parts, _without_punctuation(text, done, len(text), signs)])
    return " ".join(ARTICLE.sub("", bare).split()) or text


class _Bare(dict[int, int | None]):
    """For str.translate, which takes a sixth of the time of a loop: None for punctuation."""

    def __missing__(self, code: int) -> int | None:
        is_dropped = chr(code) in string.punctuation or unicodedata.category(chr(code)).startswith("P")
        self[code] = None if is_dropped else code
        return self[code]


_BARE = _Bare()


def _without_punctuation(text: str, start: int, end: int, kept: Set[int] = frozenset()) -> str:
    if not kept:
        return text[start:end].translate(_BARE)
    return "".join(text[place] for place in range(start, end) if place in kept or _BARE[ord(text[place])] is not None)


NORMALIZERS: dict[str, Callable[[str], str]] = {
    "space": collapse_space,
    "answer": normalize_answer,
    "value": normalize_value,
    "none": str,
}


@dataclass(frozen=True, kw_only=True)
class ExactMatch(Metric):
    """Share of rows whose answer equals a reference.

    `normalize=space` (default) ignores only white space and full-width forms, so a wrongly formatted answer is wrong.
    `answer` also ignores case, punctuation and articles. `value` is like `answer`, but numbers keep sign and point.
    `none` compares the characters without change.
    `extract` first finds the final answer in the completion, and in a reference that has one. A completion without an
    answer is wrong and counted as `no_answer`. `extract=auto` (default) takes the row's `prediction`, or otherwise the
    whole completion.
    """

    name: ClassVar[str] = "exact-match"
    primary: ClassVar[str] = "exact_match"
    primary_sums: ClassVar[tuple[str, ...]] = ("correct", "count")
    normalize: Literal["space", "answer", "value", "none"] = "space"
    extract: str = extract_option()

    def __post_init__(self) -> None:
        check_rule(self.name, self.extract)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Whether the answer is right."""
        references = references_of(row)
        if not references:
            return None
        normalize, answer = NORMALIZERS[self.normalize], answer_of(row, self.extract)
        right = {normalize(reference_answer(self.extract, reference)) for reference in references}
        return {"correct": int(answer is not None and normalize(answer) in right), "count": 1, **unread(row, answer)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The share of right rows."""
        return {"exact_match": ratio(sums["correct"], sums["count"])}

    def signature_parts(self) -> dict[str, str]:
        """The rule that finds the answer if there is one, the normalisation, and that any reference counts."""
        return {**extract_part(self.extract), "norm": self.normalize, "ref": "any"}
