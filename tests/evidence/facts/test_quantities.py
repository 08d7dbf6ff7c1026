from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.chinese_numerals import chinese_number
from sft_cli.evidence.facts.fact import Quantity
from sft_cli.evidence.facts.quantities import quantities_in
from sft_cli.evidence.facts.quantity_comparison import compare_quantities
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
    assert (compare_quantities(*values) == "same") is is_same  # type: ignore[arg-type]


ANSWERS = {"S": "supported", "C": "contradicted", "N": "not stated"}
CLAIMS = """
S|The lake covers 12 500 hectares.|The lake covers 12,500 hectares.
S|The lake covers 12\u202f500 hectares.|The lake covers 12,500 hectares.
C|The lake covers 12 500 hectares.|The lake covers 13,500 hectares.
S|The bridge cost 2.500.000 euros.|The bridge cost 2.5 million euros.
S|The price is €1.234,50 in total.|The price is €1,234.50 in total.
S|The coin weighs .75 grams.|The coin weighs 0.75 grams.
S|The country has 83 million inhabitants.|The country has 83,237,124 inhabitants.
C|The country has 81 million inhabitants.|The country has 83,237,124 inhabitants.
C|The country has 3.5 million inhabitants.|The country has 3.4 million inhabitants.
S|The ratio is 2.72 in theory.|The ratio is 2.71828 in theory.
C|The ratio is 2.73 in theory.|The ratio is 2.71828 in theory.
N|The ratio is 2.71828 in theory.|The ratio is 2.72 in theory.
S|该国人口约14亿。|该国人口14.1亿。
S|该国人口8300万。|该国人口83237124。
C|该国人口8300万。|该国人口93237124。
C|The book has 300 pages.|The book has 301 pages.
C|Install Ubuntu 20.4 on the server.|Install Ubuntu 20.40 on the server.
C|Windows 3.1 was popular in offices.|Windows 3.11 was popular in offices.
S|Install Ubuntu 20.04 on the server.|Install Ubuntu 20.04 on the server.
C|The release 2.10.1 fixes the bug.|The release 2.1.1 fixes the bug.
C|The router has the address 10.0.0.1.|The router has the address 10.0.0.254.
C|Section 3.1 of the contract covers rent.|Section 3.10 of the contract covers rent.
C|The mass is 6.0e24 kg in total.|The mass is 6.0e23 kg in total.
C|Madrid beat Paris 4:2 in the final.|Madrid beat Paris 2:4 in the final.
S|Madrid beat Paris 4-2 in the final.|Madrid beat Paris 4:2 in the final.
C|主队以三比零获胜。|主队以零比三获胜。
C|The price fell from 30 euros to 20 euros.|The price fell from 20 euros to 30 euros.
C|利润从500万元变为300万元。|利润从300万元变为500万元。
C|The room holds no more than 40 people.|The room holds at least 40 people.
C|The room holds less than 40 people.|The room holds over 40 people.
S|The room holds at most 40 people.|The room holds up to 40 people.
S|The club has more than 50 members.|The club has 60 members.
C|会议室最多容纳40人。|会议室最少容纳40人。
C|会议室容纳不超过40人。|会议室容纳超过40人。
C|Unemployment rose by 2 percentage points.|Unemployment rose by 2 %.
C|失业率上升2个百分点。|失业率上升2%。
C|The salt content is 35 %.|The salt content is 35 ‰.
S|The salt content is 3.5 %.|The salt content is 35 ‰.
C|最低气温为零下10度。|最低气温为10度。
S|最低气温为零下10度。|最低气温为-10度。
S|一张票5角。|一张票0.5元。
C|The island lies at 12° W.|The island lies at 12° E.
C|该岛位于东经12度。|该岛位于西经12度。
C|The pump moves 30 litres per minute.|The pump moves 30 litres per hour.
S|The doctor allows 30 g daily.|The doctor allows 30 g per day.
C|工厂每月生产500吨。|工厂每年生产500吨。
C|Half the voters stayed at home.|Two thirds of the voters stayed at home.
S|Half the voters stayed at home.|50 % of the voters stayed at home.
C|一半选民没有投票。|四分之一选民没有投票。
C|3/4 of the voters stayed at home.|25 % of the voters stayed at home.
C|She visited Rome twice.|She visited Rome five times.
S|She was once the mayor of Rome.|She was once the mayor of Rome.
C|几十人受伤。|数百人受伤。
S|数千人参加了游行。|3500人参加了游行。
C|Dozens of people were injured in Lima.|Hundreds of people were injured in Lima.
S|Two hundred and twelve soldiers fell.|212 soldiers fell.
S|一千二百名学生毕业。|1200名学生毕业。
S|公司于一九九八年成立。|公司于1998年成立。
S|The price is three dollars and fifty cents.|The price is $3.50.
S|Kennedy was the thirty-fifth president.|Kennedy was the 35th president.
N|The king died in June 1688.|The king died in 1688.
N|He taught in Paris in 1904.|He taught in Paris from 1901 to 1909.
C|The king died before 1600.|The king died in 1688.
C|会议早上8点开始。|会议晚上8点开始。
"""


@pytest.mark.parametrize("row", CLAIMS.strip().splitlines())
def test_what_a_number_or_a_date_says_of_a_claim(row: str) -> None:
    answer, claim, evidence = row.split("|")
    assert check_claim(claim, Evidence([evidence])).verdict == ANSWERS[answer]


def test_a_bound_is_not_supported_by_any_number_of_the_text() -> None:
    evidence = Evidence(["The king was born in 1621 and died in 1688.", "The island has 7 lakes and 70 hills."])
    assert check_claim("The king died before 1650.", evidence).verdict != "supported"
    assert check_claim("The king had more than 60 horses.", evidence).verdict != "supported"


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
