"""Corpus BLEU (Papineni et al. 2002), computed by sacrebleu so that its signature is honest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.tokenizers import HAS_HAN, HAS_KANA

ORDERS = (1, 2, 3, 4)
COUNTS = tuple(f"{what}_{n}" for what in ("correct", "total") for n in ORDERS)


def tokenizer_for(texts: list[str]) -> str:
    """sacrebleu's tokenizer for the script of these texts: `char` with kana, `zh` with Chinese, else `13a`."""
    text = "".join(texts)
    return "char" if HAS_KANA.search(text) else "zh" if HAS_HAN.search(text) else "13a"


@dataclass(kw_only=True)
class Bleu(Metric):
    """BLEU from 0 to 100 over the whole file: n-gram counts and lengths are added, the formula is applied once.

    `tokenize=auto` decides by the references of the first row that has some and keeps to it; rows in another script
    are counted as `other_script`. A row's own value uses sacrebleu's effective order, as its `sentence_bleu` does.
    """

    name: ClassVar[str] = "bleu"
    primary: ClassVar[str] = "bleu"
    primary_sums: ClassVar[tuple[str, ...]] = (*COUNTS, "system_length", "reference_length", "count")
    elementwise: ClassVar[bool] = False
    counted: ClassVar[tuple[str, ...]] = ("other_script",)
    tokenize: Literal["auto", "13a", "zh", "char", "intl", "none"] = "auto"
    chosen: str = field(default="", init=False)
    reference_counts: set[int] = field(default_factory=set, init=False)

    @cached_property
    def scorer(self) -> Any:
        """sacrebleu's BLEU with the chosen tokenizer."""
        from sacrebleu.metrics.bleu import BLEU

        # force: it would otherwise warn about tokenised text, once per row.
        return BLEU(tokenize=self.chosen, force=True)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Clipped n-gram matches and n-gram totals, n from 1 to 4, and both lengths."""
        references = references_of(row)
        if not references:
            return None
        fitting = tokenizer_for(references) if self.tokenize == "auto" else self.tokenize
        self.chosen = self.chosen or fitting
        self.reference_counts.add(len(references))
        score = self.scorer.corpus_score([row["completion"] or ""], [[reference] for reference in references])
        counts = dict(zip(COUNTS, [*score.counts, *score.totals], strict=True))
        sums: Sums = {**counts, "system_length": score.sys_len, "reference_length": score.ref_len, "count": 1}
        if fitting != self.chosen:
            sums["other_script"] = 1
        return sums

    def _bleu(self, sums: Mapping[str, Any], effective_order: bool) -> float:
        from sacrebleu.metrics.bleu import BLEU

        counts = [int(sums[name]) for name in COUNTS]
        score = BLEU.compute_bleu(
            correct=counts[: len(ORDERS)],
            total=counts[len(ORDERS) :],
            sys_len=int(sums["system_length"]),
            ref_len=int(sums["reference_length"]),
            smooth_method="exp",
            effective_order=effective_order,
        )
        return min(float(score.score), 100.0)  # a perfect text comes out as 100.00000000000004

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Corpus BLEU."""
        return {"bleu": self._bleu(sums, effective_order=False)}

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Sentence BLEU: without effective order a perfect text of fewer than four tokens would get 0."""
        return {"bleu": self._bleu(sums, effective_order=True)}

    def signature_parts(self) -> dict[str, str]:
        """sacrebleu's own signature, with its version."""
        import sacrebleu

        counts = self.reference_counts
        return {
            "nrefs": str(next(iter(counts))) if len(counts) == 1 else "var",
            "case": "mixed",
            "eff": "no",
            "tok": self.chosen or self.tokenize,
            "smooth": "exp",
            "version": sacrebleu.__version__,
        }
