import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.protocol import read_metric
from sft_cli.scoring.totals import Totals

NUMBERS = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 50)), min_size=3, max_size=40)


def totals_of(pairs):
    named = read_metric("correlation")
    totals = Totals()
    for said, right in pairs:
        totals.add(named.metric.sums({"completion": said, "references": [right]}))
    return named, totals


@settings(max_examples=100, deadline=None)
@given(NUMBERS)
def test_equals_scipy(drawn):
    stats = pytest.importorskip("scipy.stats")
    x, y = numpy.array(drawn).T / 10
    named, totals = totals_of([(f"about {a}", str(b)) for a, b in zip(x, y, strict=True)])
    found = totals.values(named)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert all(numpy.isnan(value) for value in found.values())
        assert totals.summary(named, None)["value"] is None
        return
    assert found["correlation.pearson"] == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert found["correlation.spearman"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(NUMBERS, st.randoms(use_true_random=False))
def test_a_resample_has_the_correlation_of_its_rows(drawn, random):
    stats = pytest.importorskip("scipy.stats")
    named, _ = totals_of([])
    rows = [named.metric.sums({"completion": str(a), "references": [str(b)]}) for a, b in drawn]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = numpy.array([[row.get(name, 0) for name in names] for row in rows], dtype=float)
    weights = numpy.array([[random.randint(0, 2) for _ in drawn] for _ in range(4)])
    for value, reference in (("correlation.pearson", stats.pearsonr), ("correlation.spearman", stats.spearmanr)):
        found = named.statistic(names, value)(weights @ table)
        for weight, each in zip(weights, found, strict=True):
            x, y = numpy.repeat(numpy.array(drawn), weight, axis=0).reshape(-1, 2).T
            if len(set(x)) > 1 and len(set(y)) > 1:
                assert each == pytest.approx(reference(x, y).statistic, abs=1e-9)
            else:
                assert numpy.isnan(each)


def test_answers_without_a_number_are_left_out_and_counted():
    said = [("4.5", "5"), ("no idea", "1"), (None, "2"), ("1", "0.5"), ("2.0 of them", "3"), ("1", "high")]
    named, totals = totals_of(said)
    summary = totals.summary(named, None)
    assert (summary["n"], summary["unread"], summary["no_number"]) == (3, 2, 1)
    assert named.row_values(named.metric.sums({"completion": "1", "references": ["1"]})) == {}
