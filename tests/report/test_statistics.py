import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest
from scipy import stats

from sft_cli.metrics.protocol import read_metric
from sft_cli.report.intervals import expanded_tail, paired_shares_interval, resampled_interval, share_interval
from sft_cli.report.statistics import (
    MOST_CLUSTERS,
    DrawnRow,
    StreamedBootstrap,
    approximate_randomization,
    holm,
    poisson_weights,
    resampled,
)
from sft_cli.run.seed import stable_hash


def mean(totals):
    return totals[:, 0] / totals[:, 1]


def paired_bootstrap(base, other, statistic, draws, seed):
    totals = resampled(numpy.column_stack([base, other]), draws, seed)
    return statistic(totals[:, base.shape[1] :]) - statistic(totals[:, : base.shape[1]])


def percentiles(values, confidence=0.95, prompts=100):
    return resampled_interval(values, confidence, prompts).bounds


def with_count(values):
    values = numpy.asarray(values, dtype=float)
    return numpy.column_stack([values, numpy.ones(len(values))])


def test_randomization_is_exact_on_few_rows_and_equals_scipy():
    generator = numpy.random.default_rng(1)
    for rows in (2, 5, 9):
        base, other = generator.random(rows), generator.random(rows)
        expected = stats.permutation_test(
            (other, base), lambda a, b: a.mean() - b.mean(), permutation_type="samples", n_resamples=numpy.inf
        )
        found = approximate_randomization(with_count(base), with_count(other), mean, 10_000, 0)
        assert found == pytest.approx(expected.pvalue)


def test_randomization_on_right_and_wrong_is_mcnemar():
    base, other = numpy.zeros(200), numpy.zeros(200)
    base[:5], other[5:14] = 1, 1  # 5 broken, 9 fixed
    exact = stats.binomtest(5, 14).pvalue  # 0.4240
    assert approximate_randomization(with_count(base), with_count(other), mean, 2**14, 0) == pytest.approx(exact)
    drawn = approximate_randomization(with_count(base), with_count(other), mean, 10_000, 0)
    assert drawn == pytest.approx(exact, abs=0.02)


def test_a_system_against_itself_has_p_one_and_no_difference():
    scores = with_count(numpy.random.default_rng(0).random(50))
    assert approximate_randomization(scores, scores, mean, 1000, 0) == 1.0
    interval = resampled_interval(paired_bootstrap(scores, scores, mean, 1000, 0), 0.95, 50)
    assert (interval.bounds, interval.missing) == (None, "all resamples are equal")


def test_p_values_are_uniform_when_nothing_differs():
    generator = numpy.random.default_rng(3)
    p_values = []
    for seed in range(200):
        pair = generator.normal(size=(40, 2))
        p_values.append(approximate_randomization(with_count(pair[:, 0]), with_count(pair[:, 1]), mean, 200, seed))
    assert 0.01 <= numpy.mean(numpy.array(p_values) <= 0.05) <= 0.10


def test_bootstrap_interval_covers_the_truth():
    generator, covered = numpy.random.default_rng(7), 0
    for seed in range(200):
        base = generator.normal(size=80)
        other = base + generator.normal(0.3, 1.0, size=80)
        low, high = percentiles(paired_bootstrap(with_count(base), with_count(other), mean, 400, seed))
        covered += low <= 0.3 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_bootstrap_interval_is_near_the_normal_one_and_repeats_with_its_seed():
    generator = numpy.random.default_rng(5)
    difference = generator.normal(size=400)
    base, other = with_count(numpy.zeros(400)), with_count(difference)
    low, high = percentiles(paired_bootstrap(base, other, mean, 4000, 0))
    half = 1.96 * difference.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((difference.mean() - half, difference.mean() + half), abs=0.01)
    again = paired_bootstrap(base, other, mean, 4000, 0)
    assert (again == paired_bootstrap(base, other, mean, 4000, 0)).all()


