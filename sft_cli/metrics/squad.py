"""SQuAD's exact match and F1, as the official scripts compute them (Rajpurkar et al. 2016, 2018)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.arithmetic import f_score, ratio
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums

ARTICLES = re.compile(r"\b(a|an|the)\b")
SQUAD_PUNCTUATION = frozenset(string.punctuation)
Version = Literal["1.1", "2.0"]


def squad_normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, then without articles, one space between words."""
    bare = "".join(character for character in text.lower() if character not in SQUAD_PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", bare).split())


def squad_f1(completion: str, reference: str, version: Version = "1.1") -> float:
    """F1 of the bags of words of one answer. Without words: in 2.0 it is 1 if both have none, in 1.1 it is 0.

    Source: squad/evaluate-v1.1.py and evaluate-v2.0.py, on normalised text.
    """
    ours, theirs = squad_normalize(completion).split(), squad_normalize(reference).split()
    if version == "2.0" and not (ours and theirs):
        return float(ours == theirs)
    shared = (Counter(ours) & Counter(theirs)).total()
    return f_score(shared / len(ours), shared / len(theirs)) if shared else 0.0


@dataclass(frozen=True, kw_only=True)
class Squad(Metric):
    """SQuAD's exact match and F1, each against the best reference; for English: `token-f1` is for any script.

    A failed row has 0. Shares from 0 to 1, where the official scripts print percent.
    """

    name: ClassVar[str] = "squad"
    primary: ClassVar[str] = "squad.f1"
    primary_sums: ClassVar[tuple[str, ...]] = ("f1", "count")
    version: Version = "1.1"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The best exact match and the best F1; they may come from different references."""
        references = references_of(row)
        if not references:
            return None
        answer = answer_of(row)
        if answer is None:
            return {"exact": 0, "f1": 0.0, "count": 1, **unread(row, answer)}
        if self.version == "2.0":  # the script leaves out answers without words, unless there are no others
            references = [text for text in references if squad_normalize(text)] or [""]
        exact = squad_normalize(answer) in map(squad_normalize, references)
        return {
            "exact": int(exact),
            "f1": max(squad_f1(answer, text, self.version) for text in references),
            "count": 1,
        }

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over rows: `squad.em`, `squad.f1`."""
        parts = {"em": "exact", "f1": "f1"}
        return {f"squad.{short}": ratio(sums[part], sums["count"]) for short, part in parts.items() if part in sums}

    def signature_parts(self) -> dict[str, str]:
        """The version of the script, and that the best reference counts."""
        return {"script": self.version, "ref": "max"}
