"""Exact match: is the completion one of the references?"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums

ARTICLE = re.compile(r"(?<!\w)(?:a|an|the)\s+(?=[a-z0-9])")


def collapse_space(text: str) -> str:
    """NFKC, runs of white space as one space, none at the ends. Case and punctuation stay."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def normalize_answer(text: str) -> str:
    """SQuAD's answer normalisation for any script: lower case, no punctuation, no articles, one space.

    Departures from squad/evaluate-v1.1.py: NFKC first, Unicode punctuation goes too (`。`, `「`), an article goes only
    before a Latin word (an answer `A` stays), and a text of nothing but punctuation keeps it (`...` is not `!!!`).
    """
    text = collapse_space(text).lower()
    bare = "".join(
        character
        for character in text
        if character not in string.punctuation and not unicodedata.category(character).startswith("P")
    )
    return " ".join(ARTICLE.sub("", bare).split()) or text


@dataclass(frozen=True, kw_only=True)
class ExactMatch(Metric):
    """Share of rows whose completion equals a reference.

    `normalize=space` (default) forgives white space and full-width forms only, so a wrongly formatted answer is
    wrong; `answer` also forgives case, punctuation and articles; `none` compares the characters as they are.
    """

    name: ClassVar[str] = "exact-match"
    primary: ClassVar[str] = "exact_match"
    primary_sums: ClassVar[tuple[str, ...]] = ("correct", "count")
    normalize: Literal["space", "answer", "none"] = "space"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Whether the completion is right."""
        references = references_of(row)
        if not references:
            return None
        normalizers: dict[str, Callable[[str], str]] = {
            "space": collapse_space,
            "answer": normalize_answer,
            "none": str,
        }
        normalize, completion = normalizers[self.normalize], row["completion"]
        is_right = completion is not None and normalize(completion) in map(normalize, references)
        return {"correct": int(is_right), "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The share of right rows."""
        return {"exact_match": ratio(sums["correct"], sums["count"])}

    def signature_parts(self) -> dict[str, str]:
        """The normalisation, and that any reference counts."""
        return {"norm": self.normalize, "ref": "any"}
