"""From scores to probabilities and thresholds, by labelled rows; and how far probabilities are from what happens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sft_cli.metrics.calibration import bin_number, calibration_error

if TYPE_CHECKING:
    import numpy as np

BINS = 10
MOST_STEPS = 100
EDGE = 1e-6  # scores of 0 and 1 have no finite logit


def expected_calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = BINS) -> float:
    """The calibration error of all rows: `calibration_error` with bins of equal widths.

    probabilities: (N,) from 0 to 1. outcomes: (N,) 0 or 1.
    """
    import numpy as np

    places = [bin_number(probability, bins) for probability in probabilities.tolist()]
    return float(calibration_error(list(np.bincount(places, outcomes - probabilities, bins)), len(outcomes)))


def score_logits(scores: np.ndarray) -> np.ndarray:
    """log(s / (1 − s)) of scores from 0 to 1, (N,)."""
    import numpy as np

    inside = np.clip(scores, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside / (1 - inside)))


def fit_platt(scores: np.ndarray, outcomes: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the probability 1 / (1 + exp(−(slope · logit(score) + offset))) of a true outcome.

    scores: (N,) from 0 to 1. outcomes: (N,) 0 or 1, both of them there. The most likely parameters for Platt's smoothed
    targets, by Newton's method. Source: Platt 1999, Probabilistic Outputs for Support Vector Machines, section 2.2; as
    scikit-learn's `_sigmoid_calibration`.
    """
    import numpy as np

    values = np.stack([score_logits(scores), np.ones(len(scores))], axis=1)
    true, false = float(outcomes.sum()), float(len(outcomes) - outcomes.sum())
    targets = np.where(outcomes > 0, (true + 1) / (true + 2), 1 / (false + 2))
    weights = np.zeros(2)
    for _ in range(MOST_STEPS):
        probabilities = 1 / (1 + np.exp(-values @ weights))
        slopes = values.T @ (targets - probabilities)
        curvature = (values * (probabilities * (1 - probabilities))[:, None]).T @ values + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slopes)
        weights = weights + step * min(1.0, 10 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[0]), float(weights[1])


def platt_probability(score: float, slope: float, offset: float) -> float:
    """The probability of a score from 0 to 1."""
    inside = min(max(score, EDGE), 1 - EDGE)
    return 1 / (1 + math.exp(-(slope * math.log(inside / (1 - inside)) + offset)))


def balanced_accuracy(outcomes: np.ndarray, said: np.ndarray) -> float:
    """The mean of the shares of true and of false outcomes that are said right; outcomes and said: (N,) 0 or 1."""
    is_true = outcomes > 0
    return float((said[is_true].mean() + (1 - said[~is_true]).mean()) / 2)


def best_threshold(scores: np.ndarray, outcomes: np.ndarray) -> float:
    """The threshold with the best balanced accuracy of `score ≥ threshold`, in the middle between two scores.

    scores: (N,). outcomes: (N,) 0 or 1, both of them there. Of equally good thresholds the highest.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ranked, true = scores[order], outcomes[order] > 0
    gains = np.cumsum(true) / true.sum() - np.cumsum(~true) / (~true).sum()
    last_of_value = np.append(ranked[1:] != ranked[:-1], True)
    gains[~last_of_value] = -np.inf
    place = int(np.argmax(gains))
    below = ranked[place + 1] if place + 1 < len(ranked) else 0.0
    return float((ranked[place] + below) / 2)
