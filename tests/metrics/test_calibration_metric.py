import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import FieldError
from sft_cli.scoring.generations import check_generation
from sft_cli.scoring.totals import Totals


def scored(rows, name="calibration"):
    named = read_metric(name)
    totals = Totals()
    for row in rows:
        totals.add(named.metric.sums(row))
    return {key.partition(":")[0]: value for key, value in totals.values(named).items()}, totals.summary(named, None)


def answer(text, probability, reference="yes", tokens=2):
    logprob = {"sum": math.log(probability), "tokens": tokens}
    return {"completion": text, "references": [reference], "completion_logprob": logprob}


def test_brier_and_ece_by_hand():
    # Bins of a tenth: 0.95 (right) and 0.92 (wrong) in the last, 0.3 (wrong) in the fourth.
    values, summary = scored([answer("yes", 0.95), answer("no", 0.92), answer("no", 0.3)])
    assert values["calibration.brier"] == pytest.approx((0.05**2 + 0.92**2 + 0.3**2) / 3)
    assert values["calibration.ece"] == pytest.approx((abs(1 - 1.87) + abs(0 - 0.3)) / 3)
    assert values["calibration.confidence"] == pytest.approx((0.95 + 0.92 + 0.3) / 3)
    assert values["calibration.accuracy"] == pytest.approx(1 / 3)
    assert [each["rows"] for each in summary["bins"]] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 2]
    assert summary["bins"][9] == {
        "from": 0.9, "to": 1.0, "rows": 2, "confidence": pytest.approx(0.935), "accuracy": 0.5,
    }  # fmt: skip


def test_one_bin_is_the_difference_of_the_means():
    values, _ = scored([answer("yes", 0.95), answer("no", 0.3)], "calibration:bins=1")
    assert values["calibration.ece"] == pytest.approx(abs(0.5 - 0.625))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(1e-6, 1)), min_size=1, max_size=30))
def test_brier_equals_scikit_learn_and_ece_its_definition(drawn):
    metrics = pytest.importorskip("sklearn.metrics")
    values, _ = scored([answer("yes" if right else "no", probability) for right, probability in drawn])
    right, probabilities = (numpy.array(part, dtype=float) for part in zip(*drawn, strict=True))
    probabilities = numpy.exp(numpy.log(probabilities))
    expected = metrics.brier_score_loss(right, probabilities, pos_label=1, labels=[0, 1])
    assert values["calibration.brier"] == pytest.approx(expected, abs=1e-12)
    bins = numpy.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        (bins == place).mean() * abs(right[bins == place].mean() - probabilities[bins == place].mean())
        for place in set(bins.tolist())
    ]
    assert values["calibration.ece"] == pytest.approx(sum(gaps), abs=1e-9)


def choices(*totals, right=0):
    entries = [{"sum": total, "tokens": 1, "characters": 3, "bytes": 3} for total in totals]
    return {"completion": "", "choices": ["a", "b", "c"][: len(totals)], "answer_index": right,
            "choice_logprobs": entries}  # fmt: skip


def test_choices_are_preferred_and_their_confidence_is_a_softmax():
    row = {**choices(math.log(0.2), math.log(0.6)), **{"completion_logprob": {"sum": -9.0, "tokens": 1}}}
    values, _ = scored([row])
    assert values["calibration.confidence"] == pytest.approx(0.75)
    assert values["calibration.accuracy"] == 0
    tiny = scored([choices(-2000.0, -2001.0)])[0]
    assert tiny["calibration.confidence"] == pytest.approx(1 / (1 + math.exp(-1)))


def test_confidence_by_token_is_the_geometric_mean():
    values, _ = scored([answer("yes", 0.25, tokens=2)], "calibration:of=token")
    assert values["calibration.confidence"] == pytest.approx(0.5)


def test_rows_that_say_nothing_of_confidence_are_left_out_with_the_reason():
    rows = [
        {"completion": "yes", "references": ["yes"]},
        {**answer("yes", 0.5), "references": []},
        {"completion": None, "references": ["yes"], "completion_logprob": None},
        {**choices(-1.0, -2.0), "choice_logprobs": [None, None]},
        choices(-1.0, -2.0, right=None),
    ]
    values, summary = scored(rows)
    assert values == {}
    left_out = {name: summary.get(name) for name in ("no_logprobs", "no_reference", "too_long", "no_right_choice")}
    assert left_out == {"no_logprobs": 2, "no_reference": 1, "too_long": 1, "no_right_choice": 1}


def test_a_bad_log_probability_is_named():
    row = {"id": "a", "completion": "x", "completion_logprob": {"sum": 0.5, "tokens": 1}}
    with pytest.raises(FieldError, match=r"completion_logprob\.sum: expected a log-probability of at most 0, got 0\.5"):
        check_generation(row)


def test_entropy_weighs_tokens():
    rows = [{"completion": "a", "completion_logprob": {"sum": -6.0, "tokens": 2}},
            {"completion": "b", "completion_logprob": {"sum": -1.0, "tokens": 5}},
            {"completion": "", "completion_logprob": {"sum": 0.0, "tokens": 0}},
            {"completion": "c"}]  # fmt: skip
    values, summary = scored(rows, "entropy")
    assert values == {"entropy": pytest.approx(1.0), "entropy.per_completion": pytest.approx(3.5)}
    assert summary["no_logprobs"] == 2


@pytest.mark.parametrize(
    ("metric", "value", "is_higher"),
    [
        ("calibration", "calibration.ece", False),
        ("calibration:bins=5", "calibration.accuracy:bins=5", True),
        ("repetition", "repetition.distinct", True),
        ("repetition", "repetition.seq_rep", False),
        ("diversity:n=3", "diversity.distinct_3:n=3", True),
        ("diversity", "diversity.self_bleu", False),
        ("consistency", "consistency.entropy", False),
        ("consistency", "consistency.majority", True),
        ("supported-claims", "supported_claims.contradicted", False),
        ("supported-claims", "supported_claims", True),
    ],
)
def test_each_value_knows_its_better_direction(metric, value, is_higher):
    assert read_metric(metric).is_better_higher(value) is is_higher
