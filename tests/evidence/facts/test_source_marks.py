"""Entities, footnote numbers, links and hidden characters are not words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.claims import split_claims
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.source_marks import without_marks


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Marks &amp; Spencer&#39;s", "Marks & Spencer's"),
        ("a &nosuch; b & c", "a &nosuch; b & c"),
        ("Rome² and Paris,³ not m², 10², km² or metres²", "Rome and Paris, not m², 10², km² or metres²"),
        ("Rome<sup>2</sup> has <b>one</b>", "Rome has one"),
        ("北京²是首都。³ 面积5平方米²", "北京是首都。 面积5平方米²"),
        ("Rome[note 1] and Oslo[a] [b] were[citation needed]", "Rome and Oslo [b] were"),
        ("[Rome](https://x.y/a_(b)) ![map](m.png)", "Rome map"),
        ("Rome[2](http://x.y) [^3](#n)", "Rome[2] [^3]"),
        ("Lon\u00addon\u200b \ufeffOslo", "London Oslo"),
        ("Beyonce\u0301", "Beyoncé"),
        ("2 < 3 and b > a, f(x)[0](y)", "2 < 3 and b > a, f(x)[0]"),
    ],
)
def test_marks(text: str, plain: str) -> None:
    assert without_marks(text)[0] == plain


@given(st.text(st.sampled_from("aR .²³&;#39<b>/[]()^†é\u0301\u200bam中"), max_size=40))
def test_each_character_keeps_its_place(text: str) -> None:
    plain, places = without_marks(text)
    assert len(plain) == len(places)
    assert places == sorted(places)
    assert all(0 <= place < len(text) for place in places)


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("H&M opened a shop in Oslo.", "H&amp;M opened a shop in Oslo."),
        ("Daniel Day-Lewis won in 2008.", "Daniel Day\u2011Lewis won in 2008."),
        ("The shop is in Oslo.", "The shop is in Oslo²."),
        ("The shop is in Oslo.", "The shop is in [Oslo](https://x.y/2)[2](https://x.y)."),
        ("他说“你好”。", "他说&ldquo;你好&rdquo;。"),
    ],
)
def test_marks_change_no_verdict(claim: str, evidence: str) -> None:
    for text, source in ((claim, evidence), (evidence, claim)):
        said = split_claims(text)[0]
        checked = check_claim(said.text, Evidence([source]))
        assert checked.verdict == "supported"
        assert (said.start, said.end) == (0, len(text))
        assert checked.evidence is not None
        assert (checked.evidence.start, checked.evidence.end) == (0, len(source))
