"""Changes of the scores of the next token: one function for each control, in the order of `decoding/controls.py`.

Scores are float32 (rows, V): logits, later logarithms of probabilities plus a constant. A function returns new scores,
with −∞ for forbidden tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

ROWS_IN_CACHE = 8
LIKELIEST = 512  # tokens that top-p sorts first: few distributions need more, and it is slow to sort all


def penalize_repetition(scores: Tensor, seen: Sequence[Iterable[int]], penalty: float) -> Tensor:
    """Divide positive scores of seen tokens by the penalty, and multiply negative scores by it.

    `seen`: for each row the tokens of prompt and completion. Source: Keskar et al. 2019, "CTRL", §4.1, and
    transformers' RepetitionPenaltyLogitsProcessor, which computes the same.
    """
    scores = scores.clone()
    for row, tokens in enumerate(seen):
        ids = torch.tensor(list(tokens), dtype=torch.long, device=scores.device)
        seen_scores = scores[row, ids]
        scores[row, ids] = torch.where(seen_scores < 0, seen_scores * penalty, seen_scores / penalty)
    return scores


def penalize_counts(scores: Tensor, counts: Sequence[Counter[int]], presence: float, frequency: float) -> Tensor:
    """scores − presence·[count > 0] − frequency·count, with the counts of the completion's tokens only.

    Source: OpenAI's API reference, "Frequency and presence penalties"; vLLM computes the same.
    """
    scores = scores.clone()
    for row, counter in enumerate(counts):
        if counter:
            ids = torch.tensor(list(counter), dtype=torch.long, device=scores.device)
            numbers = torch.tensor(list(counter.values()), dtype=scores.dtype, device=scores.device)
            scores[row, ids] -= presence + frequency * numbers
    return scores


def forbid(scores: Tensor, banned: Sequence[Iterable[int]]) -> Tensor:
    """−∞ at each row's banned tokens."""
    scores = scores.clone()
    for row, tokens in enumerate(banned):
        ids = list(tokens)
        if ids:
            scores[row, torch.tensor(ids, dtype=torch.long, device=scores.device)] = -torch.inf
    return scores


def repeated_ngram_ends(ids: Sequence[int], size: int) -> set[int]:
    """Tokens that would complete an n-gram that `ids` already has; as transformers' NoRepeatNGramLogitsProcessor."""
    if len(ids) + 1 < size:
        return set()
    ending = list(ids[len(ids) - size + 1 :])
    starts = range(len(ids) - size + 1)
    return {ids[start + size - 1] for start in starts if list(ids[start : start + size - 1]) == ending}


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens, and all tokens as likely as the last of them. Fan et al. 2018; as transformers."""
    least = scores.topk(min(k, scores.shape[-1])).values[:, -1:]
    return scores.masked_fill(scores < least, -torch.inf)


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """Keep the smallest set of most likely tokens whose probabilities sum to p or more, at least one.

    Source: Holtzman et al. 2020, "The curious case of neural text degeneration", eq. 2-3; as transformers'
    TopPLogitsWarper.
    """
    probabilities = torch.softmax(scores, -1)
    width = min(LIKELIEST, scores.shape[-1])
    top, places = probabilities.topk(width)
    if width < scores.shape[-1] and bool((top.sum(-1) < p).any()):
        top, places = probabilities.sort(-1, descending=True)
    before = top.cumsum(-1) - top  # the sum over more likely tokens
    kept = torch.full_like(scores, -torch.inf)
    return kept.scatter(-1, places, torch.where(before < p, scores.gather(-1, places), -torch.inf))


def keep_min_p(scores: Tensor, share: float) -> Tensor:
    """Keep tokens at least `share` times as likely as the best. Nguyen et al. 2024, "Min-p"; as transformers."""
    probabilities = torch.softmax(scores, -1)
    least = probabilities.amax(-1, keepdim=True) * share
    return scores.masked_fill(probabilities < least, -torch.inf)


def token_log_probs(logits: Tensor, tokens: Tensor) -> list[float]:
    """log softmax(logits)[token] of each row, in nats, from logits (rows, V) and tokens (rows,)."""
    # On a CPU the result of a few rows stays in the cache and needs no new memory: 2 ms for 64 rows and 49 152 tokens.
    size = ROWS_IN_CACHE if logits.device.type == "cpu" else max(len(logits), 1)
    parts = zip(logits.split(size), tokens[:, None].split(size), strict=True)
    return torch.cat([torch.log_softmax(rows, -1).gather(1, chosen)[:, 0] for rows, chosen in parts]).tolist()


def draw(scores: Tensor, uniform: Tensor) -> Tensor:
    """The token (rows,) at which the cumulative probabilities exceed a number (rows,) in [0, 1)."""
    cumulated = torch.softmax(scores.double(), -1).cumsum(-1)
    aims = uniform.double().to(scores.device)[:, None] * cumulated[:, -1:]
    tokens = torch.searchsorted(cumulated, aims, right=True)[:, 0]
    return tokens.clamp_(max=scores.shape[-1] - 1)
