"""Translation edit rate (Snover et al. 2006), by sacrebleu."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.tokenizers import HAS_HAN, HAS_HANGUL, HAS_KANA


@dataclass(kw_only=True)
class Ter(Metric):
    """TER in percent: edits (also moves of spans) divided by the mean length of the references; it can exceed 100.

    `script=asian` splits Chinese, Japanese and Korean text into characters, and separates punctuation from words.
    `latin` splits at white space, like sacrebleu by default. `auto` chooses by the references of the first row that has
    references.
    """

    name: ClassVar[str] = "ter"
    primary: ClassVar[str] = "ter"
    largest: ClassVar[float | None] = None
    primary_sums: ClassVar[tuple[str, ...]] = ("edits", "reference_length", "count")
    higher_is_better: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    script: Literal["auto", "latin", "asian"] = "auto"
    chosen: str = field(default="", init=False)

    @cached_property
    def scorer(self) -> Any:
        """sacrebleu's TER for the chosen script."""
        from sacrebleu.metrics.ter import TER

        is_asian = self.chosen == "asian"
        return TER(normalized=is_asian, asian_support=is_asian)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Edits to the nearest reference, and the mean length of the references, in words."""
        references = references_of(row)
        if not references:
            return None
        answer = answer_of(row)
        if not self.chosen:
            text = "".join(references)
            is_asian = any(pattern.search(text) for pattern in (HAS_HAN, HAS_KANA, HAS_HANGUL))
            self.chosen = self.script if self.script != "auto" else "asian" if is_asian else "latin"
        # sacrebleu uses this method to get the counts for its own bootstrap.
        edits, length = self.scorer._extract_corpus_statistics([answer or ""], [[text] for text in references])[0]
        return {"edits": edits, "reference_length": length, "count": 1, **unread(row, answer)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """100 · edits / length."""
        return {"ter": float(self.scorer._compute_score_from_stats([sums["edits"], sums["reference_length"]]).score)}

    def signature_parts(self) -> dict[str, str]:
        """sacrebleu's own signature, with its version."""
        import sacrebleu

        is_asian = (self.chosen or self.script) == "asian"
        parts = {"case": "lc", "tok": "tercom", "norm": "yes" if is_asian else "no", "punct": "yes"}
        return {**parts, "asian": "yes" if is_asian else "no", "version": sacrebleu.__version__}
