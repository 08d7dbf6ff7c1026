"""How far the samples of one prompt agree with each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of, said
from sft_cli.metrics.arithmetic import ratio, share
from sft_cli.metrics.exact_match import NORMALIZERS
from sft_cli.metrics.extract import check_rule, reference_answer
from sft_cli.metrics.overlap import extract_part, references_of
from sft_cli.metrics.protocol import Metric, Sums, extract_option
from sft_cli.metrics.token_f1 import bag_overlap
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of


def majority_share(answers: Sequence[str | None]) -> float:
    """Share of the samples with the most frequent answer; no answer (None) agrees with nothing.

    Source: Wang et al. 2023, "Self-consistency improves chain of thought reasoning", §3.5 (there called consistency).
    """
    return max((*_groups(answers), 0)) / len(answers)


def pairwise_agreement(answers: Sequence[str | None]) -> float:
    """Share of the pairs of samples with the same answer, of at least two samples."""
    return sum(size * (size - 1) for size in _groups(answers)) / (len(answers) * (len(answers) - 1))


def answer_entropy(answers: Sequence[str | None]) -> float:
    """−Σ p·ln p over the different answers, in nats; each missing answer (None) counts as a different answer."""
    shares = [size / len(answers) for size in (*_groups(answers), *[1] * answers.count(None))]
    return math.fsum(-share * math.log(share) for share in shares if share < 1)


def mean_pairwise_f1(completions: Sequence[str | None], tokenizer: TokenizerName = "mixed") -> float:
    """Mean token F1 of all pairs of at least two samples; 0 for pairs with a failed sample (None)."""
    pairs = list(combinations(_bags(completions, tokenizer), 2))
    return math.fsum(_f1(a, b) for a, b in pairs) / len(pairs)


def nearest_to_all(completions: Sequence[str | None], tokenizer: TokenizerName = "mixed") -> int:
    """The place of the sample with the highest mean token F1 to the others; of equal samples the first.

    Source: minimum Bayes risk decoding, Kumar & Byrne 2004, with token F1 as the gain.
    """
    bags = _bags(completions, tokenizer)
    gains = [
        math.fsum(_f1(bag, other) for at, other in enumerate(bags) if at != place) for place, bag in enumerate(bags)
    ]
    return max(range(len(bags)), key=lambda place: (completions[place] is not None, gains[place], -place))


def _bags(completions: Sequence[str | None], tokenizer: TokenizerName) -> list[list[str] | None]:
    return [None if text is None else words_of(text, tokenizer) for text in completions]


def _f1(first: list[str] | None, second: list[str] | None) -> float:
    return 0.0 if first is None or second is None else bag_overlap(first, second)[2]


def _groups(answers: Sequence[str | None]) -> list[int]:
    return list(Counter(answer for answer in answers if answer is not None).values())


@dataclass(frozen=True, kw_only=True)
class Consistency(Metric):
    """How far the samples of a prompt agree, mean over prompts; prompts with one sample are left out and counted.

    Two answers are the same if they are equal after `extract` and `normalize`. A failed sample, or a sample without an
    answer, agrees with no other. `pairwise_f1` is for free text: the mean token F1 of all pairs of whole texts.
    `majority_correct`: whether the most frequent answer (of equally frequent answers the first) is a reference.
    """

    name: ClassVar[str] = "consistency"
    primary: ClassVar[str] = "consistency.majority"
    primary_sums: ClassVar[tuple[str, ...]] = ("majority", "count")
    opposite: ClassVar[tuple[str, ...]] = ("consistency.entropy",)
    missing: ClassVar[str] = "one_sample"
    counted: ClassVar[tuple[str, ...]] = ("samples", "no_answer")
    of_samples: ClassVar[bool] = True
    extract: str = extract_option()
    normalize: Literal["space", "answer", "value", "none"] = "value"
    tokenizer: TokenizerName = "mixed"

    def __post_init__(self) -> None:
        check_rule(self.name, self.extract)

    def sample_sums(self, rows: Sequence[Mapping[str, Any]]) -> Sums | None:
        """The sums of one prompt, from all of its samples."""
        if len(rows) < 2:
            return None
        normalize = NORMALIZERS[self.normalize]
        read = [answer_of(row, self.extract) for row in rows]
        answers = [None if answer is None else normalize(answer) for answer in read]
        sums: Sums = {
            "majority": majority_share(answers),
            "agreement": pairwise_agreement(answers),
            "entropy": answer_entropy(answers),
            "pairwise_f1": mean_pairwise_f1([said(row) for row in rows], self.tokenizer),
            "samples": len(rows),
            "count": 1,
        }
        if None in answers:
            sums["no_answer"] = answers.count(None)
        references = references_of(rows[0])
        if references:
            right = {normalize(reference_answer(self.extract, reference)) for reference in references}
            voted = Counter(answer for answer in answers if answer is not None).most_common(1)
            sums |= {"majority_correct": int(bool(voted) and voted[0][0] in right), "with_references": 1}
        return sums

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over prompts."""
        parts = ("majority", "agreement", "entropy", "pairwise_f1")
        values = {f"consistency.{part}": ratio(sums[part], sums["count"]) for part in parts if part in sums}
        if "majority_correct" in sums:
            values["consistency.majority_correct"] = share(sums["majority_correct"], sums["with_references"])
        return values

    def signature_parts(self) -> dict[str, str]:
        """The rule by which two answers are the same, and the tokenizer of the pairwise F1."""
        return {**extract_part(self.extract), "norm": self.normalize, "tok": self.tokenizer}
