"""ROUGE-L and ROUGE-Lsum: longest common subsequences, of whole texts and of sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sft_cli.metrics.rouge.counts import Counts


def rouge_l(predicted: list[str], reference: list[str]) -> Counts:
    """Length of the longest common subsequence, and both lengths (Lin 2004, eq. 2-4). Sentences are not split."""
    return Counts(common_subsequence(predicted, reference), len(predicted), len(reference))


def rouge_lsum(predicted: list[list[str]], reference: list[list[str]]) -> Counts:
    """Tokens of the reference's sentences in the union of their common subsequences with each predicted sentence.

    A token counts at most as often as both texts have it. Source: Lin 2004, §3.2, with the clipping of ROUGE-1.5.5,
    which calls this ROUGE-L; equal to rouge-score's rougeLsum on the same sentences.
    """
    left = Counter(token for sentence in predicted for token in sentence)
    right = Counter(token for sentence in reference for token in sentence)
    totals = left.total(), right.total()
    matched = 0
    for sentence in reference:
        union = sorted({place for other in predicted for place in subsequence_places(sentence, other)})
        matched += sum(take(sentence[place], left, right) for place in union)
    return Counts(matched, *totals)


def take(token: str, left: Counter[str], right: Counter[str]) -> bool:
    """Whether both bags still have the token; if so, remove it from both."""
    if left[token] <= 0 or right[token] <= 0:
        return False
    left[token] -= 1
    right[token] -= 1
    return True


def common_subsequence(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, bit-parallel: one big-integer step per token of `right`.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places, everything = _places(left)
    unmatched = everything
    for token in right:
        if token in places:
            here = unmatched & places[token]
            unmatched = (unmatched + here) | (unmatched - here)  # carries above the last bit have no effect
    return len(left) - (unmatched & everything).bit_count()


def subsequence_places(left: list[str], right: list[str]) -> list[int]:
    """Places in `left` of one longest common subsequence, last first.

    Of two equally long ones, this is the one that rouge-score and ROUGE-1.5.5 find: from the ends, a step back in
    `left` comes first.
    """
    rows = list(_table_rows(left, right))  # bit i of row j is 0 where the table's row j grows at left[i]
    places, i, j = [], len(left), len(right)
    while i and j:
        if left[i - 1] == right[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif rows[j] >> (i - 1) & 1:
            i -= 1
        else:
            j -= 1
    return places


def _places(tokens: list[str]) -> tuple[dict[str, int], int]:
    """The bits of the places of each token, and all bits."""
    places: dict[str, int] = {}
    for place, token in enumerate(tokens):
        places[token] = places.get(token, 0) | 1 << place
    return places, (1 << len(tokens)) - 1


def _table_rows(left: list[str], right: list[str]) -> Iterator[int]:
    places, everything = _places(left)
    unmatched = everything
    yield unmatched
    for token in right:
        here = unmatched & places.get(token, 0)
        unmatched = ((unmatched + here) | (unmatched - here)) & everything
        yield unmatched
