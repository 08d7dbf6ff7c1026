import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.metrics.groundedness import claims_in, mentions, names_in, quotes_in, supported
from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import FieldError
from sft_cli.scoring.totals import Totals

CONTEXT = 'In 1889 Gustave Eiffel built the tower. It cost 1,500,000 francs. He said: "I ought to be jealous of it."'


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The tower was built by Gustave Eiffel.", ["Gustave Eiffel"]),
        ("Paris is big. Berlin too, says Ada.", ["Ada"]),  # a sentence's first word says nothing
        ("Marie Curie and I met in New York.", ["Curie", "New York"]),
        ("It is Eiffel's tower", ["Eiffel"]),
        ("他读《红楼梦》。", ["红楼梦"]),
        ("Он живёт в Москве", ["Москве"]),
        ("nothing here", []),
        ("", []),
    ],
)
def test_names_are_read_by_their_form(text, names):
    assert names_in(text) == names


def test_a_latin_name_in_chinese_text_is_a_whole_word():
    assert mentions("他在Kelley商学院", "Kelley")
    assert not mentions("他在Kelleys商学院", "Kelley")


def test_quotes_in_any_script():
    assert quotes_in("\"one\" “two” 「三」『四』 it's 'five' « six »") == ["one", "two", "三", "四", "six"]


def test_what_the_context_supports_is_counted():
    answer = 'Built in 1889 by Gustave Eiffel and Stephen Sauvestre for 1500000.0 francs: "jealous  of it", "a joke".'
    found = supported(answer, CONTEXT, "mixed")
    assert found["numbers"] == (2, 2)
    assert found["names"] == (1, 2)
    assert found["quotes"] == (1, 2)
    assert supported("埃菲尔在1889年", "1889年，埃菲尔建成。", "mixed")["tokens"] == (5, 6)  # 在 is not there


PERFECT = '{"answer": "It cost 1,500,000 francs", "evidence": [{"quote": "It cost 1,500,000 francs."}]}'


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", " {}\n"])
def test_json_claims_what_its_values_say(around):
    found = supported(around.format(PERFECT), CONTEXT, "mixed")
    assert found["quotes"] == (1, 1)  # keys are no quotations, nor is each value one
    assert found["numbers"] == (2, 2)
    assert found["tokens"] == (12, 12)
    wrong = supported(around.format(PERFECT.replace("500,000 f", "600,000 f")), CONTEXT, "mixed")
    assert wrong["quotes"] == (0, 1)
    assert wrong["numbers"] == (0, 2)


def test_json_is_read_wherever_it_stands():
    text = 'Eiffel "built" it: {"when": 1889, "quotes": ["It cost"], "sure": true, "who": "the “jealous”"} (sure)'
    assert claims_in(text) == (
        'Eiffel "built" it: \n (sure)\n1889\nIt cost\nthe “jealous”',
        ["built", "It cost", "jealous"],
    )
    assert claims_in('["a", {"b": ["c"]}]') == ("a\nc", [])
    assert claims_in("{not json} [1]") == ("{not json} [1]", [])
    assert supported('{"quote": "“It  cost”"}', CONTEXT, "mixed")["quotes"] == (1, 1)
    assert supported("", CONTEXT, "mixed")["tokens"] == (0, 0)


def test_part_of_a_word_is_no_mention():
    assert supported("Meet Ann now", "Anna came", "mixed")["names"] == (0, 1)
    assert supported("Meet Ann now", "ann came", "mixed")["names"] == (1, 1)


def sums(metric="groundedness", **row):
    return read_metric(metric).metric.sums({"completion": "in 1889", **row})


def test_the_context_is_a_text_a_list_or_the_prompt():
    expected = sums(context=CONTEXT)
    assert expected["supported_numbers"] == expected["all_numbers"] == 1
    assert sums(context=[CONTEXT[:50], {"text": CONTEXT[50:], "doc": 3}]) == expected
    assert sums("groundedness:context=messages", messages=[{"role": "user", "content": CONTEXT}]) == expected
    assert sums() is None
    assert sums(context=[]) is None
    with pytest.raises(FieldError, match=r"context\[1\]: expected text, or an object with text or content, got 7"):
        sums(context=["a", 7])


def test_shares_are_over_the_whole_file_and_failed_rows_claim_nothing():
    named = read_metric("groundedness")
    rows = [sums(context="1 2 3", completion="1 2 3"), sums(context="x", completion="9")]
    added = {key: rows[0][key] + rows[1][key] for key in rows[0]}
    assert named.values(added)["groundedness.numbers"] == 3 / 4
    assert named.metric.details(added) == {"of": {"tokens": 4, "numbers": 4, "names": 0, "quotes": 0}}
    assert sums(context="x", completion=None) == {"count": 0, "no_completion": 1}
    assert "groundedness.names" not in named.row_values(rows[0])


@given(st.text())
def test_a_text_supports_itself(text):
    for there, total in supported(text, text, "mixed").values():
        assert there == total


def test_a_share_of_nothing_is_missing_and_no_zero():
    named = read_metric("groundedness")
    totals = Totals()
    totals.add(named.metric.sums({"completion": "It cost little.", "context": CONTEXT}))
    assert totals.summary(named, None)["values"]["groundedness.quotes"] is None
    assert totals.summary(named, None)["values"]["groundedness.tokens"] > 0


@pytest.mark.parametrize("mark", ["[2]", " [2, 3]", "[^1]", "【4】", "[5-7]"])
def test_a_citation_mark_is_no_number(mark):
    assert supported(f"It cost 1,500,000 francs{mark}.", CONTEXT, "mixed")["numbers"] == (1, 1)


def test_a_list_of_numbers_in_json_is_no_citation():
    assert supported('{"years": [1889, 1890]}', CONTEXT, "mixed")["numbers"] == (1, 2)
