"""Strengths equal those of choix; without a finite maximum there are none."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.report.human.bradley_terry import bradley_terry, has_finite_maximum, mean_win_chances, win_chances


@given(data=st.data(), systems=st.integers(2, 5))
def test_strengths_equal_choix(data: st.DataObject, systems: int) -> None:
    choix = pytest.importorskip("choix")
    cell = st.integers(1, 12)
    wins = numpy.array([[0 if i == j else data.draw(cell) for j in range(systems)] for i in range(systems)])
    games = [(i, j) for i in range(systems) for j in range(systems) for _ in range(wins[i, j])]
    theirs = choix.mm_pairwise(systems, games, max_iter=100_000, tol=1e-12)
    ours = bradley_terry(wins[None])[0]
    assert ours == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_a_tie_is_half_a_win_of_each() -> None:
    # Two wins and a tie of each pair twice over are the same evidence as five games and one.
    once = numpy.array([[0, 2.5, 3], [0.5, 0, 1.5], [1, 1.5, 0]])
    choix = pytest.importorskip("choix")
    games = [(i, j) for i in range(3) for j in range(3) for _ in range(int(2 * once[i, j]))]
    theirs = choix.opt_pairwise(3, games, alpha=0.0, tol=1e-10)
    assert bradley_terry(once[None])[0] == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_two_systems_have_the_odds_as_their_difference() -> None:
    strengths = bradley_terry(numpy.array([[[0, 30], [10, 0]]]))[0]
    assert strengths[0] - strengths[1] == pytest.approx(numpy.log(3), abs=1e-12)
    assert mean_win_chances(strengths[None])[0] == pytest.approx([0.75, 0.25])
    assert win_chances(strengths[None])[0] == pytest.approx(numpy.array([[0.5, 0.75], [0.25, 0.5]]))


def test_a_system_that_never_lost_has_no_finite_strength() -> None:
    never_lost = numpy.array([[0, 3, 3], [0, 0, 2], [0, 1, 0]])
    circle = numpy.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    both = numpy.stack([never_lost, circle])
    assert has_finite_maximum(both).tolist() == [False, True]
    strengths = bradley_terry(both)
    assert numpy.isnan(strengths[0]).all()
    assert strengths[1] == pytest.approx([0, 0, 0], abs=1e-9)
