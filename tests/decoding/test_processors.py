"""Each control against transformers' own on the same scores, or against its formula."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import transformers
from hypothesis import example, given
from hypothesis import strategies as st

from sft_cli.decoding import processors

VOCABULARY = 700  # more than top-p looks at first


def scores_of(seed: int, width: float = 3.0) -> torch.Tensor:
    return torch.randn(5, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * width


IDS = torch.randint(6, (5, 20), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("penalty", [0.7, 1.3, 5.0])
def test_repetition_penalty_equals_transformers(penalty: float) -> None:
    theirs = transformers.RepetitionPenaltyLogitsProcessor(penalty)(IDS, scores_of(0))
    assert torch.equal(processors.penalize_repetition(scores_of(0), IDS.tolist(), penalty), theirs)


def test_presence_and_frequency_are_subtracted_by_their_formula() -> None:
    scores, written = scores_of(0)[:2], [[7, 7, 9], []]
    found = processors.penalize_counts(scores, [Counter(ids) for ids in written], 0.5, 0.25)
    expected = scores.clone()
    expected[0, 7] -= 0.5 + 2 * 0.25
    expected[0, 9] -= 0.5 + 0.25
    assert torch.equal(found, expected)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 30])
def test_repeated_ngrams_equal_transformers(size: int) -> None:
    theirs = transformers.NoRepeatNGramLogitsProcessor(size)(IDS, torch.zeros(5, 6))
    ours = processors.forbid(torch.zeros(5, 6), [processors.repeated_ngram_ends(ids, size) for ids in IDS.tolist()])
    assert torch.equal(ours, theirs)


@given(seed=st.integers(0, 999), k=st.integers(1, VOCABULARY + 5))
def test_top_k_equals_transformers(seed: int, k: int) -> None:
    scores = scores_of(seed)
    assert torch.equal(processors.keep_top_k(scores, k), transformers.TopKLogitsWarper(k)(IDS, scores.clone()))


@example(seed=192, p=0.849609375, width=0.1)  # two tokens that are equally likely
@given(seed=st.integers(0, 999), p=st.floats(0.05, 0.999), width=st.sampled_from([0.1, 1.0, 5.0]))
def test_top_p_equals_transformers(seed: int, p: float, width: float) -> None:
    scores = scores_of(seed, width)
    ours = processors.keep_top_p(scores, p)
    theirs = transformers.TopPLogitsWarper(p)(IDS, scores.clone())
    # Of tokens that are equally likely, either can be kept; and p can be reached by rounding.
    shares = torch.softmax(scores.double(), -1)
    for row, token in (ours != theirs).nonzero().tolist():
        likelier, as_likely = (shares[row][scores[row] > scores[row, token] + gap].sum() for gap in (1e-6, -1e-6))
        assert likelier - 1e-5 <= p <= as_likely + 1e-5
    assert torch.equal(ours[ours > -torch.inf], scores[ours > -torch.inf])
    assert bool((ours > -torch.inf).any(-1).all())


@given(seed=st.integers(0, 999), share=st.floats(0.001, 1))
def test_min_p_equals_transformers(seed: int, share: float) -> None:
    scores = scores_of(seed)
    assert torch.equal(processors.keep_min_p(scores, share), transformers.MinPLogitsWarper(share)(IDS, scores.clone()))


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    scores = torch.tensor([[0.0, 1.0, -torch.inf, 2.0]])
    numbers = (torch.arange(10_000) + 0.5) / 10_000
    drawn = processors.draw(scores.expand(10_000, 4), numbers)
    shares = torch.bincount(drawn, minlength=4) / 10_000
    assert torch.allclose(shares, torch.softmax(scores[0], -1), atol=2e-4)
    assert shares[2] == 0
    assert processors.draw(scores, torch.tensor([0.0])).tolist() == [0]
    assert processors.draw(scores, torch.tensor([1 - 2**-53], dtype=torch.float64)).tolist() == [3]
