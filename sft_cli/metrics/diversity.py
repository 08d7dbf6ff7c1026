"""How different the samples of one prompt are: distinct-n and self-BLEU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from sft_cli.metrics.answers import CheckedGeneration
from sft_cli.metrics.arithmetic import ratio, share
from sft_cli.metrics.bleu import Bleu, tokenizer_for
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of


def distinct(sequences: Sequence[Sequence[str]], n: int) -> float | None:
    """Different n-grams / n-grams of several token sequences together; None if no sequence is long enough.

    Source: Li et al. 2016, "A diversity-promoting objective function for neural conversation models", §5.2 (distinct-1
    and distinct-2).
    """
    ngrams = [tuple(tokens[at : at + n]) for tokens in sequences for at in range(len(tokens) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else None


def self_bleu(texts: list[str]) -> float:
    """Mean sentence BLEU (0 to 100) of each text with all others as its references, of at least two texts.

    By sacrebleu, with effective order and the tokenizer for the script of the texts. Source: Zhu et al. 2018,
    "Texygen", §2.2, which uses nltk's BLEU.
    """
    bleu = _bleu(tokenizer_for(texts))
    rows = [CheckedGeneration({"references": [*texts[:at], *texts[at + 1 :]]}, text) for at, text in enumerate(texts)]
    return math.fsum(bleu.row_values(bleu.sums(row) or {})["bleu"] for row in rows) / len(rows)


@cache
def _bleu(tokenizer: Any) -> Bleu:
    return Bleu(tokenize=tokenizer)


@dataclass(frozen=True, kw_only=True)
class Diversity(Metric):
    """How different the samples of a prompt are, mean over prompts; prompts with one completion or none are left out.

    `distinct_1`, `distinct_2` and so on up to `n`: different n-grams / n-grams of all samples of a prompt together.
    `self_bleu`: each sample against the others; lower is more diverse. Failed samples are left out.
    """

    name: ClassVar[str] = "diversity"
    primary: ClassVar[str] = "diversity.self_bleu"
    largest: ClassVar[float | None] = None
    primary_sums: ClassVar[tuple[str, ...]] = ("self_bleu", "count")
    reads: ClassVar[PartRead] = "all"
    higher_is_better: ClassVar[bool] = False
    opposite: ClassVar[tuple[str, ...]] = ("diversity.distinct",)
    missing: ClassVar[str] = "one_sample"
    counted: ClassVar[tuple[str, ...]] = ("samples",)
    of_samples: ClassVar[bool] = True
    n: int = 2
    tokenizer: TokenizerName = "mixed"

    def sample_sums(self, rows: Sequence[Mapping[str, Any]]) -> Sums | None:
        """The sums of one prompt, from all of its samples."""
        texts = [row["completion"] for row in rows if row["completion"] is not None]
        if len(texts) < 2:
            return None
        sums: Sums = {"self_bleu": self_bleu(texts), "samples": len(texts), "count": 1}
        tokens = [words_of(text, self.tokenizer) for text in texts]
        for n in range(1, self.n + 1):
            share = distinct(tokens, n)
            if share is not None:
                sums |= {f"distinct_{n}": share, f"with_{n}": 1}
        return sums

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Self-BLEU, and distinct-n over the prompts whose samples are long enough."""
        values = {"diversity.self_bleu": ratio(sums["self_bleu"], sums["count"])}
        for n in range(1, self.n + 1):
            if f"distinct_{n}" in sums:
                values[f"diversity.distinct_{n}"] = share(sums[f"distinct_{n}"], sums[f"with_{n}"])
        return values

    def signature_parts(self) -> dict[str, str]:
        """The tokenizer of distinct-n, and the version of BLEU's library."""
        import sacrebleu

        return {"tok": self.tokenizer, "bleu-tok": "script", "version": sacrebleu.__version__}
