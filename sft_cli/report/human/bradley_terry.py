"""The strengths of three and more systems from comparisons of two: Bradley and Terry's model."""

from __future__ import annotations

from typing import Any

MOST_NEWTON_STEPS = 200
LONGEST_STEP = 2.0  # of a log-strength: Newton's method can step too far from a distant start


def bradley_terry(wins: Any) -> Any:
    """The log-strengths of systems, (draws, systems), with mean 0; NaN for a draw without a finite maximum.

    wins: (draws, systems, systems), how often the system of the row beat the system of the column; a tie is half a win
    for each. The chance that i beats j is 1 / (1 + exp(s_j - s_i)). Maximum likelihood by Newton's method. Source:
    Bradley & Terry 1952, "Rank analysis of incomplete block designs", Biometrika 39; Hunter 2004, "MM algorithms for
    generalized Bradley-Terry models", Annals of Statistics 32. Equals choix.opt_pairwise without regularisation.
    """
    import numpy

    wins = numpy.asarray(wins, dtype=float)
    draws, systems = wins.shape[:2]
    finite = has_finite_maximum(wins)
    # A draw without a maximum takes part as a draw of ties, so that all draws are solved together.
    wins = numpy.where(finite[:, None, None], wins, 1 - numpy.eye(systems))
    games, won = wins + wins.transpose(0, 2, 1), wins.sum(axis=2)
    strengths = numpy.zeros((draws, systems))
    for _ in range(MOST_NEWTON_STEPS):
        chance = win_chances(strengths)
        gradient = won - (games * chance).sum(axis=2)
        weights = games * chance * (1 - chance)
        # Only differences are determined: the constant direction gets a curvature of its own.
        curvature = weights.sum(axis=2)[:, :, None] * numpy.eye(systems) - weights + 1.0 / systems
        step = numpy.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        step = step.clip(-LONGEST_STEP, LONGEST_STEP)
        strengths = strengths + step - step.mean(axis=1, keepdims=True)
        if abs(step).max(initial=0) < 1e-12:
            break
    return numpy.where(finite[:, None], strengths, numpy.nan)


def has_finite_maximum(wins: Any) -> Any:
    """Whether each system beat, directly or through others, each other one: bool (draws,).

    Otherwise the likelihood grows without end as one group of systems becomes stronger. Source: Ford 1957, "Solution of
    a ranking problem from binary comparisons", American Mathematical Monthly 64.
    """
    import numpy

    systems = wins.shape[1]
    reached = (wins > 0) | numpy.eye(systems, dtype=bool)
    for _ in range(max(systems - 1, 1).bit_length()):
        reached = (reached.astype(float) @ reached.astype(float)) > 0
    return reached.all(axis=(1, 2))


def win_chances(strengths: Any) -> Any:
    """The chance that each system beats each other one, (draws, systems, systems); 0.5 against itself."""
    import numpy

    difference = strengths[:, :, None] - strengths[:, None, :]
    return 0.5 * (1 + numpy.tanh(difference / 2))


def mean_win_chances(strengths: Any) -> Any:
    """The chance that a system beats another one, averaged over the others: (draws, systems)."""
    systems = strengths.shape[1]
    return (win_chances(strengths).sum(axis=2) - 0.5) / (systems - 1)
