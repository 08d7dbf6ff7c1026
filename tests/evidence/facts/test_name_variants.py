"""A name in another form is not another name; another person of the same family is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts import folding
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.folding import folded_letters, may_be_other_script


def verdict(claim: str, evidence: str) -> str:
    return check_claim(claim, Evidence([evidence])).verdict


@pytest.mark.parametrize(
    ("claim", "evidence", "expected"),
    [
        # accents
        ("Jose Garcia won the prize.", "José García won the prize.", "supported"),
        ("The fair was held in Malmö in 1914.", "The fair was held in Malmo in 1914.", "supported"),
        ("Lech Walesa led the strike in 1980.", "Lech Wałęsa led the strike in 1980.", "supported"),
        ("The fair was held in Malmö in 1914.", "The fair was held in Lund in 1914.", "contradicted"),
        # initials, and names of countries
        ("The UK left the treaty.", "The United Kingdom left the treaty.", "supported"),
        ("The European Union signed the deal.", "The EU signed the deal.", "supported"),
        ("Siam joined the league in 1920.", "Thailand joined the league in 1920.", "supported"),
        ("The USA left the treaty.", "The United Nations left the treaty.", "contradicted"),
        (
            "The committee met at the International Labour Organization.",
            "A man who met her at the committee.",
            "not stated",
        ),
        # persons of one family
        ("E. Hemingway wrote the story.", "Ernest Hemingway wrote the story.", "supported"),
        ("J. R. R. Tolkien taught at Leeds.", "John Ronald Reuel Tolkien taught at Leeds.", "supported"),
        ("J.R.R. Tolkien taught at Leeds.", "J. R. R. Tolkien taught at Leeds.", "supported"),
        ("H. Mann wrote the novel.", "T. Mann wrote the novel.", "contradicted"),
        ("Samuel L. Jackson was born in Washington.", "Samuel T. L. Jackson was born in Washington.", "not stated"),
        ("Samuel T. L. Jackson was born in Washington.", "Samuel L. Jackson was born in Washington.", "not stated"),
        ("Bob Dole was a senator for Kansas.", "Robert Dole was a senator for Kansas.", "not stated"),
        ("Heinrich Mann wrote the novel.", "Thomas Mann wrote the novel.", "contradicted"),
        # spellings: nobody knows whether they are one name
        ("Tchaykovsky wrote the opera in 1878.", "Tchaikovsky wrote the opera in 1878.", "not stated"),
        ("Zambia joined the union in 1965.", "Gambia joined the union in 1965.", "contradicted"),
        ("Austria won the final in Rome.", "Australia won the final in Rome.", "contradicted"),
    ],
)
def test_names_in_another_form(claim: str, evidence: str, expected: str) -> None:
    assert verdict(claim, evidence) == expected


SCRIPTS = [
    ("臺灣的首府是臺北。", "台湾的首府是台北。"),
    ("德國的首都是柏林。", "德国的首都是柏林。"),
    ("《西遊記》的作者是吳承恩。", "《西游记》的作者是吴承恩。"),
    ("他在廣東省工作。", "他在广东省工作。"),
    ("公司由張偉創立。", "公司由张伟创立。"),
    ("他說「漢語很難」。", "他说「汉语很难」。"),
]


@pytest.mark.parametrize(("traditional", "simplified"), SCRIPTS)
def test_the_two_chinese_scripts_say_the_same(traditional: str, simplified: str) -> None:
    pytest.importorskip("opencc")
    assert verdict(traditional, simplified) == verdict(simplified, traditional) == "supported"
    assert folded_letters(traditional) == folded_letters(simplified)


@pytest.mark.parametrize(("traditional", "simplified"), SCRIPTS)
def test_without_opencc_the_other_script_contradicts_nothing(
    traditional: str, simplified: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "simplified_characters", lambda text: text)
    monkeypatch.setattr(folding, "_converter", lambda: None)
    assert "contradicted" not in (verdict(traditional, simplified), verdict(simplified, traditional))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("紅樓夢", "红楼梦", True),
        ("臺灣", "台湾", True),
        ("中国", "美国", False),
        ("中國", "美国", False),
        ("中国", "中国人", False),
        ("北京", "北京", False),
    ],
)
def test_other_script(one: str, other: str, expected: bool) -> None:
    assert may_be_other_script(one, other) is expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_folding_keeps_offsets_and_is_done_once(text: str) -> None:
    folded = folded_letters(text)
    assert len(folded) == len(text)
    assert folded_letters(folded) == folded
