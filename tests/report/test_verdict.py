"""The verdict in one word: what a user reads first, and what a gate acts on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy
import pytest
from bench_modules import bench_module
from scipy import stats

from sft_cli.report.comparison import Comparison, Draws
from sft_cli.report.intervals import expanded_tail
from sft_cli.report.power import detectable, rows_to_detect, rows_to_exclude, standard_error
from sft_cli.report.statistics import exact_sign_test
from sft_cli.report.verdict import verdict_of

bench = bench_module("verdicts")


def compared(base, other) -> Comparison:
    scores = numpy.asarray(base, dtype=float), numpy.asarray(other, dtype=float), numpy.arange(len(base))
    return bench.compared(scores, Draws(count=1000, confidence=0.95, seed=0))


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
    assert exact_sign_test(better, worse) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("prompts", [5, 6, 10, 40, 1000])
def test_few_prompts_have_wider_intervals_by_students_t(prompts):
    expected = stats.norm.cdf(-math.sqrt(prompts / (prompts - 1)) * stats.t.ppf(0.975, prompts - 1))
    assert expanded_tail(0.95, prompts) == pytest.approx(expected, rel=0.01)


def test_verdicts_are_right_as_often_as_they_say():
    generator, runs = numpy.random.default_rng(1), 600
    covered = false = too_little = 0
    few = rows_to_exclude(0.02, math.sqrt(0.2 / 100), 100, 0.95) // 10
    for _ in range(runs):
        low, high = compared(*bench.shares(150, 0.06, generator)[:2]).interval
        covered += low <= 0.06 <= high
        false += word(compared(*bench.shares(150, 0.0, generator)[:2])) in ("better", "worse")
        too_little += word(compared(*bench.shares(few, 0.0, generator)[:2])) == "too little data"
    assert 0.93 <= covered / runs <= 0.97
    assert false / runs <= 0.05
    assert too_little / runs >= 0.9
