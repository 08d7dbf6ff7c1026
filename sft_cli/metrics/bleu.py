"""Corpus BLEU (Papineni et al. 2002), from sacrebleu's counts, so that its signature is valid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of, unread
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.tokenizers import HAS_HAN, HAS_KANA
from sft_cli.run.errors import UserError

NGRAM_ORDERS = (1, 2, 3, 4)
COUNTS = tuple(f"{what}_{n}" for what in ("correct", "total") for n in NGRAM_ORDERS)
SMOOTHING_DEFAULTS = {"floor": 0.1, "add-k": 1.0}  # Chen and Cherry 2014, methods 1 and 2


def tokenizer_for(texts: list[str]) -> str:
    """sacrebleu's tokenizer for the script of these texts: `char` with kana, `zh` with Chinese, otherwise `13a`."""
    text = "".join(texts)
    return "char" if HAS_KANA.search(text) else "zh" if HAS_HAN.search(text) else "13a"


def weighted_mean(precisions: list[float], weights: tuple[float, ...], penalty: float) -> float:
    """BP·exp(Σ w_n·log p_n / Σ w_n), in the unit of the precisions; 0 if a precision with a weight is 0.

    Source: Papineni et al. 2002, §2.3, whose weights sum to 1.
    """
    pairs = [(p, w) for p, w in zip(precisions, weights, strict=False) if w]
    if not pairs or any(p <= 0 for p, _ in pairs):
        return 0.0
    return penalty * math.exp(math.fsum(w * math.log(p) for p, w in pairs) / math.fsum(w for _, w in pairs))


@dataclass(kw_only=True)
class Bleu(Metric):
    """BLEU from 0 to 100 over the whole file: n-gram counts and lengths are added, the formula is applied once.

    `tokenize=auto` chooses by the references of the first row that has references, for all rows; rows in another script
    are counted as `other_script`. `weights=1/1/0/0` are the weights of the orders of n-grams, `smooth` is sacrebleu's.
    The value of a row uses sacrebleu's effective order, like its `sentence_bleu`.
    """

    name: ClassVar[str] = "bleu"
    primary: ClassVar[str] = "bleu"
    largest: ClassVar[float | None] = 100.0
    primary_sums: ClassVar[tuple[str, ...]] = (*COUNTS, "system_length", "reference_length", "count")
    elementwise: ClassVar[bool] = False
    counted: ClassVar[tuple[str, ...]] = ("other_script",)
    tokenize: Literal[
        "auto", "13a", "zh", "char", "intl", "none", "ja-mecab", "ko-mecab", "spm", "flores101", "flores200"
    ] = "auto"
    smooth: Literal["exp", "floor", "add-k", "none"] = "exp"
    smooth_value: float = 0.0
    weights: str = ""
    chosen: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.smooth_value and self.smooth not in SMOOTHING_DEFAULTS:
            raise UserError(
                f"bleu: smooth_value: expected smooth=floor or smooth=add-k with it, got smooth={self.smooth}"
            )
        self.chosen = "" if self.tokenize == "auto" else self.tokenize
        _ = self.order_weights

    @property
    def is_settled(self) -> bool:
        """Whether the tokenizer is chosen."""
        return bool(self.chosen)

    @cached_property
    def order_weights(self) -> tuple[float, ...]:
        """The weight of each order of n-grams, 1 to at most 4."""
        if not self.weights:
            return (1.0,) * len(NGRAM_ORDERS)
        try:
            weights = tuple(float(part) for part in self.weights.split("/"))
        except ValueError:
            weights = ()
        if not 1 <= len(weights) <= len(NGRAM_ORDERS) or min(weights) < 0 or not 0 < sum(weights) < math.inf:
            raise UserError(
                "bleu: weights: expected 1 to 4 numbers of at least 0, at least one above 0, such as 0.5/0.5, "
                f"got {self.weights!r}"
            )
        return weights

    @cached_property
    def scorer(self) -> Any:
        """sacrebleu's BLEU with the chosen tokenizer. Raises UserError if it needs a package that is not installed."""
        from sacrebleu.metrics.bleu import BLEU

        try:
            # force: otherwise it would warn about tokenised text, once per row.
            return BLEU(tokenize=self.chosen, force=True)
        except (ImportError, OSError, RuntimeError) as error:
            package = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]"}.get(self.chosen, "sentencepiece")
            said = str(error).strip().partition("\n")[0]
            raise UserError(f"bleu: tokenize={self.chosen}: {said}\nhint: pip install '{package}'") from None

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Clipped n-gram matches and n-gram totals, n from 1 to 4, and both lengths."""
        references = references_of(row)
        if not references:
            return None
        answer = answer_of(row)
        fitting = tokenizer_for(references) if self.tokenize == "auto" else self.tokenize
        self.chosen = self.chosen or fitting
        score = self.scorer.corpus_score([answer or ""], [[reference] for reference in references])
        counts = dict(zip(COUNTS, [*score.counts, *score.totals], strict=True))
        sums: Sums = {**counts, "system_length": score.sys_len, "reference_length": score.ref_len, "count": 1}
        sums |= unread(row, answer)
        sums[f"refs:{len(references)}"] = 1
        if fitting != self.chosen:
            sums["other_script"] = 1
        return sums

    def _bleu(self, sums: Mapping[str, Any], effective_order: bool) -> dict[str, Any]:
        from sacrebleu.metrics.bleu import BLEU

        counts = [int(sums[name]) for name in COUNTS]
        orders, weights = len(self.order_weights), self.order_weights
        score = BLEU.compute_bleu(
            # New lists, because add-k smoothing changes its arguments.
            correct=list(counts[:orders]),
            total=list(counts[len(NGRAM_ORDERS) : len(NGRAM_ORDERS) + orders]),
            sys_len=int(sums["system_length"]),
            ref_len=int(sums["reference_length"]),
            smooth_method=self.smooth,
            smooth_value=self.smooth_value or None,
            effective_order=effective_order,
            max_ngram_order=orders,
        )
        value = float(score.score)
        if len(set(weights)) > 1:
            totals = counts[len(NGRAM_ORDERS) : len(NGRAM_ORDERS) + orders]
            present = orders if not effective_order else max(1, sum(total > 0 for total in totals))
            value = weighted_mean(score.precisions, weights[:present], score.bp)
        value = min(value, 100.0)  # the value of a perfect text is 100.00000000000004
        return {"bleu": value, "bleu.brevity_penalty": float(score.bp)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Corpus BLEU, and its brevity penalty from 0 to 1."""
        return self._bleu(sums, effective_order=False)

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Sentence BLEU: without effective order a perfect text of fewer than four tokens would get 0."""
        return {"bleu": self._bleu(sums, effective_order=True)["bleu"]}

    def signature_parts(self) -> dict[str, str]:
        """sacrebleu's own signature, with its version, and the weights if they are not equal."""
        import sacrebleu

        value = self.smooth_value or SMOOTHING_DEFAULTS.get(self.smooth)
        return {
            "case": "mixed",
            "eff": "no",
            "tok": self.chosen or self.tokenize,
            "smooth": self.smooth if value is None else f"{self.smooth}[{value:.2f}]",
            **({"weights": self.weights} if self.weights else {}),
            "version": sacrebleu.__version__,
        }

    def file_parts(self, sums: Mapping[str, float]) -> dict[str, str]:
        """How many references each row has, as in sacrebleu's signature."""
        counts = [name.removeprefix("refs:") for name in sums if name.startswith("refs:")]
        return {"nrefs": counts[0] if len(counts) == 1 else "var"} if counts else {}
