"""F1 of the bags of tokens, as in question answering (Rajpurkar et al. 2016, "SQuAD", §6.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import f_score
from sft_cli.metrics.extract import check_rule
from sft_cli.metrics.overlap import Scores, extract_part, overlap_sums, overlap_values
from sft_cli.metrics.protocol import Metric, Sums, extract_option
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of


def bag_overlap(predicted: list[str], reference: list[str]) -> Scores:
    """Precision, recall and F1 of two bags of tokens.

    1 if both are empty (the rule of SQuAD 2.0), 0 if one is empty.
    """
    if not predicted or not reference:
        both = float(predicted == reference)
        return both, both, both
    shared = (Counter(predicted) & Counter(reference)).total()
    precision, recall = shared / len(predicted), shared / len(reference)
    return precision, recall, f_score(precision, recall)


@dataclass(frozen=True, kw_only=True)
class TokenF1(Metric):
    """Token F1 against the best reference. Differs from SQuAD: tokens in any script, and articles count."""

    name: ClassVar[str] = "token-f1"
    primary: ClassVar[str] = "token_f1.f"
    primary_sums: ClassVar[tuple[str, ...]] = ("f", "count")
    counted: ClassVar[tuple[str, ...]] = ("text_lost",)
    tokenizer: TokenizerName = "mixed"
    extract: str = extract_option()

    def __post_init__(self) -> None:
        check_rule(self.name, self.extract)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Sums of precision, recall and F1."""
        return overlap_sums(row, self.tokenizer, self.score, self.extract)

    def score(self, completion: str, references: list[str]) -> Scores:
        """The three numbers of the reference with the highest F1."""
        predicted = words_of(completion, self.tokenizer)
        scores = (bag_overlap(predicted, words_of(reference, self.tokenizer)) for reference in references)
        return max(scores, key=lambda three: three[2])

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over rows: `.p`, `.r`, `.f`."""
        return overlap_values("token_f1", sums)

    def signature_parts(self) -> dict[str, str]:
        """The rule that finds the answer if there is one, the tokenizer, and that the best reference counts."""
        return {**extract_part(self.extract), "tok": self.tokenizer, "ref": "max"}
