import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, matthews_corrcoef, precision_recall_fscore_support

from sft_cli.metrics.labels import INVALID, read_label
from sft_cli.metrics.protocol import read_metric

LABELS = ["red", "green", "blue"]


def added(metric, rows):
    total = {}
    for row in rows:
        for name, value in metric.sums(row).items():
            total[name] = total.get(name, 0) + value
    return total


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, "no idea"])), min_size=1, max_size=30),
    st.booleans(),
)
def test_equals_scikit_learn(pairs, has_choices):
    metric = read_metric("accuracy").metric
    choices = {"choices": LABELS} if has_choices else {}
    total = added(metric, [{"completion": read, "references": [gold], **choices} for gold, read in pairs])
    values, gold, read = metric.values(total), [a for a, _ in pairs], [b for _, b in pairs]
    labels = sorted(set(gold))
    assert values["accuracy"] == pytest.approx(accuracy_score(gold, read))
    for average in ("macro", "weighted", "micro"):
        scores = precision_recall_fscore_support(gold, read, labels=labels, average=average, zero_division=0)
        for place, part in enumerate(("precision", "recall", "f1")):
            assert values[f"accuracy.{average}_{part}"] == pytest.approx(scores[place], abs=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where there is one class
        assert values["accuracy.mcc"] == pytest.approx(matthews_corrcoef(gold, read), abs=1e-12)
        kappa = cohen_kappa_score(gold, read)
    assert values["accuracy.kappa"] == pytest.approx(0.0 if math.isnan(kappa) else kappa, abs=1e-12)
    matrix = metric.details(total)["confusion"]
    assert sum(count for row in matrix.values() for count in row.values()) == len(pairs)
    assert matrix[gold[0]][INVALID if has_choices and read[0] == "no idea" else read[0]] == pairs.count(pairs[0])
    each = precision_recall_fscore_support(gold, read, labels=labels, zero_division=0)
    classes = metric.details(total)["classes"]
    for place, label in enumerate(labels):
        found = classes[label]
        expected = [scores[place] for scores in each]
        assert [found["precision"], found["recall"], found["f1"], found["support"]] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("completion", "labels", "expected"),
    [
        (" Yes. ", ["yes", "no"], ("yes", "exact")),
        ("**Ｙｅｓ**", ["yes", "no"], ("yes", "exact")),
        ("I'd say no, not yes", ["yes", "no"], ("no", "mention")),
        ("I am not sure, unknown", ["yes", "no"], (INVALID, "none")),  # `no` is inside other words
        ("very positive indeed", ["positive", "very positive"], ("very positive", "mention")),
        ("答案是不是", ["是", "不是"], ("是", "mention")),
        ("不是。", ["是", "不是"], ("不是", "exact")),
        ("I think a good answer is B", ["A", "B"], ("b", "mention")),  # `a` is a word here
        ("(C)", ["A", "B", "C"], ("c", "exact")),
        ("", ["yes", "no"], (INVALID, "none")),
    ],
)
def test_reading_a_label(completion, labels, expected):
    assert read_label(completion, labels) == expected


def test_unreadable_and_failed_rows_stay_in_the_denominator():
    metric = read_metric("accuracy").metric
    rows = [{"completion": text, "answer": "yes", "choices": ["yes", "no"]} for text in ("yes", "dunno", None, "no")]
    values = metric.values(added(metric, rows))
    assert values["accuracy"] == 0.25
    assert values["accuracy.valid"] == 0.5


def test_labels_can_be_given_as_an_option():
    metric = read_metric("accuracy:labels=yes/no").metric
    assert metric.sums({"completion": "It is yes", "references": ["yes"]})["correct"] == 1


def test_without_labels_only_equality_counts():
    metric = read_metric("accuracy").metric
    rows = [("Paris.", "paris"), ("It is Rome", "Rome"), ("paris", "Rome")]
    total = added(metric, [{"completion": read, "references": [gold]} for read, gold in rows])
    values = metric.values(total)
    assert values["accuracy"] == pytest.approx(1 / 3)
    assert values["accuracy.valid"] == pytest.approx(2 / 3)  # "paris" is some row's right class, "it is rome" is not


def test_an_answer_that_is_no_choice_is_counted():
    assert read_metric("accuracy").metric.sums({"completion": "A", "answer": "Rome", "choices": ["A", "B"]})[
        "answer_not_a_choice"
    ]
