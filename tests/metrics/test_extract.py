import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.metrics.extract import EXTRACTORS
from sft_cli.metrics.protocol import read_metric


@pytest.mark.parametrize(
    ("rule", "text", "answer"),
    [
        ("number", "She has 3 + 4 = 7 apples.", "7"),
        ("number", "That makes $1,234.50", "1234.5"),
        ("number", "-0.0", "0"),
        ("number", "一共１２个苹果。", "12"),
        ("number", "一共12个苹果", "12"),
        ("number", "1,2,3", "3"),
        ("number", "12,345,678 people", "12345678"),
        ("number", "100", "100"),
        ("number", "room B12, the 3rd", None),
        ("number", "1.2.3", None),  # a version, not a number
        ("number", "none", None),
        ("number", "The result is \u22125.", "-5"),  # minus sign
        ("number", "The result is \u20135", "-5"),  # en dash
        ("number", "\ufe635 or \uff0d６", "-6"),
        ("number", "\ufe635", "-5"),
        ("number", "-$5", "-5"),
        ("number", "\u2212€1,200.50", "-1200.5"),
        ("number", "in 1990\u20131995", "1995"),  # a span of years
        ("number", "3\u22125 = \u22122", "-2"),
        ("number", "about 10² of them", None),  # not 102, and not 10
        ("number", "25 m²", "25"),
        ("number", "2½ apples", None),
        ("number", "① 7", "7"),
        ("line", "Let me think.\n\nParis \n\n", "Paris"),
        ("line", " \n", None),
        ("boxed", r"so \boxed{1}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("boxed", r"\boxed{7} and \boxed{8", "7"),
        ("boxed", "7", None),
        ("marked", "3 * 4 = 12\n#### 12", "12"),
        ("marked", "Answer: B. No, the answer is **C**.", "C"),
        ("marked", "Final answer: 42 \nThanks!", "42"),
        ("marked", "推理……\n答案是:北京。", "北京"),
        ("marked", "答：对", "对"),
        ("marked", "Answer:", None),
        ("marked", "no marker", None),
        ("marked", "#### $70,000", "70000"),
        ("marked", "The answer is $18.", "18"),
        ("marked", "#### 18.00", "18"),
        ("marked", "#### -$1,200", "-1200"),
        ("marked", "####\u22127", "-7"),
        ("marked", "#### 70,000 €.", "70000"),
        ("marked", "Answer: 1,2", "1,2"),  # two numbers
        ("marked", "Answer: 10²", "10²"),
        ("marked", "Answer: 18 dollars.", "18 dollars"),
        ("marked", "####　＄７０，０００", "70000"),
    ],
)
def test_the_final_answer_is_read_by_the_rule(rule, text, answer):
    assert EXTRACTORS[rule](text) == answer


@pytest.mark.parametrize("rule", sorted(EXTRACTORS))
@given(text=st.text())
def test_every_rule_takes_any_text(rule, text):
    found = EXTRACTORS[rule](text)
    assert found is None or isinstance(found, str)


@given(number=st.integers(-(10**12), 10**12), cents=st.integers(0, 99))
def test_a_number_is_read_however_it_is_written(number, cents):
    expected = f"{number}.{cents:02}".rstrip("0").rstrip(".") if cents else str(number)
    if number or cents:
        assert EXTRACTORS["number"](f"costs {number:,}.{cents:02} euros") == expected


def sums(metric, completion, *references):
    return read_metric(metric).metric.sums({"completion": completion, "references": list(references)})


def test_exact_match_compares_the_extracted_answers_of_both():
    metric = "exact-match:extract=number"
    assert sums(metric, "3 + 4 = 7, so 7.00 in all", "3 + 4 = <<3+4=7>>7\n#### 7") == {"correct": 1, "count": 1}
    assert sums(metric, "8", "#### 7") == {"correct": 0, "count": 1}
    assert sums(metric, "eight", "#### 7") == {"correct": 0, "count": 1, "no_answer": 1}
    assert sums(metric, None, "#### 7") == {"correct": 0, "count": 1}
    assert sums("exact-match:extract=marked", "The answer is Paris.", "Paris") == {"correct": 1, "count": 1}
    for rule, completion in (("boxed", "\\boxed{\u22125}"), ("line", "So:\n\u22125"), ("json:a", '{"a": "\u22125"}')):
        for reference in ("-5", "\u22125"):
            assert sums(f"exact-match:extract={rule}", completion, reference)["correct"] == 1
        assert sums(f"exact-match:extract={rule}", completion, "5")["correct"] == 0
    for reference in ("#### 70000", "#### $70,000.00", "$70,000"):
        assert sums("exact-match:extract=marked", "#### 70,000.", reference)["correct"] == 1
    assert "extract:number" in read_metric(metric).signature()
    assert "extract" not in read_metric("exact-match").signature()
