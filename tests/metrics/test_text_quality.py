import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.json_validity import json_level
from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.repetition import longest_repeated_span, near_repeated_parts, sequence_repetition
from sft_cli.run.errors import UserError


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"a": [1, 2.5, null]}', "raw"),
        (" []\n", "raw"),
        ('```json\n{"a": 1}\n```', "fenced"),
        ("Here:\n```\n[1, 2]\n```\nDone", "fenced"),
        ('The answer is {"a": {"b": "}"}}, see above', "embedded"),
        ("as shown in [1]", None),
        ("[]: nothing", None),
        ('{"a": NaN}', None),
        ("[Infinity]", None),
        ("{'a': 1}", None),
        ('{"a": 1', None),
        ('"text"', None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_json_level(text, level):
    assert json_level(text) == level


def test_any_kind_of_json_may_be_let_through():
    named = read_metric("json-validity:kind=any")
    assert named.row_values(named.metric.sums({"completion": "42"}))[named.primary] == 1.0
    assert named.row_values(named.metric.sums({"completion": "NaN"}))[named.primary] == 0.0


def test_failed_rows_are_not_json():
    named = read_metric("json-validity")
    assert named.values(named.metric.sums({"completion": None}))["json_validity.embedded"] == 0.0


def test_perplexity_of_a_uniform_model_is_the_vocabulary():
    named = read_metric("perplexity")
    rows = [{"sum": -5 * math.log(100), "tokens": 5, "bytes": 9}, {"sum": -3 * math.log(100), "tokens": 3, "bytes": 4}]
    values = named.values(named.metric.sums({"completion": "", "reference_logprobs": rows}))
    assert values["perplexity"] == pytest.approx(100)
    assert values["perplexity.bits_per_byte"] == pytest.approx(8 * math.log2(100) / 13)


def test_perplexity_weighs_tokens_not_rows():
    metric = read_metric("perplexity").metric
    rows = [(-1.0, 1), (-30.0, 10)]
    sums = [metric.sums({"reference_logprobs": [{"sum": total, "tokens": tokens}]}) for total, tokens in rows]
    total = Counter(sums[0]) + Counter(sums[1])
    assert metric.values(total)["perplexity"] == pytest.approx(math.exp(31 / 11))
    assert metric.sums({"reference_logprobs": []}) is None


def test_references_too_long_for_the_model_are_counted():
    named = read_metric("perplexity")
    entry = {"sum": -2.0, "tokens": 2, "bytes": 4}
    assert named.metric.sums({"reference_logprobs": [entry, None]})["too_long"] == 1
    assert named.metric.sums({"reference_logprobs": [None]}) == {"count": 0, "too_long": 1}


def test_perplexity_stays_finite():
    named = read_metric("perplexity")
    sums = named.metric.sums({"reference_logprobs": [{"sum": -1e6, "tokens": 1}]})
    assert math.isfinite(named.values(sums)["perplexity"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=4, max_size=25))
def test_repetition_equals_its_definition(tokens):
    ngrams = [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]
    assert sequence_repetition(tokens, 4) == pytest.approx(1 - len(set(ngrams)) / len(ngrams))
    spans = (
        length
        for length in range(len(tokens) - 1, 0, -1)
        if max(Counter(tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1)).values()) > 1
    )
    assert longest_repeated_span(tokens) == next(spans, 0)


def test_short_completions_are_left_out_and_counted():
    named = read_metric("repetition")
    assert named.metric.sums({"completion": "one two three"}) == {"count": 0, "too_short": 1}
    assert named.row_values(named.metric.sums({"completion": "one two three"})) == {}
    assert named.metric.sums({"completion": None}) is None
    looping = named.row_values(named.metric.sums({"completion": "go on " * 8}))
    assert looping["repetition.seq_rep"] == pytest.approx(1 - 2 / 13)
    assert looping["repetition.distinct"] == 2 / 16
    assert looping["repetition.longest_span"] == 14 / 16


def repetition(text, name="repetition"):
    named = read_metric(name)
    values = named.row_values(named.metric.sums({"completion": text}))
    return {key.partition(":")[0].removeprefix("repetition."): value for key, value in values.items()}


def test_sentences_that_come_again_are_counted_without_case_and_punctuation():
    found = repetition("Cats like fish. Dogs like bones!\nCats like fish? Birds like seeds.")
    assert found["sentences"] == found["near_sentences"] == 1 / 4
    assert "paragraphs" not in found


def test_chinese_sentences_and_paragraphs_that_come_again():
    found = repetition("猫喜欢吃鱼。狗喜欢吃骨头。猫喜欢吃鱼！\n\n鸟喜欢吃种子。\n \n鸟喜欢吃种子。")
    assert found["sentences"] == pytest.approx(2 / 5)
    assert found["paragraphs"] == pytest.approx(1 / 3)


def test_nearly_equal_sentences():
    text = "The first of the two cats likes to eat fish. The second of the two cats likes to eat fish. Dogs eat bones."
    assert repetition(text)["sentences"] == 0
    assert repetition(text)["near_sentences"] == pytest.approx(1 / 3)
    assert repetition(text, "repetition:near=1")["near_sentences"] == 0
    with pytest.raises(UserError, match=r"repetition: near: expected at most 1, got 2"):
        read_metric("repetition:near=2")


def test_short_parts_are_no_repetition_and_one_sentence_has_no_share():
    found = repetition("1. Dr. Smith likes his two cats. 2. Dr. Jones likes her three dogs.")
    assert found["sentences"] == 0
    assert "sentences" not in repetition("only one long sentence here")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), min_size=1, max_size=6))
def test_near_repetition_equals_its_definition(parts):
    near = 0.6
    expected = [
        any(len({*part} & {*other}) / len({*part} | {*other}) >= near for other in parts[:place])
        for place, part in enumerate(parts)
    ]
    assert near_repeated_parts(parts, near) == pytest.approx(sum(expected) / len(parts))
