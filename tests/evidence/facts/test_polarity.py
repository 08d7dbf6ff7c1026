from __future__ import annotations

import pytest

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim


def verdict(claim: str, *passages: str) -> str:
    return check_claim(claim, Evidence(passages)).verdict


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("No.", "The moon is cheese."),
        ("It is not.", "The moon is not cheese."),
        ("He did not.", "He did not come."),
        ("没有。", "月球没有水。"),
        ("他没有。", "他没有去北京。"),
    ],
)
def test_a_negation_alone_is_not_stated(claim: str, passage: str) -> None:
    assert verdict(claim, passage) == "not stated"


@pytest.mark.parametrize(
    ("claim", "passage"),
    [("2 euros", "Milk costs 2 euros."), ("2", "Chapter 2 is about milk."), ("Rome.", "It was in Rome.")],
)
def test_a_value_alone_is_found(claim: str, passage: str) -> None:
    assert verdict(claim, passage) == "supported"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The shop sells bread.", "The shop no longer sells bread."),
        ("The bridge is safe for cars.", "The bridge is unsafe for cars."),
        ("The island is inhabited.", "The island is uninhabited."),
        ("Dogs can see red.", "Dogs cannot see red."),
        ("他是医生。", "他不是医生。"),
        ("议会通过了法案。", "议会没有通过法案。"),
        ("山上有雪。", "山上没有雪。"),
        ("合同仍然有效。", "合同不再有效。"),
        ("合同有效。", "合同无效。"),
        ("鲨鱼是鱼。", "鲨鱼并非鱼。"),
        ("他死于战争。", "他没有死于战争。"),
    ],
)
def test_a_negation_on_one_side_contradicts_both_ways(one: str, other: str) -> None:
    assert verdict(one, other) == verdict(other, one) == "contradicted"
    assert verdict(one, one) == verdict(other, other) == "supported"


@pytest.mark.parametrize(
    ("claim", "passage", "expected"),
    [
        # The rest of the claim must also be there.
        ("Cats cannot taste sugar.", "Dogs can taste sugar.", "not stated"),
        ("Members need not pay.", "Members must pay.", "not stated"),
        # Of two sentences that are equally near, one agrees.
        ("He signed the treaty in 1991.", "He did not sign the treaty. He signed the treaty in 1991.", "supported"),
        # A contrast.
        ("Rome is the capital.", "Rome, not Milan, is the capital.", "supported"),
        ("Milan is the capital.", "Rome, not Milan, is the capital.", "contradicted"),
        ("鲸鱼是鱼。", "鲸鱼不是鱼，而是哺乳动物。", "contradicted"),
        ("议会没有通过该法案。", "议会于2019年通过了该法案。", "contradicted"),
        # A word that begins like an opposite.
        ("They discover the city.", "They cover the city.", "not stated"),
    ],
)
def test_what_a_negation_and_an_opposite_are_about(claim: str, passage: str, expected: str) -> None:
    assert verdict(claim, passage) == expected


@pytest.mark.parametrize(
    ("claim", "passage", "expected"),
    [
        ("The test was not successful.", "The test was unsuccessful.", "supported"),
        ("The plan is not illegal.", "The plan is legal.", "supported"),
        ("The plan is not illegal.", "The plan is illegal.", "contradicted"),
        ("He did not fail to sign the treaty.", "He signed the treaty.", "supported"),
        ("It is not true that he did not sign the treaty.", "He signed the treaty.", "supported"),
        ("It is not true that he did not sign the treaty.", "He did not sign the treaty.", "contradicted"),
        ("他并非不知道此事。", "他知道此事。", "not stated"),
        ("他并非不知道此事。", "他不知道此事。", "contradicted"),
    ],
)
def test_two_negations_of_one_word_cancel(claim: str, passage: str, expected: str) -> None:
    assert verdict(claim, passage) == expected


@pytest.mark.parametrize(
    "frame",
    [
        "There is no evidence that {}.",
        "The ministry denied that {}.",
        "Nobody believes that {}.",
        "The claim that {} is false.",
        "It is a myth that {}.",
        "Some people wrongly claim that {}.",
    ],
)
def test_a_sentence_that_denies_a_clause_contradicts_it(frame: str) -> None:
    said = "the drug works"
    assert verdict("The drug works.", frame.format(said)) == "contradicted"
    assert verdict(frame.format(said), frame.format(said)) == "supported"
    assert verdict("The drug works.", f"{frame.format('the pill works')} But the drug works.") == "supported"


@pytest.mark.parametrize("frame", ["有人谎称{}。", "没有证据表明{}。", "没有人相信{}。"])
def test_a_chinese_sentence_that_denies_a_clause_contradicts_it(frame: str) -> None:
    assert verdict("他签署了条约。", frame.format("他签署了条约")) == "contradicted"
