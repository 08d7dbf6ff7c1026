"""ROUGE-S and ROUGE-SU: overlap of skip-bigrams, pairs of tokens in their order with a gap between them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sft_cli.metrics.rouge.counts import Counts


def rouge_s(predicted: list[str], reference: list[str], gap: int | None) -> Counts:
    """Matched skip-bigrams with at most `gap` tokens between the two (None: any number), and both totals.

    Each is counted as in the text that has it less often. Source: Lin 2004, §4; a gap of 0 is ROUGE-2.
    """
    return Counts(_matched(predicted, reference, gap), pairs_in(len(predicted), gap), pairs_in(len(reference), gap))


def rouge_su(predicted: list[str], reference: list[str], gap: int | None, leaves_out_last: bool = False) -> Counts:
    """ROUGE-S that also counts single tokens, as if each text began with a marker that pairs with each token.

    Source: Lin 2004, §4.3. `leaves_out_last`: ROUGE-1.5.5 counts every token except the last of each text.
    """
    pairs = rouge_s(predicted, reference, gap)
    if leaves_out_last:
        predicted, reference = predicted[:-1], reference[:-1]
    singles = (Counter(predicted) & Counter(reference)).total()
    return Counts(pairs.matched + singles, pairs.predicted + len(predicted), pairs.reference + len(reference))


def pairs_in(length: int, gap: int | None) -> int:
    """Number of skip-bigrams in a text of `length` tokens."""
    widest = length - 1 if gap is None else min(gap + 1, length - 1)
    return max(widest, 0) * length - max(widest, 0) * (max(widest, 0) + 1) // 2


def _matched(predicted: list[str], reference: list[str], gap: int | None) -> int:
    import numpy as np

    shared = {token: number for number, token in enumerate(set(predicted) & set(reference))}
    if not shared:
        return 0
    code_counts = [np.unique(_codes(tokens, shared, gap), return_counts=True) for tokens in (predicted, reference)]
    _, ours, theirs = np.intersect1d(code_counts[0][0], code_counts[1][0], assume_unique=True, return_indices=True)
    return int(np.minimum(code_counts[0][1][ours], code_counts[1][1][theirs]).sum())


def _codes(tokens: list[str], shared: dict[str, int], gap: int | None) -> Any:
    """One number for each skip-bigram of tokens that both texts have."""
    import numpy as np

    places = np.array([place for place, token in enumerate(tokens) if token in shared])
    numbers = np.array([shared[tokens[place]] for place in places])
    codes = []
    for step in range(1, len(places)):
        # Later steps only increase the distance, so the loop ends at the first step without a match.
        near = slice(None) if gap is None else places[step:] - places[:-step] <= gap + 1
        pairs = (numbers[:-step] * len(shared) + numbers[step:])[near]
        if not len(pairs):
            break
        codes.append(pairs)
    return np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)
