"""CMRC 2018's exact match and F1, as the official script computes them (Cui et al. 2019)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.arithmetic import f_score, ratio
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.run.errors import require

# The list of the script, by characters: it has no ASCII comma, full stop or bracket. Its `……` is two characters, so
# a single `…` stays.
CMRC_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CHINESE = re.compile("[\u4e00-\u9fa5]")


def cmrc_normalize(text: str) -> str:
    """Lower case, no white space around, without the script's list of punctuation."""
    return "".join(character for character in text.lower().strip() if character not in CMRC_PUNCTUATION)


@lru_cache(maxsize=64)
def cmrc_words(text: str) -> tuple[str, ...]:
    """Chinese characters one by one, and nltk's words in the text between them.

    The script uses nltk.word_tokenize, which needs a download to find sentences first. Here each part between Chinese
    characters is one sentence; the result differs if Latin text in an answer has several sentences.
    """
    words: list[str] = []
    for part in re.split(f"({CHINESE.pattern})", cmrc_normalize(text)):
        if CHINESE.fullmatch(part):
            words.append(part)
        elif part.strip():
            words += _latin_words(part)
    return tuple(words)


def _latin_words(text: str) -> list[str]:
    require("nltk", "--metric cmrc", "nltk>=3.9")
    from nltk.tokenize import NLTKWordTokenizer

    words: list[str] = NLTKWordTokenizer().tokenize(text)
    return words


def longest_common_span(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    """Length of the longest run of adjacent words that both have."""
    best, before = 0, [0] * (len(right) + 1)
    for word in left:
        now = [0] * (len(right) + 1)
        for place, other in enumerate(right, 1):
            if word == other:
                now[place] = before[place - 1] + 1
                best = max(best, now[place])
        before = now
    return best


def cmrc_f1(completion: str, reference: str) -> float:
    """F1 of the longest common span of the words of both; 0 without a common span."""
    ours, theirs = cmrc_words(completion), cmrc_words(reference)
    shared = longest_common_span(theirs, ours)
    return f_score(shared / len(ours), shared / len(theirs)) if shared else 0.0


@dataclass(frozen=True, kw_only=True)
class Cmrc(Metric):
    """CMRC 2018's exact match and F1, each against the best reference: the F1 is of the longest common span of words.

    A failed row has 0. Shares from 0 to 1, where the official script prints percent.
    """

    name: ClassVar[str] = "cmrc"
    primary: ClassVar[str] = "cmrc.f1"
    primary_sums: ClassVar[tuple[str, ...]] = ("f1", "count")

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The best exact match and the best F1; they may come from different references."""
        references = references_of(row)
        if not references:
            return None
        answer = answer_of(row)
        if answer is None:
            return {"exact": 0, "f1": 0.0, "count": 1, **unread(row, answer)}
        exact = cmrc_normalize(answer) in map(cmrc_normalize, references)
        return {"exact": int(exact), "f1": max(cmrc_f1(answer, text) for text in references), "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over rows: `cmrc.em`, `cmrc.f1`."""
        parts = {"em": "exact", "f1": "f1"}
        return {f"cmrc.{short}": ratio(sums[part], sums["count"]) for short, part in parts.items() if part in sums}

    def signature_parts(self) -> dict[str, str]:
        """The script's version, and that the best reference counts."""
        return {"script": "v5", "ref": "max"}
