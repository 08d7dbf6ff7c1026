"""What counts as a loop, as a form, as the same prompt, and how a group is compared with the rest."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.report.explain.answer_causes import loops
from sft_cli.report.explain.form import form_of, has_form, labels_of_references
from sft_cli.report.explain.row_causes import quarters
from sft_cli.report.intervals import separate_shares_interval
from sft_cli.report.statistics import fisher


def test_fisher_equals_published_values() -> None:
    assert fisher(3, 4, 4, 8) == pytest.approx(0.2428571428571429, abs=1e-12)  # R: fisher.test, the lady tasting tea
    # scipy 1.17: fisher_exact([[24, 0], [9, 167]], "greater")
    from scipy.stats import fisher_exact

    assert fisher(24, 24, 33, 200) == pytest.approx(fisher_exact([[24, 0], [9, 167]], "greater").pvalue, rel=1e-9)


@given(st.integers(1, 30), st.data())
def test_fisher_equals_the_count_of_all_groups(rows: int, data: st.DataObject) -> None:
    inside_rows = data.draw(st.integers(0, rows))
    counted = data.draw(st.integers(0, rows))
    inside = data.draw(st.integers(max(0, inside_rows + counted - rows), min(inside_rows, counted)))
    groups = sum(
        comb(counted, count) * comb(rows - counted, inside_rows - count)
        for count in range(inside, min(inside_rows, counted) + 1)
    )
    assert fisher(inside, inside_rows, counted, rows) == pytest.approx(
        float(Fraction(groups, comb(rows, inside_rows))), rel=1e-9
    )


def test_the_interval_of_two_groups_equals_newcombe() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 873-890, table II: 56/70 - 48/80, method 10
    assert separate_shares_interval((56, 70), (48, 80), 0.95).bounds == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert separate_shares_interval((4, 4), (48, 80), 0.95).bounds is None


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("It is very very very very very very very very good.", True),
        ("The yen. " * 5, True),
        ("我不知道。我不知道。我不知道。", True),
        ("ha" * 30, True),  # one word
        ("haha", False),
        ("The capital of France is Paris, and the capital of Italy is Rome.", False),
        ("一年有四个季节，分别是春天、夏天、秋天和冬天。", False),
        ("", False),
        (None, False),
    ],
)
def test_a_loop_is_an_answer_whose_words_come_again(text: str | None, is_loop: bool) -> None:
    assert loops(text) is is_loop


def test_a_reference_has_a_form_and_an_answer_has_it_or_not() -> None:
    labels = labels_of_references(["yes", "no", "yes", "no", "yes", "no"])
    assert labels == {"yes", "no"}
    assert labels_of_references(["Paris", "Rome", "Oslo", "Lima"]) == frozenset()
    forms = [form_of(text, labels) for text in ('{"a": 1}', "1,200", "B", "yes", "Paris is the capital.")]
    assert forms == ["JSON", "number", "letter", "label", None]
    good = [('```json\n{"a": 2}\n```', "JSON"), ("1300.", "number"), ("(C)", "letter"), ("No.", "label")]
    bad = [("a is 1", "JSON"), ("It is 1300", "number"), ("The answer is C", "letter"), ("maybe", "label")]
    assert all(has_form(text, form, labels) for text, form in good)
    assert not any(has_form(text, form, labels) for text, form in bad)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60))
def test_quarters_have_each_row_once(lengths: list[int]) -> None:
    found = quarters("prompt", lengths)
    assert isinstance(found, dict)
    assert [sum(column) for column in zip(*found.values(), strict=True)] == [1] * len(lengths)
    assert len(found) <= 4
