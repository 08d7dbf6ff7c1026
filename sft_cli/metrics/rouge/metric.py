"""ROUGE as metrics: rows in, sums and means out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from sft_cli.metrics.overlap import overlap_sums, overlap_values
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.rouge.counts import Counts, References, Scores, over_references, recall_of
from sft_cli.metrics.rouge.rouge_l import rouge_l, rouge_lsum
from sft_cli.metrics.rouge.rouge_n import rouge_n
from sft_cli.metrics.rouge.rouge_s import rouge_s, rouge_su
from sft_cli.metrics.rouge.rouge_w import rouge_w, rouge_w_155
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import Stemmer, stop_words_digest, words_of

Compat = Literal["paper", "1.5.5"]
SENTENCE_MARKS = re.compile(r"(?<=[。！？；｡…])|(?<=[.!?;])\s")


@dataclass(frozen=True, kw_only=True)
class Rouge1(Metric):
    """ROUGE-1: overlap of tokens. The file's value is the mean over rows."""

    name: ClassVar[str] = "rouge-1"
    primary: ClassVar[str] = "rouge_1.f"
    primary_sums: ClassVar[tuple[str, ...]] = ("f", "count")
    counted: ClassVar[tuple[str, ...]] = ("text_lost",)
    tokenizer: TokenizerName = "mixed"
    beta: float = 1.0
    references: References = "max"
    stem: Stemmer = "none"
    stop_words: str = ""

    @property
    def power(self) -> float:
        """The power whose inverse is applied to shares: 1, except for ROUGE-W."""
        return 1.0

    def units(self, text: str) -> Any:
        """The units that the formula counts: the tokens of the text."""
        return words_of(text, self.tokenizer, self.stem, self.stop_words)

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_n(predicted, reference, 1)

    def score(self, completion: str, references: list[str]) -> Scores:
        """Precision, recall and F against all references."""
        predicted = self.units(completion)
        counts = [self.counts(predicted, self.units(reference)) for reference in references]
        return over_references(counts, self.references, self.beta, self.power, self.rank)

    def rank(self, counts: Counts) -> float:
        """The number by which references=best-recall chooses."""
        return recall_of(counts)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Sums of precision, recall and F."""
        return overlap_sums(row, self.tokenizer, self.score)

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over rows: `.p`, `.r`, `.f`."""
        return overlap_values(self.name.replace("-", "_"), sums)

    def files(self) -> list[str]:
        """The file of the stop words."""
        return [self.stop_words] if self.stop_words else []

    def signature_parts(self) -> dict[str, str]:
        """Tokenizer, stemmer and stop words, β, how several references become one number, and the formula's options."""
        parts = {"tok": self.tokenizer, "beta": f"{self.beta:g}", "ref": self.references}
        if self.stem != "none":
            parts["stem"] = self.stem
        if self.stop_words:
            parts["stop"] = stop_words_digest(self.stop_words)
        return parts | self.formula_parts()

    def formula_parts(self) -> dict[str, str]:
        """The options of the formula only."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Rouge2(Rouge1):
    """ROUGE-2: overlap of pairs of adjacent tokens."""

    name: ClassVar[str] = "rouge-2"
    primary: ClassVar[str] = "rouge_2.f"

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_n(predicted, reference, 2)


@dataclass(frozen=True, kw_only=True)
class RougeN(Rouge1):
    """ROUGE-N: overlap of n adjacent tokens, for any n."""

    name: ClassVar[str] = "rouge-n"
    primary: ClassVar[str] = "rouge_n.f"
    n: int = 3

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_n(predicted, reference, self.n)

    def formula_parts(self) -> dict[str, str]:
        """The order of the n-grams."""
        return {"order": str(self.n)}


@dataclass(frozen=True, kw_only=True)
class RougeL(Rouge1):
    """ROUGE-L: longest common subsequence of the whole texts."""

    name: ClassVar[str] = "rouge-l"
    primary: ClassVar[str] = "rouge_l.f"

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_l(predicted, reference)


@dataclass(frozen=True, kw_only=True)
class RougeLsum(Rouge1):
    """ROUGE-Lsum: common subsequences of sentences, for summaries; ROUGE-1.5.5 calls it ROUGE-L.

    `sentences`: with `lines` each line is a sentence; with `marks` a sentence also ends after . ! ? ; and their
    full-width forms.
    """

    name: ClassVar[str] = "rouge-lsum"
    primary: ClassVar[str] = "rouge_lsum.f"
    sentences: Literal["lines", "marks"] = "lines"

    def units(self, text: str) -> Any:
        """The tokens of each sentence."""
        return [super(RougeLsum, self).units(sentence) for sentence in rouge_sentences(text, self.sentences)]

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_lsum(predicted, reference)

    def formula_parts(self) -> dict[str, str]:
        """The rule for the ends of sentences."""
        return {"sent": self.sentences}


@dataclass(frozen=True, kw_only=True)
class RougeW(Rouge1):
    """ROUGE-W: common subsequence; a run of k adjacent matches has the weight k^weight.

    `compat=1.5.5` returns the value that the Perl script prints, with one sentence per line; it differs from the paper
    (docs/metrics/rouge.md).
    """

    name: ClassVar[str] = "rouge-w"
    primary: ClassVar[str] = "rouge_w.f"
    weight: float = 1.2
    compat: Compat = "paper"

    @property
    def power(self) -> float:
        """The power whose inverse is applied to shares."""
        return self.weight

    def units(self, text: str) -> Any:
        """The tokens, or those of each line for compat=1.5.5."""
        if self.compat == "paper":
            return super().units(text)
        return [super(RougeW, self).units(line) for line in rouge_sentences(text, "lines")]

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return (rouge_w if self.compat == "paper" else rouge_w_155)(predicted, reference, self.weight)

    def rank(self, counts: Counts) -> float:
        """The recall; the script chooses the best reference before it applies the weight to the length again."""
        whole = counts.reference if self.compat == "paper" else counts.reference ** (1.0 / self.weight)
        return recall_of(counts._replace(reference=whole))

    def formula_parts(self) -> dict[str, str]:
        """The weight, and the formula: of the paper or of the script."""
        return {"weight": f"{self.weight:g}", "compat": self.compat}


@dataclass(frozen=True, kw_only=True)
class RougeS(Rouge1):
    """ROUGE-S: overlap of skip-bigrams, pairs of tokens with at most `gap` others between them (4; `none`: no limit).

    The default is ROUGE-S4, as ROUGE-1.5.5 is usually run; Lin 2004 defines S* without a limit first.
    """

    name: ClassVar[str] = "rouge-s"
    primary: ClassVar[str] = "rouge_s.f"
    gap: int | None = field(default=4, metadata={"minimum": 0})

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_s(predicted, reference, self.gap)

    def formula_parts(self) -> dict[str, str]:
        """The widest gap."""
        return {"gap": "none" if self.gap is None else str(self.gap)}


@dataclass(frozen=True, kw_only=True)
class RougeSu(RougeS):
    """ROUGE-SU: skip-bigrams and single tokens.

    `compat=1.5.5` leaves out the last token of each text, like the script.
    """

    name: ClassVar[str] = "rouge-su"
    primary: ClassVar[str] = "rouge_su.f"
    compat: Compat = "paper"

    def counts(self, predicted: Any, reference: Any) -> Counts:
        """The formula on the units of two texts."""
        return rouge_su(predicted, reference, self.gap, leaves_out_last=self.compat == "1.5.5")

    def formula_parts(self) -> dict[str, str]:
        """The widest gap, and the way to count single tokens."""
        return {**super().formula_parts(), "compat": self.compat}


def rouge_sentences(text: str, how: Literal["lines", "marks"]) -> list[str]:
    """The sentences of a text that are not empty."""
    lines = text.split("\n")
    if how == "marks":
        lines = [part for line in lines for part in SENTENCE_MARKS.split(line)]
    return [line for line in lines if line.strip()]
