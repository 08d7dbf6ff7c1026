"""chrF and chrF++ (Popović 2015, 2017), by sacrebleu."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as option
from functools import cached_property
from typing import Any, ClassVar

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.run.errors import UserError

MOST_CHARACTERS, MOST_WORDS = 6, 2
NGRAM_COUNTS = ("predicted", "reference", "matched")


def count_names(characters: int, words: int) -> tuple[str, ...]:
    """Names of the sums, in sacrebleu's order."""
    orders = [f"char_{n}" for n in range(1, characters + 1)] + [f"word_{n}" for n in range(1, words + 1)]
    return tuple(f"{kind}:{order}" for order in orders for kind in NGRAM_COUNTS)


@dataclass(frozen=True, kw_only=True)
class Chrf(Metric):
    """chrF from 0 to 100: F2 of character n-grams over the whole file, for any script; `word_order=2` is chrF++.

    Counts of n-grams are added and the formula is applied once. With several references, the reference with the best
    score counts.
    """

    name: ClassVar[str] = "chrf"
    primary: ClassVar[str] = "chrf"
    largest: ClassVar[float | None] = 100.0
    primary_sums: ClassVar[tuple[str, ...]] = (*count_names(MOST_CHARACTERS, MOST_WORDS), "count")
    elementwise: ClassVar[bool] = False
    char_order: int = 6
    word_order: int = option(default=0, metadata={"minimum": 0})
    beta: float = 2.0

    def __post_init__(self) -> None:
        for name, most in (("char_order", MOST_CHARACTERS), ("word_order", MOST_WORDS)):
            if getattr(self, name) > most:
                raise UserError(f"chrf: {name}: expected at most {most}, got {getattr(self, name)}")

    @cached_property
    def scorer(self) -> Any:
        """sacrebleu's chrF."""
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(char_order=self.char_order, word_order=self.word_order, beta=self.beta)  # type: ignore[arg-type]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The sums that this metric has."""
        return count_names(self.char_order, self.word_order)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Numbers of n-grams in the completion, in the reference, and matched, for each order."""
        references = references_of(row)
        if not references:
            return None
        answer = answer_of(row)
        # sacrebleu uses this method to get the counts for its own bootstrap.
        counts = self.scorer._extract_corpus_statistics([answer or ""], [[text] for text in references])[0]
        none: Sums = dict.fromkeys(self.primary_sums, 0)  # for orders that are not counted
        return {**none, **dict(zip(self.names, map(int, counts), strict=True)), "count": 1, **unread(row, answer)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """chrF of added counts."""
        return {"chrf": float(self.scorer._compute_f_score([sums[name] for name in self.names]))}

    def signature_parts(self) -> dict[str, str]:
        """sacrebleu's own signature, with its version."""
        import sacrebleu

        orders = {"nc": str(self.char_order), "nw": str(self.word_order), "space": "no", "beta": f"{self.beta:g}"}
        return {"case": "mixed", "eff": "yes", **orders, "version": sacrebleu.__version__}
