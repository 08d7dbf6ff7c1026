from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts.alignment import Evidence, replaced_parts
from sft_cli.evidence.facts.check import ClaimCheck, check_claim
from sft_cli.evidence.facts.comparison import FactFinding

ENGLISH = (
    "Barack Obama was born on August 4, 1961 in Honolulu, Hawaii. He served two terms as president of the United "
    "States, from 2009 to 2017. He did not win the 2000 primary election. Profits rose by 5% to 3,512,345 dollars. "
    'He said: "We do not fear the future."'
)
CHINESE = (
    "何恺明1984年出生于广东省广州市，毕业于清华大学。他没有发表过小说，但发表了三百二十篇论文。公司收入增长百分之五，超过3.5万元。"
    "作者是威廉·琼斯，书名《红楼梦》。梵语由德国学者陆特和汉斯雷顿在欧洲开创。"
)
EVIDENCE = Evidence([ENGLISH, CHINESE])


def disputed(claim: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The verdict; and each fact that is not found: its text, its status, and what the passage has."""
    checked = check_claim(claim, EVIDENCE)
    texts = [(claim[each.fact.start : each.fact.end], each.status, each.shown) for each in sure(checked)]
    return checked.verdict, texts


def sure(checked: ClaimCheck) -> list[FactFinding]:
    return [each for each in checked.findings if each.status != "found" and each.fact.is_sure]


@pytest.mark.parametrize(
    "claim",
    [
        "Obama was born on August 4, 1961 in Hawaii.",
        "Barack Obama was born in August 1961.",
        "He served 2 terms as president of the U.S. from 2009 to 2017.",
        "Profits rose by five percent to $3.5 million.",
        "He did not win the 2000 primary election.",
        "President Obama said “we do not fear the future”.",
        "何恺明1984年出生于广州市。",
        "他发表了320篇论文。",
        "公司收入增长5%，超过35,000元。",
        "他没有发表过小说。",
        "作者是威廉·琼斯。",
    ],
)
def test_supported_claims(claim: str) -> None:
    assert disputed(claim) == ("supported", [])


@pytest.mark.parametrize(
    ("claim", "part", "shown"),
    [
        ("Obama was born on August 5, 1961 in Hawaii.", "August 5, 1961", "August 4, 1961"),
        ("Obama was born in 1962 in Honolulu.", "1962", "August 4, 1961"),
        ("He served three terms as president of the United States.", "three", "two"),
        ("He served two terms as president of the Soviet Union, from 2009.", "Soviet Union", "United States"),
        ("He won the 2000 primary election.", "won", "not"),
        ("He did not serve two terms as president of the United States.", "not", "served"),
        ("Profits fell by 5% to 3,512,345 dollars.", "fell", "rose"),
        ("何恺明1985年出生于广东省广州市", "1985年", "1984年"),
        ("他发表过小说。", "发表", "没有"),
        ("他没有发表三百二十篇论文。", "没有", "发表"),
        ("但发表了三百三十篇论文。", "三百三十篇", "三百二十篇"),
        ("公司收入下降百分之五。", "下降", "增长"),
        ("何恺明毕业于北京大学。", "北京大学", "清华大学"),
        ("梵语由法国学者陆特和汉斯雷顿在欧洲开创。", "法国", "德国"),
    ],
)
def test_contradicted_claims_name_both_facts(claim: str, part: str, shown: str) -> None:
    verdict, facts = disputed(claim)
    assert verdict == "contradicted"
    assert (part, "contradicted", shown) in facts


@pytest.mark.parametrize(
    ("claim", "part"),
    [
        ("Obama was born in Honolulu, near Chicago.", "Chicago"),
        ("He served two terms as president and wrote 17 books.", "17"),
        ("As Smith et al. (2019) say, he served two terms as president.", "Smith et al. (2019)"),
        ("何恺明出生于广州市，读过《水浒传》。", "水浒传"),
        ("他说“我很喜欢写论文”，发表了三百二十篇论文。", "我很喜欢写论文"),
    ],
)
def test_facts_that_no_passage_has(claim: str, part: str) -> None:
    verdict, facts = disputed(claim)
    assert verdict == "not stated"
    assert (part, "absent", "") in facts


def test_a_claim_about_something_else_is_not_stated() -> None:
    checked = check_claim("The moon is made of cheese.", EVIDENCE)
    assert (checked.verdict, checked.score, checked.evidence) == ("not stated", 0.0, None)
    assert check_claim("Any claim of 5 dogs.", Evidence([])).verdict == "not stated"


def test_the_evidence_is_the_nearest_sentence() -> None:
    checked = check_claim("他发表了320篇论文。", EVIDENCE)
    span = checked.evidence
    assert span is not None
    assert span.passage == 1
    assert CHINESE[span.start : span.end] == "他没有发表过小说，但发表了三百二十篇论文。"


def test_scores_order_claims() -> None:
    claims = [
        "Obama was born on August 4, 1961 in Honolulu, Hawaii.",
        "Obama was born on August 4, 1961 in Honolulu, far from Chicago.",
        "Obama was born on August 5, 1961 in Honolulu, far from Chicago.",
        "A cat sleeps.",
    ]
    scores = [check_claim(claim, EVIDENCE).score for claim in claims]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_synonyms_and_short_names_do_not_lower_a_claim() -> None:
    evidence = Evidence(["Marie Curie purchased a large house in 1911.", "国际商业机器公司购买了工厂。"])
    assert check_claim("Curie bought a big house in 1911.", evidence).verdict == "supported"
    assert check_claim("国际商业机器公司采购了工厂。", evidence).verdict == "supported"


def test_a_sentence_is_supported_by_its_own_paragraph() -> None:
    for sentence in [*ENGLISH.split(". "), *CHINESE.split("。")]:
        if sentence:
            assert check_claim(sentence, EVIDENCE).verdict == "supported", sentence


def test_replaced_parts() -> None:
    claim, sentence = "He was born in Chicago in 1961", "He was born in Honolulu in 1961."
    assert [(claim[a:b], sentence[c:d]) for (a, b), (c, d) in replaced_parts(claim, sentence)] == [
        ("Chicago", "Honolulu")
    ]
    assert replaced_parts(sentence, sentence) == []


@given(st.text(alphabet=st.sampled_from("ab A.1,不是年有北京大学「」《》[]%"), max_size=40), st.text(max_size=40))
def test_any_claim_has_a_verdict_and_a_score(claim: str, passage: str) -> None:
    checked = check_claim(claim, Evidence([passage]))
    assert checked.verdict in ("supported", "contradicted", "not stated")
    assert 0 <= checked.score <= 1
    assert all(0 <= each.fact.start < each.fact.end <= len(claim) for each in checked.findings)
    own = check_claim(claim, Evidence([claim]))
    assert all(each.status != "contradicted" for each in own.findings)


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("In 2011 sales were 6 million euros.", "In 2010 sales were 5 million euros."),
        ("Room 5 has 20 seats.", "Room 6 has 30 seats."),
        ("In Norway the tax was 20 % in 1999.", "In Sweden the tax was 25 % in 1999."),
        ("2011年的销售额是600万元。", "2010年的销售额是500万元。"),
    ],
)
def test_a_sentence_of_another_year_or_thing_contradicts_nothing(claim: str, passage: str) -> None:
    check = check_claim(claim, Evidence([passage]))
    assert check.verdict == "not stated"
    assert "contradicted" not in {finding.status for finding in check.findings}


@pytest.mark.parametrize(
    ("claim", "passage", "verdict"),
    [
        ("The capital of Peru is Rome.", "The capital of Peru is Lima.", "contradicted"),
        ("He purchased the house in 1951.", "He bought the house in 1950.", "contradicted"),
        ("The tall museum opened in 1962.", "The museum opened in 1950.", "contradicted"),
        ("The museum opened in 1962.", "In the spring of 1950, the museum opened in a former mill.", "contradicted"),
        ("他是医生。", "他不是医生。", "contradicted"),
        ("他获得第二名。", "他获得第一名。", "contradicted"),
        ("Mercury has no moons.", "Venus has no moons.", "not stated"),
        ("He did not win in 2000.", "He did not win in 1996.", "not stated"),
        ("Sales in 2011 were 5 million.", "Sales in 2010 were 5 million.", "not stated"),
        ("2011年的销售额为500万元。", "2010年的销售额为500万元。", "not stated"),
        ("Drug A was given to 120 patients.", "Drug B was given to 80 patients.", "not stated"),
        ("The museum opened in 1962.", "The library opened in 1962.", "not stated"),
        ("政府公布了这一消息。", "政府证实了这一消息。", "not stated"),
        ("政府否认了这一消息。", "政府证实了这一消息。", "contradicted"),
        ("The bridge opened in the winter of 1932.", "The bridge opened in the summer of 1932.", "not stated"),
        ("The colour of the flag is red.", "The color of the flag is red.", "supported"),
        ("The café in Rome is old.", "The cafe in Rome is old.", "supported"),
        ("Nobody died in the fire.", "No one died in the fire.", "supported"),
    ],
)
def test_another_word_in_the_place_of_a_word_is_another_matter(claim: str, passage: str, verdict: str) -> None:
    assert check_claim(claim, Evidence([passage])).verdict == verdict
