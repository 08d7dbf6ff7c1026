"""The formulas against the plainest code that says the same."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.rouge.rouge_l import common_subsequence, rouge_lsum, subsequence_places
from sft_cli.metrics.rouge.rouge_n import rouge_n
from sft_cli.metrics.rouge.rouge_s import pairs_in, rouge_s, rouge_su
from sft_cli.metrics.rouge.rouge_w import rouge_w

TOKENS = st.lists(st.sampled_from("abcd"), max_size=25)


def longest(left: list[str], right: list[str]) -> list[list[int]]:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    return table


@settings(max_examples=150, deadline=None)
@given(left=TOKENS, right=TOKENS)
def test_bit_parallel_subsequence_equals_the_textbook_table(left: list[str], right: list[str]) -> None:
    table = longest(left, right)
    assert common_subsequence(left, right) == table[-1][-1]
    places, i, j = [], len(left), len(right)
    while i and j:
        if left[i - 1] == right[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif table[i - 1][j] >= table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    assert subsequence_places(left, right) == places


def weighted(left: list[str], right: list[str], weight: float) -> float:
    """Lin 2004, §3.3, the algorithm as printed."""
    c = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    w = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            if a == b:
                k = w[i - 1][j - 1]
                c[i][j] = c[i - 1][j - 1] + (k + 1) ** weight - k**weight
                w[i][j] = k + 1
            else:
                c[i][j] = max(c[i - 1][j], c[i][j - 1])
    return c[-1][-1]


@settings(max_examples=150, deadline=None)
@given(predicted=TOKENS, reference=TOKENS, weight=st.sampled_from([1.0, 1.2, 2.0]))
def test_weighted_subsequence_equals_the_printed_algorithm(
    predicted: list[str], reference: list[str], weight: float
) -> None:
    assert rouge_w(predicted, reference, weight).matched == pytest.approx(weighted(reference, predicted, weight))


@settings(max_examples=150, deadline=None)
@given(predicted=TOKENS, reference=TOKENS, gap=st.sampled_from([None, 0, 1, 4, 30]))
def test_skip_bigrams_equal_their_list(predicted: list[str], reference: list[str], gap: int | None) -> None:
    def pairs(tokens: list[str]) -> Counter[tuple[str, str]]:
        last = len(tokens) if gap is None else gap + 1
        return Counter((a, b) for i, a in enumerate(tokens) for b in tokens[i + 1 : i + 1 + last])

    ours, theirs = pairs(predicted), pairs(reference)
    assert rouge_s(predicted, reference, gap) == ((ours & theirs).total(), ours.total(), theirs.total())
    assert pairs_in(len(predicted), gap) == ours.total()
    singles = (Counter(predicted) & Counter(reference)).total()
    expected = ((ours & theirs).total() + singles, ours.total() + len(predicted), theirs.total() + len(reference))
    assert rouge_su(predicted, reference, gap) == expected


@settings(max_examples=50, deadline=None)
@given(predicted=TOKENS, reference=TOKENS)
def test_a_gap_of_nothing_is_rouge_2_and_one_sentence_is_rouge_l(predicted: list[str], reference: list[str]) -> None:
    assert rouge_s(predicted, reference, 0) == rouge_n(predicted, reference, 2)
    whole = rouge_lsum([predicted], [reference])
    assert whole == (common_subsequence(predicted, reference), len(predicted), len(reference))


@settings(max_examples=50, deadline=None)
@given(sentences=st.lists(TOKENS, max_size=4), others=st.lists(TOKENS, max_size=4))
def test_no_more_is_matched_than_both_texts_have(sentences: list[list[str]], others: list[list[str]]) -> None:
    matched, predicted, reference = rouge_lsum(sentences, others)
    left, right = (Counter(token for part in parts for token in part) for parts in (sentences, others))
    assert matched <= (left & right).total()
    assert (predicted, reference) == (left.total(), right.total())
