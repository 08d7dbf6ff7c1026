import itertools

import numpy as np
import pytest
from asked_metrics import asked_metric
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.near_sets import near_another
from sft_cli.metrics.ngram_hashes import ngram_numbers
from sft_cli.run.errors import UserError
from sft_cli.scoring.totals import Totals


def values(rows, name="collapse"):
    """The metric's values of (id, completion, reference), and the sums of each row."""
    named = asked_metric(name)
    full = [
        {"id": name, "sample": place, "completion": text, "references": [right] if right is not None else []}
        for place, (name, text, right) in enumerate(rows)
    ]
    for row in full:
        named.metric.survey(row)
    total = Totals()
    each = [named.metric.sums(row) for row in full]
    for sums in each:
        total.add(sums)
    return {key.partition(":")[0].removeprefix("collapse."): value for key, value in total.values(named).items()}, each


def test_twenty_questions_with_one_answer_have_collapsed():
    found, _ = values([(str(place), "I am happy to help you with this!", None) for place in range(20)])
    assert found["excess"] == pytest.approx(19 / 20)
    assert found["repeated"] == found["near"] == found["shared_ngrams"] == 1.0
    assert found["repeated_ngrams"] == pytest.approx(1 - 5 / 100)  # five 4-grams, twenty times


def test_chinese_answers_collapse_alike():
    found, _ = values([(str(place), "很高兴为您服务。", None) for place in range(20)])
    assert (found["repeated"], found["shared_ngrams"]) == (1.0, 1.0)
    others = ["北京是中国的首都。", "水在零度结冰。", "猫会捉老鼠。"]
    found, _ = values([(text, text, None) for text in others])
    assert (found["excess"], found["repeated"], found["near"], found["shared_ngrams"]) == (0, 0, 0, 0)


def test_a_classifier_that_is_right_has_no_excess_and_one_that_always_says_yes_has():
    right = [(str(place), label, label) for place, label in enumerate(["yes", "no"] * 10)]
    assert values(right)[0]["excess"] == 0
    assert values(right)[0]["repeated"] == 1.0
    constant = [(name, "yes", label) for name, _, label in right]
    assert values(constant)[0]["excess"] == pytest.approx(0.5)


def test_samples_of_one_prompt_and_case_and_punctuation_do_not_count():
    assert values([("a", "Yes.", None), ("a", "Yes.", None)])[0]["repeated"] == 0
    assert values([("a", "Yes.", None), ("b", "yes", None)])[0]["repeated"] == 1
    assert values([("a", "Yes.", None), ("b", "yes", None)], "collapse:normalize=none")[0]["repeated"] == 0


def test_nearly_equal_answers_are_found_and_those_of_one_prompt_are_not():
    text = "the quick brown fox jumps over the lazy dog and then it sleeps for a long time"
    other = text + " indeed"
    assert values([("a", text, None), ("b", other, None)])[0]["near"] == 1
    assert values([("a", text, None), ("a", other, None)])[0]["near"] == 0
    assert values([("a", text, None), ("b", other, None)], "collapse:near=1")[0]["near"] == 0


def test_rows_without_an_answer_are_left_out():
    found, each = values([("a", None, "x"), ("b", "<think>hm", "x"), ("c", "no", "x")])
    assert each[:2] == [None, None]
    assert found["repeated"] == 0


def test_the_signature_names_the_prompts():
    first, second, third = (asked_metric("collapse") for _ in range(3))
    for named, ids in ((first, "ab"), (second, "ba"), (third, "abc")):
        for name in ids:
            named.metric.survey({"id": name, "completion": "x"})
    assert first.signature() == second.signature() != third.signature()
    assert "prompts:2@" in first.signature()


def test_near_is_a_share():
    with pytest.raises(UserError, match=r"collapse: near: expected at most 1, got 1\.5"):
        asked_metric("collapse:near=1.5")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 9), max_size=8)), max_size=12),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
def test_near_sets_are_those_of_all_pairs(owned, least):
    owners = [owner for owner, _ in owned]
    expected = [
        any(
            other != owner and (len(mine & theirs) / len(mine | theirs) if mine | theirs else 1.0) >= least - 1e-9
            for other, theirs in owned
        )
        for owner, mine in owned
    ]
    arrays = [np.array(sorted(members), dtype=np.uint64) for _, members in owned]
    assert near_another(arrays, owners, least) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pqr"), st.lists(st.sampled_from("abc"), max_size=7)), max_size=6))
def test_shares_of_ngrams_equal_their_definition(given_rows):
    found, _ = values([(name, " ".join(tokens), None) for name, tokens in given_rows], "collapse:n=2")
    pairs = [(name, pair) for name, tokens in given_rows for pair in itertools.pairwise(tokens)]
    if not pairs:
        assert not found or found["repeated_ngrams"] != found["repeated_ngrams"]
        return
    assert found["repeated_ngrams"] == pytest.approx(1 - len({pair for _, pair in pairs}) / len(pairs))
    shared = [(name, pair) for name, pair in pairs if any(other != name and same == pair for other, same in pairs)]
    assert found["shared_ngrams"] == pytest.approx(len(shared) / len(pairs))


def test_ngram_numbers_are_equal_where_ngrams_are():
    numbers = ngram_numbers(["a", "b", "c", "a", "b", "c", "b", "a"], 3).tolist()
    assert numbers[0] == numbers[3]
    assert len(set(numbers)) == 5
    assert len(ngram_numbers(["a"], 3)) == 0
