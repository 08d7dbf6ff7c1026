"""From scores to the next token of each text: the controls that the flags ask for, in transformers' order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sft_cli.decoding import processors
from sft_cli.decoding.constraints import Constraint
from sft_cli.decoding.plan import Item
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.writing import Writing


class Controls:
    """Chooses next tokens. First the penalties, then what is forbidden, then temperature and what is cut off."""

    def __init__(
        self,
        settings: GenerateSettings,
        bad_words: Sequence[Sequence[int]] = (),
        constraint: Constraint | None = None,
    ) -> None:
        self.settings, self.bad_words, self.constraint = settings, bad_words, constraint

    def begin(self, item: Item) -> Writing:
        """A completion of which nothing is written yet."""
        return Writing(item, self.settings.seed, matcher=self.constraint.begin() if self.constraint else None)

    def scores(self, logits: Tensor, writings: Sequence[Writing]) -> Tensor:
        """Scores (rows, V) in float32 after all controls, from the logits of the same shape."""
        settings, scores = self.settings, logits.float()
        if settings.repetition_penalty != 1:
            seen = [writing.seen for writing in writings]
            scores = processors.penalize_repetition(scores, seen, settings.repetition_penalty)
        if settings.presence_penalty or settings.frequency_penalty:
            counts = [writing.counts for writing in writings]
            scores = processors.penalize_counts(scores, counts, settings.presence_penalty, settings.frequency_penalty)
        banned = [self.banned(writing) for writing in writings]
        if any(banned):
            scores = processors.forbid(scores, banned)
        if self.constraint:
            scores = self.constraint.allow(scores, [writing.matcher for writing in writings])
        if settings.temperature > 0:
            scores = scores / settings.temperature
            if settings.top_k:
                scores = processors.keep_top_k(scores, settings.top_k)
            if settings.top_p < 1:
                scores = processors.keep_top_p(scores, settings.top_p)
            if settings.min_p > 0:
                scores = processors.keep_min_p(scores, settings.min_p)
        return scores

    def banned(self, writing: Writing) -> set[int]:
        """Tokens that must not come next."""
        size, found = self.settings.no_repeat_ngram_size, set[int]()
        if size:
            before = writing.item.prompt_ids if self.settings.ngram_scope == "all" else []
            found |= processors.repeated_ngram_ends([*before, *writing.ids], size)
        if self.bad_words:
            found |= processors.bad_word_ends(writing.ids, self.bad_words)
        return found

    def choose(self, logits: Tensor, writings: Sequence[Writing]) -> list[int]:
        """The next token of each text: the likeliest, or with a temperature one drawn by the text's own numbers."""
        scores = self.scores(logits, writings)
        if self.settings.temperature > 0:
            uniform = torch.tensor([writing.uniform() for writing in writings], dtype=torch.float64)
            return processors.draw(scores, uniform).tolist()
        return scores.max(-1).indices.tolist()  # argmax, but three times as fast on a CPU
