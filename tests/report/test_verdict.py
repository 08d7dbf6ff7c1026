"""The verdict in one word: what a user reads first, and what a gate acts on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy
import pytest
from scipy import stats

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.intervals import expanded_tail
from sft_cli.report.paired_rows import ComparedRows, MeasuredPairs, adjust, compare_rows
from sft_cli.report.power import detectable, rows_to_detect, rows_to_exclude, standard_error
from sft_cli.report.statistics import mcnemar
from sft_cli.report.verdict import verdict_of

MEAN = Measure(
    key="score",
    value="score",
    sum_names=["sum", "count"],
    statistic=lambda sums: sums[:, 0] / sums[:, 1],
    higher_is_better=True,
    largest=1.0,
)


def compared(base, other, prompts=None, draws=1000, seed=0, measure=MEAN) -> Comparison:
    base, other = numpy.asarray(base, dtype=float), numpy.asarray(other, dtype=float)
    sums = [numpy.column_stack([own, numpy.ones(len(own))]) for own in (base, other)]
    measured = MeasuredPairs(measure, sums, [base, other], numpy.ones(len(base), dtype=bool))
    places = numpy.arange(len(base))
    rows = ComparedRows(("base", "other"), (0, 1), places, places if prompts is None else prompts, None)
    found = compare_rows(rows, [measured], Draws(count=draws, confidence=0.95, seed=seed))
    adjust(found)
    return found[0]


def word(comparison: Comparison) -> str:
    return verdict_of(comparison).word


def test_each_word():
    better = compared([0] * 50 + [1] * 50, [1] * 100)
    assert word(better) == "better"
    assert word(replace(better, higher_is_better=False)) == "worse"
    assert word(compared([1] * 100, [0] * 50 + [1] * 50)) == "worse"
    many = compared([1, 0] * 5000, [1, 0] * 4990 + [0, 1] * 10)
    assert word(many) == "equivalent"
    assert word(replace(many, margin=0.0005)) == "too little data"
    assert word(compared([0, 1] * 10, [1, 1] + [0, 1] * 9)) == "too little data"
    assert word(replace(better, difference=None, interval=None)) == "not comparable"


def test_no_difference_is_shown_where_the_margin_would_have_been_seen():
    found = compared([1, 0] * 2000, [1, 0] * 1960 + [0, 0] * 18 + [1, 1] * 22)
    close = replace(found, interval=(-0.012, 0.021), p_holm=0.6)
    assert detectable(standard_error(close.interval, 0.95), 0.95) == pytest.approx(0.0236, abs=1e-4)
    assert word(replace(close, margin=0.02)) == "too little data"
    assert word(replace(close, interval=(-0.007, 0.0205))) == "no difference shown"


def test_a_file_compared_with_itself_is_equivalent_however_few_its_rows():
    found = compared([1, 0, 1, 1, 0, 1], [1, 0, 1, 1, 0, 1])
    assert (found.difference, found.p) == (0, 1)
    assert word(found) == "too little data"
    assert word(replace(found, is_same_file=True)) == "equivalent"


def test_fewer_than_five_prompts_are_never_better_or_worse():
    assert word(compared([0] * 4, [1] * 4)) == "too little data"
    assert "fewer than 5 prompts" in verdict_of(compared([0] * 4, [1] * 4)).reason


def test_equal_values_in_all_rows_are_equivalent_only_if_there_are_many():
    values = numpy.linspace(0.1, 0.9, 40)
    assert word(compared(values, values)) == "too little data"
    values = numpy.linspace(0.1, 0.9, 400)
    assert word(compared(values, values)) == "equivalent"


def test_needed_rows_are_those_of_the_textbook():
    # n = (z_{0.975} + z_{0.8})² · s² / δ² for s = 0.5, δ = 0.05: 785 (Chow, Shao & Wang 2008, §3.1.2)
    error = 0.5 / math.sqrt(100)
    assert rows_to_detect(0.05, error, 100, 0.95) == 785
    assert rows_to_detect(-0.05, error, 100, 0.95) == 785
    assert rows_to_detect(0.0, error, 100, 0.95) is None
    # equivalence with both sides at 0.025: (z_{0.975} + z_{0.9})² · s² / δ²
    assert rows_to_exclude(0.05, error, 100, 0.95) == math.ceil(
        (stats.norm.ppf(0.975) + stats.norm.ppf(0.9)) ** 2 * 100
    )


@pytest.mark.parametrize(("better", "worse"), [(9, 5), (0, 0), (6, 1), (12, 0), (3, 3), (700, 640), (5000, 5200)])
def test_mcnemar_equals_scipy(better, worse):
    expected = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("prompts", [5, 6, 10, 40, 1000])
def test_few_prompts_have_wider_intervals_by_students_t(prompts):
    expected = stats.norm.cdf(-math.sqrt(prompts / (prompts - 1)) * stats.t.ppf(0.975, prompts - 1))
    assert expanded_tail(0.95, prompts) == pytest.approx(expected, rel=0.01)


def disagreeing(rows, gain, generator):
    """Right or wrong: both right 50 %, neither 30 %; the systems disagree on 20 %."""
    draw = generator.random(rows)
    first = 0.6 - gain / 2
    return (draw < first).astype(float), ((draw < 0.5) | ((draw >= first) & (draw < 0.7))).astype(float)


def test_verdicts_are_right_as_often_as_they_say():
    generator, runs = numpy.random.default_rng(1), 600
    covered = false = too_little = 0
    few = rows_to_exclude(0.02, math.sqrt(0.2 / 100), 100, 0.95) // 10
    for _ in range(runs):
        low, high = compared(*disagreeing(150, 0.06, generator)).interval
        covered += low <= 0.06 <= high
        false += word(compared(*disagreeing(150, 0.0, generator))) in ("better", "worse")
        too_little += word(compared(*disagreeing(few, 0.0, generator))) == "too little data"
    assert 0.93 <= covered / runs <= 0.97
    assert false / runs <= 0.05
    assert too_little / runs >= 0.9
