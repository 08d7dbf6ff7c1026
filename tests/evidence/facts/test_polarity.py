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
        ("2", "Chapter 2 is about milk."),
        ("三", "他有三本书。"),
    ],
)
def test_a_negation_or_a_number_alone_is_not_stated(claim: str, passage: str) -> None:
    assert verdict(claim, passage) == "not stated"


@pytest.mark.parametrize(("claim", "passage"), [("2 euros", "Milk costs 2 euros."), ("Rome.", "It was in Rome.")])
def test_a_value_with_a_unit_and_a_name_alone_are_found(claim: str, passage: str) -> None:
    assert verdict(claim, passage) == "supported"
