"""What is done to the scores of the next token, where transformers has no such rule."""

from __future__ import annotations

import torch
from torch import Tensor


class NoRepeatNgram:
    """Forbids a token that would complete an n-gram that stands in the completion already.

    Like transformers' NoRepeatNGramLogitsProcessor, but the prompt's n-grams do not count, so that an answer may
    quote its context. `prompt_length` is the padded length that all rows of the batch share.
    """

    def __init__(self, size: int, prompt_length: int) -> None:
        self.size, self.prompt_length = size, prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids (B, T) prompt and completion so far; scores (B, V). Returns scores with −inf at banned tokens."""
        banned = torch.zeros_like(scores, dtype=torch.bool)
        for row, ids in enumerate(input_ids[:, self.prompt_length :].tolist()):
            if len(ids) + 1 < self.size:
                continue
            ending = ids[len(ids) - self.size + 1 :]
            for start in range(len(ids) - self.size + 1):
                if ids[start : start + self.size - 1] == ending:
                    banned[row, ids[start + self.size - 1]] = True
        return scores.masked_fill(banned, -torch.inf)