def test_corpus_bleu_agrees_with_sacrebleu_paired_tests():
    generator = numpy.random.default_rng(11)
    words = "the cat dog sat on a mat red blue ran fast home".split()  # noqa: SIM905
    references = [" ".join(generator.choice(words, 12)) for _ in range(60)]

    def noisy(rate):
        return [
            " ".join(w if generator.random() > rate else generator.choice(words) for w in r.split()) for r in references
        ]

    base, other = noisy(0.30), noisy(0.27)
    named = read_metric("bleu:tokenize=13a")
    names = named.metric.primary_sums

    def sums(texts):
        rows = [
            named.metric.sums({"completion": text, "references": [ref]})
            for text, ref in zip(texts, references, strict=True)
        ]
        return numpy.array([[row[name] for name in names] for row in rows], dtype=float)

    statistic = named.statistic(names)
    p = approximate_randomization(sums(base), sums(other), statistic, 2000, 0)
    theirs = PairedTest([("base", base), ("other", other)], {"BLEU": BLEU(references=[references])}, None, "ar", 2000)
    result = theirs()[1]["BLEU"][1]
    assert float(statistic(sums(other).sum(axis=0)[None])[0]) == pytest.approx(result.score, abs=1e-9)
    assert p == pytest.approx(result.p_value, abs=0.05)


def test_holm_equals_r():
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_percentile_interval_leaves_unknown_values_out():
    assert percentiles(numpy.array([numpy.nan, 1.0, 3.0]), 0.5, 10**9) == pytest.approx((1.5, 2.5))
    assert percentiles(numpy.array([numpy.nan]), 0.5) is None
    few = resampled_interval(numpy.array([1.0, 3.0]), 0.5, 4)
    assert (few.bounds, few.missing) == (None, "fewer than 5 prompts")


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(right, count, low, high):
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert share_interval(right, count, 0.95).bounds == pytest.approx((low, high), abs=5e-5)
    expected = stats.binomtest(right, count).proportion_ci(0.9, method="wilson")
    assert share_interval(right, count, 0.9).bounds == pytest.approx((expected.low, expected.high))


def test_the_interval_of_a_paired_difference_is_newcombes():
    # Fagerland, Lydersen & Laake 2014, "Recommended tests and confidence intervals for paired binomial proportions":
    # 1 of 21 children both times, 1 and 7 once, 12 never; square-and-add gives -0.507 to -0.026.
    assert paired_shares_interval(1, 7, 1, 12, 0.95).bounds == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert paired_shares_interval(1, 1, 7, 12, 0.95).bounds == pytest.approx((0.026, 0.507), abs=5e-4)
    assert paired_shares_interval(20, 0, 0, 0, 0.95).bounds == pytest.approx((-0.1611, 0.1611), abs=5e-5)
    assert paired_shares_interval(0, 3, 0, 0, 0.95).missing == "fewer than 5 prompts"


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4).filter(lambda cells: sum(cells) >= 5))
def test_a_paired_difference_lies_in_its_interval_and_that_between_minus_one_and_one(cells):
    both, base_only, other_only, neither = cells
    low, high = paired_shares_interval(*cells, 0.95).bounds
    assert -1 - 1e-9 <= low <= (other_only - base_only) / sum(cells) <= high <= 1 + 1e-9
    assert low < high
    mirrored = paired_shares_interval(both, other_only, base_only, neither, 0.95).bounds
    assert mirrored == pytest.approx((-high, -low))


def test_many_prompts_are_resampled_and_swapped_in_random_blocks():
    generator = numpy.random.default_rng(0)
    base = generator.normal(size=3 * MOST_CLUSTERS)
    other = base + generator.normal(0.01, 1.0, size=len(base))
    half = 1.96 * (other - base).std() / math.sqrt(len(base))
    mean_difference = (other - base).mean()
    low, high = percentiles(paired_bootstrap(with_count(base), with_count(other), mean, 1000, 0))
    assert (low, high) == pytest.approx((mean_difference - half, mean_difference + half), abs=half / 8)
    expected = 2 * stats.norm.sf(mean_difference / (half / 1.96))
    found = approximate_randomization(with_count(base), with_count(other), mean, 1000, 0)
    assert found == pytest.approx(expected, abs=0.04)


