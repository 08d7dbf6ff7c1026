"""Thresholds and probabilities are the best ones for the labelled rows; the error is the published formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.calibration import (
    balanced_accuracy,
    best_threshold,
    expected_calibration_error,
    fit_platt,
    platt_probability,
    score_logits,
)


def test_the_error_of_two_bins_by_hand() -> None:
    probabilities = np.array([0.9, 0.8, 0.2, 0.1])
    outcomes = np.array([1.0, 0.0, 0.0, 0.0])
    # Upper half: mean 0.85, share 0.5. Lower half: mean 0.15, share 0.
    assert expected_calibration_error(probabilities, outcomes, 2) == pytest.approx(0.5 * 0.35 + 0.5 * 0.15)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 0


scored = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({outcome for _, outcome in rows}) == 2
)


@given(scored)
def test_no_threshold_is_better(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([score / 20 for score, _ in rows])
    outcomes = np.array([float(outcome) for _, outcome in rows])
    ours = balanced_accuracy(outcomes, (scores >= best_threshold(scores, outcomes)).astype(float))
    for other in {*scores, -1.0, 2.0}:
        assert ours >= balanced_accuracy(outcomes, (scores >= other).astype(float)) - 1e-12 or other == 2.0


@given(scored)
def test_platt_is_at_the_minimum_of_its_loss(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([(score + 1) / 22 for score, _ in rows])
    outcomes = np.array([float(outcome) for _, outcome in rows])
    true, false = outcomes.sum(), len(rows) - outcomes.sum()
    targets = np.where(outcomes > 0, (true + 1) / (true + 2), 1 / (false + 2))
    slope, offset = fit_platt(scores, outcomes)
    slopes = targets - np.array([platt_probability(score, slope, offset) for score in scores])
    assert abs(float(slopes.sum())) < 1e-4
    assert abs(float((slopes * score_logits(scores)).sum())) < 1e-4


def test_platt_is_that_of_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.calibration")._sigmoid_calibration
    generator = np.random.default_rng(0)
    scores = generator.uniform(0.01, 0.99, 200)
    outcomes = (generator.uniform(size=200) < scores**2).astype(float)
    a, b = reference(score_logits(scores), outcomes)
    np.testing.assert_allclose(fit_platt(scores, outcomes), (-a, -b), atol=1e-3)
