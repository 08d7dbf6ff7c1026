from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts.chinese_numerals import chinese_number
from sft_cli.evidence.facts.fact import Quantity
from sft_cli.evidence.facts.quantities import quantities_in
from sft_cli.evidence.facts.quantity_comparison import same_quantity
from sft_cli.run.errors import UserError


def read(text: str) -> list[tuple[str, str, str]]:
    """The text, the value and the unit of each number."""
    found = []
    for fact in quantities_in(text):
        value = fact.value
        assert isinstance(value, Quantity)
        number = f"{value.low.normalize():f}" + (f"-{value.high.normalize():f}" if value.high != value.low else "")
        found.append((text[fact.start : fact.end], number, value.unit))
    return found


@pytest.mark.parametrize(
    "text", ["1,000", "1000", "1k", "one thousand", "1000.0", "一千", "1千", "１０００", "a thousand"]
)
def test_one_number_in_many_forms(text: str) -> None:
    assert [value for _, value, _ in read(text)] == ["1000"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.5 million people", [("3.5 million people", "3500000", "person")]),
        ("5 km and 30 kg", [("5 km", "5000", "m"), ("30 kg", "30", "kg")]),
        ("5%, 5 percent, 5 per cent", [(form, "5", "percent") for form in ("5%", "5 percent", "5 per cent")]),
        ("$3.5bn and US$5 million", [("$3.5bn", "3500000000", "USD"), ("US$5 million", "5000000", "USD")]),
        (
            "10–20% or 3-5 million dollars",
            [("10–20%", "10-20", "percent"), ("3-5 million dollars", "3000000-5000000", "USD")],
        ),
        ("between 10 and 20 years", [("10 and 20 years", "10-20", "year")]),
        ("twenty-five large houses", [("twenty-five", "25", "hous")]),
        (
            "two and a half million, two thirds",
            [("two and a half million", "2500000", ""), ("two thirds", "66.6667", "percent")],
        ),
        ("the 21st and the third", [("21st", "21", "ordinal"), ("third", "3", "ordinal")]),
        ("-5 °C", [("-5 °C", "-5", "°C")]),
        ("a 5-year-old", [("5-year-old", "5", "year")]),
        ("a dozen eggs", [("a dozen", "12", "egg")]),
        ("GPT-4, B12, v1.2.3, COVID-19", []),
        ("no one, another one of them", []),
    ],
)
def test_english(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("三百二十人", [("三百二十人", "320", "person")]),
        ("3.5万元", [("3.5万元", "35000", "CNY")]),
        ("3.5萬元", [("3.5萬元", "35000", "CNY")]),
        ("百分之五和5%", [("百分之五", "5", "percent"), ("5%", "5", "percent")]),
        ("三分之一", [("三分之一", "33.3333", "percent")]),
        ("第三名", [("第三", "3", "ordinal")]),
        ("三億五千萬人", [("三億五千萬人", "350000000", "person")]),
        ("有3至5公里", [("3至5公里", "3000-5000", "m")]),
        ("两三个", [("两三个", "2-3", "piece")]),
        ("五成", [("五成", "50", "percent")]),
        ("统一四川，十分重要，唯一的", []),
    ],
)
def test_chinese(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("claimed", "stated", "is_same"),
    [
        ("3.5 million dollars", "3,512,345 dollars", True),
        ("3.6 million dollars", "3,512,345 dollars", False),
        ("more than 500 people", "523 people", True),
        ("more than 500 people", "480 people", False),
        ("about 500 people", "510 people", True),
        ("500 people", "510 people", False),
        ("5 km", "5000 metres", True),
        ("5 km", "5 miles", False),
        ("5 cats", "5 dogs", False),
        ("约5万人", "50,800人", True),
        ("20公里", "2万米", True),
        ("3 dogs", "3-5 dogs", True),
    ],
)
def test_when_a_number_supports_another(claimed: str, stated: str, is_same: bool) -> None:
    values = [quantities_in(text)[0].value for text in (claimed, stated)]
    assert all(isinstance(value, Quantity) for value in values)
    assert same_quantity(*values) is is_same  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    chinese_number.cache_clear()
    with pytest.raises(UserError, match="needs the package cn2an\nhint: pip install 'cn2an"):
        quantities_in("三百二十人")
    assert read("3.5万人") == [("3.5万人", "35000", "person")]  # figures need no package


@given(st.integers(0, 10**9), st.sampled_from(["There were {:,} dogs.", "有{}人。", "{} km"]))
def test_digits_are_read_as_their_value(number: int, form: str) -> None:
    text = form.format(number)
    factor = 1000 if "km" in form else 1
    assert [fact.value.low for fact in quantities_in(text)] == [Decimal(number) * factor]  # type: ignore[union-attr]


@given(st.text(max_size=40))
def test_any_text_is_read(text: str) -> None:
    for fact in quantities_in(text):
        assert 0 <= fact.start < fact.end <= len(text)
