import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.accuracy import Accuracy
from sft_cli.metrics.labels import INVALID, class_name, naming_of, read_label

RATINGS = ["-2", "-1", "0", "+1", "1", "2"]
LANGUAGES = ["C", "C++", "C#", "F#", "F", ".NET", "NET"]
GRADES = ["A+", "A", "A-", "B"]
BOUNDS = ["<5", "5", ">5", "≥5", "5%", "$5"]
CASES = ["US", "us", "Us."]


@pytest.mark.parametrize("labels", [RATINGS, LANGUAGES, GRADES, BOUNDS, CASES, ["→", "->"], ["x²", "x2"]])
def test_each_label_is_a_class_of_its_own(labels):
    for right in labels:
        assert read_label(right, labels) == (naming_of(labels)(right), "exact")
        for completion in labels:
            found = Accuracy().sums({"completion": completion, "answer": right, "choices": labels})
            assert found["correct"] == (completion == right), (completion, right)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("aA1-+#². ", min_size=1, max_size=4), min_size=2, max_size=6, unique=True), st.data())
def test_accuracy_of_labels_is_that_of_comparing_strings(labels, data):
    right, completion = data.draw(st.sampled_from(labels)), data.draw(st.sampled_from(labels))
    row = {"completion": completion, "answer": right, "choices": labels}
    assert Accuracy().sums(row)["correct"] == (completion == right)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("My rating is -1.", ["1", "0"], (INVALID, "none")),  # another label, which is not there
        ("My rating is -1.", RATINGS, ("-1", "mention")),
        ("My rating is −1.", RATINGS, ("-1", "mention")),  # U+2212
        ("−1", RATINGS, ("-1", "exact")),
        ("**-1**", RATINGS, ("-1", "exact")),
        ("option-1 it is", RATINGS, ("1", "mention")),  # a hyphen between words
        ("1.5 stars", ["1", "5"], (INVALID, "none")),
        ("between 0.5 and 1", ["1", "5"], ("1", "mention")),
        ("10 of them", ["1", "0"], (INVALID, "none")),
        ("It is written in C++, not in C", LANGUAGES, ("c++", "mention")),
        ("It is written in C#.", ["C", "Java"], (INVALID, "none")),
        ("C", ["C", "Java"], ("c", "exact")),
        ("I give it an A+", GRADES, ("a+", "mention")),
        ("I give it an A- for the style", GRADES, ("a-", "mention")),
        ("It is US, not us", ["US", "us"], ("US", "mention")),
        ("3级", ["3级", "13级"], ("3级", "exact")),
        ("是13级", ["3级", "13级"], ("13级", "mention")),
        ("是13级", ["3级", "4级"], (INVALID, "none")),
    ],
)
def test_signs_belong_to_labels(text, labels, expected):
    naming = naming_of(labels)
    read, rule = read_label(text, labels)
    assert (read, rule) == (naming(expected[0]) if expected[0] != INVALID else INVALID, expected[1])


def test_a_class_without_given_labels_keeps_its_signs():
    assert [class_name(text) for text in ("C++.", "-1!", "(+1)", "“5%”", "**C#**", "- yes", "yes -")] == [
        *("c++", "-1", "+1", "5%", "c#", "yes", "yes"),
    ]
    for completion, right in (("1", "-1"), ("C", "C++"), ("<5", ">5"), ("A-", "A")):
        assert not Accuracy().sums({"completion": completion, "references": [right]})["correct"]
