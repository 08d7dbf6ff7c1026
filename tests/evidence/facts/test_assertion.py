from __future__ import annotations

import pytest

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim


def verdict(claim: str, *passages: str) -> str:
    return check_claim(claim, Evidence(passages)).verdict


@pytest.mark.parametrize(
    "passage",
    [
        "Did he sign the treaty?",
        "He may have signed the treaty.",
        "Perhaps he signed the treaty.",
        "If he had signed the treaty, the war would have ended.",
        "It is unclear whether he signed the treaty.",
        "He is said to have signed the treaty.",
        "他签署了条约吗？",
        "据传他签署了条约。",
        "他可能签署了条约。",
        "如果他签署了条约，战争就会结束。",
    ],
)
def test_a_sentence_that_leaves_a_clause_open_does_not_state_it(passage: str) -> None:
    claims = ("他签署了条约。", "他没有签署条约。")
    if passage.isascii():
        claims = ("He signed the treaty.", "He did not sign the treaty.")
    assert [verdict(claim, passage) for claim in claims] == ["not stated", "not stated"]
    assert verdict(claims[0], passage, claims[0]) == "supported"
    assert verdict(passage, passage) == "supported"


def test_the_rest_of_the_sentence_is_stated() -> None:
    passage = "The firm opened a shop in Rome, and it may have opened a bakery in Oslo."
    assert verdict("The firm opened a shop in Rome.", passage) == "supported"
    assert verdict("It opened a bakery in Oslo.", passage) == "not stated"


def test_the_output_names_the_phrase() -> None:
    findings = check_claim("He left Rome.", Evidence(["He may have left Rome."])).findings
    assert ("hedge", "absent", "may have") in [(each.fact.kind, each.status, each.shown) for each in findings]