def test_streamed_bootstrap_is_near_the_usual_one_whatever_the_order():
    values = numpy.random.default_rng(2).random(600)

    def interval(order):
        streamed = StreamedBootstrap(1000, seed=0)
        for place in order:
            streamed.add(DrawnRow(f"row-{place}", True), [("all", [values[place], 1.0], values[place])])
        return streamed.interval("all", mean, 0.95, values.mean()).bounds

    forward = interval(range(600))
    assert forward == pytest.approx(interval(reversed(range(600))))
    half = 1.96 * values.std() / math.sqrt(600)
    assert forward == pytest.approx((values.mean() - half, values.mean() + half), abs=0.005)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.5, 0.999))
def test_the_percentile_interval_is_that_of_numpys_quantiles(values, confidence):
    tail = expanded_tail(confidence, 100)
    expected = numpy.quantile(values, [tail, 1 - tail])
    found = percentiles(numpy.array([*values, numpy.nan]), confidence)
    rounding = 1e-12 * max(map(abs, values))  # of a quantile that falls on a value
    is_flat = max(values) - min(values) < 1e-9
    assert found is None if is_flat else found == pytest.approx(tuple(expected), abs=rounding)


def test_weights_of_the_streamed_bootstrap_are_poisson_and_a_matter_of_the_row_alone():
    hashes = numpy.array([stable_hash(0, row) for row in range(400)], dtype=numpy.uint64)
    weights = poisson_weights(hashes, 1001)
    assert weights.shape == (400, 1001)
    assert (poisson_weights(hashes[7:8], 1001) == weights[7]).all()
    assert (poisson_weights(hashes, 100) == weights[:, :100]).all()
    expected = stats.poisson.pmf(range(7), 1) * weights.size
    found = numpy.bincount(weights.ravel(), minlength=9)[:7]
    assert stats.chisquare(found, expected / expected.sum() * found.sum()).pvalue > 1e-4
    for axis in (0, 1):  # neither draws nor rows know of each other: the means are as spread as chance has it
        means = weights.mean(axis=axis)
        assert means.var() == pytest.approx(1 / weights.shape[axis], rel=0.25)


def test_samples_of_one_prompt_are_not_independent_evidence():
    values = numpy.random.default_rng(2).random(100)

    def width(samples):
        streamed = StreamedBootstrap(1000, seed=0)
        for place, value in enumerate(values):
            for sample in range(samples):
                streamed.add(DrawnRow(place, sample == 0), [("all", [value, 1.0], value)])
        low, high = streamed.interval("all", mean, 0.95, values.mean()).bounds
        return high - low

    assert width(5) == pytest.approx(width(1))


def test_a_share_is_known_in_a_stream_and_samples_of_a_prompt_are_none():
    def interval(rows, samples, value=1.0):
        streamed, second = StreamedBootstrap(100, seed=0), StreamedBootstrap(100, seed=0)
        for place in range(rows):
            for sample in range(samples):
                part = streamed if place % 2 else second  # another process's rows
                part.add(DrawnRow(place, sample == 0), [("all", [value, 1.0], value)])
        streamed.merge(second)
        return streamed.interval("all", mean, 0.95, value)

    assert interval(20, 1).bounds == share_interval(20, 20, 0.95).bounds
    assert interval(20, 1, 0.0).bounds == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert interval(4, 1).missing == interval(4, 3).missing == "fewer than 5 prompts"
    assert interval(20, 2).missing == interval(20, 1, 0.5).missing == "all resamples are equal"
