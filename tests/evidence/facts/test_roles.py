from __future__ import annotations

import pytest

from sft_cli.evidence.facts.alignment import ComparedClaim, Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.roles import role_findings


def verdict(claim: str, *passages: str) -> str:
    return check_claim(claim, Evidence(passages)).verdict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Milan beat Rome.", "Rome beat Milan."),
        ("Oslo sued Bergen in 2011.", "Bergen sued Oslo in 2011."),
        ("The dog bit the man.", "The man bit the dog."),
        ("He flew from Oslo to Rome.", "He flew from Rome to Oslo."),
        ("小王比小李高。", "小李比小王高。"),
        ("甲公司收购了乙公司。", "乙公司收购了甲公司。"),
        ("他从北京飞往上海。", "他从上海飞往北京。"),
    ],
)
def test_two_parts_in_each_others_place_contradict(one: str, other: str) -> None:
    assert verdict(one, other) == verdict(other, one) == "contradicted"
    assert verdict(one, one, other) == "supported"


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Milan was beaten by Rome.", "Rome beat Milan."),
        ("Anna married Bert.", "Bert married Anna."),
        ("Rome and Oslo are cities.", "Oslo and Rome are cities."),
        ("She visited Rome, Paris and Oslo.", "She visited Oslo, Paris and Rome."),
        ("Paris is the capital.", "The capital is Paris."),
        ("他去过北京、上海和广州。", "他去过广州、上海和北京。"),
        ("中国与印度接壤。", "印度与中国接壤。"),
    ],
)
def test_another_order_alone_does_not_contradict(claim: str, passage: str) -> None:
    assert role_findings(ComparedClaim(claim, Evidence([passage]))) == []
