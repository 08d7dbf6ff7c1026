"""Claims are checked by independent sources, and nothing of an answer is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.abstention import is_abstention
from sft_cli.evidence.claims import split_claims
from sft_cli.evidence.verification.answer import AnswerVerifier, contradictions, counts_of
from sft_cli.evidence.verification.policy import abstain, drop
from sft_cli.evidence.verification.sources import independent_sources
from sft_cli.run.errors import FieldError

YEN = "The yen was introduced in 1871."
LATE = "The yen was introduced in 1901."


def passage(text: str, source: str = "a.md", **more: Any) -> dict[str, Any]:
    return {"id": f"{source}#1", "source": source, "text": text, **more}


def verified(completion: str, *passages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return AnswerVerifier().verify({"id": "q", "context": list(passages), "completion": completion, **more})


def verdicts(row: dict[str, Any]) -> list[str]:
    return [claim["verdict"] for claim in row["claims"]]


def test_a_false_passage_that_two_others_contradict_is_reported() -> None:
    row = verified(
        LATE, passage(LATE, "false.md"), passage(YEN), passage("Japan: the yen was introduced in 1871.", "b")
    )
    assert verdicts(row) == ["contradicted"]
    assert row["claims"][0]["supported_by"] == ["false.md"]
    assert row["claims"][0]["contradicted_by"] == ["a.md", "b"]


def test_a_passage_that_many_pages_copy_is_one_source() -> None:
    copies = [passage(LATE, f"copy-{n}.md") for n in range(5)]
    assert [source.names for source in independent_sources(copies)] == [tuple(f"copy-{n}.md" for n in range(5))]
    assert verdicts(verified(LATE, *copies, passage(YEN))) == ["disputed"]


def test_passages_of_one_file_are_one_source() -> None:
    assert len(independent_sources([{"id": "a.md#1", "text": YEN}, {"id": "a.md#2", "text": "Other words here."}])) == 1
    assert len(independent_sources([{"text": YEN}, {"text": "Other words here."}])) == 2


def test_sources_can_support_a_claim_together() -> None:
    row = verified(
        "Ann Lee was born in Oslo in 1901.", passage("Ann Lee was born in Oslo."), passage("Lee, born 1901.", "b")
    )
    assert verdicts(row) == ["supported"]
    assert "supported_by" not in row["claims"][0]


@pytest.mark.parametrize(
    ("completion", "context", "expected"),
    [
        ("一元等于一百角。", "人民币一元等于十角。", {"contradicted", "not stated"}),
        ("人民币是中国的法定货币。", "人民币是中国的法定货币，一元等于十角。", {"supported"}),
        ("The law was not passed.", "The law was passed in May.", {"contradicted"}),
        ("The machine weighs 3.5 kg.", "The machine weighs 3500 g.", {"supported"}),
        ("It is made of gold.", "It weighs 3500 g.", {"not stated"}),
    ],
)
def test_verdicts_in_both_languages(completion: str, context: str, expected: set[str]) -> None:
    assert set(verdicts(verified(completion, passage(context)))) <= expected


def test_an_answer_against_itself_is_told() -> None:
    row = verified("The yen was introduced in 1871. The yen was introduced in 1901.", passage(YEN))
    assert row["claims"][1]["contradicts_claim"] == 0
    assert row["verification"]["kinds"]["logical"] == 1


def test_without_passages_nothing_is_stated() -> None:
    row = verified(YEN)
    assert (verdicts(row), row["claims"][0]["check"]) == (["not stated"], "none")


@pytest.mark.parametrize("text", ["I don't know", "I don’t know.", "我不知道。", "不知道"])
def test_an_answer_that_abstains_has_no_claims(text: str) -> None:
    row = verified(text, passage(YEN))
    assert (row["claims"], row["verification"]["abstained"], row["verification"]["supported_share"]) == ([], True, None)
    assert is_abstention(text)
    assert not is_abstention("I don't know much, but it is 1871.")


def test_a_generation_that_failed_has_no_claims() -> None:
    assert AnswerVerifier().verify({"id": "q", "completion": None, "finish_reason": "error"})["claims"] == []


def test_given_claims_are_read_instead_of_the_answer() -> None:
    row = AnswerVerifier(field="facts").verify({"context": [passage(YEN)], "completion": "x", "facts": [YEN, LATE]})
    assert verdicts(row) == ["supported", "contradicted"]
    with pytest.raises(
        FieldError, match=r"facts: expected a list of texts, got nothing|facts: expected a list of texts"
    ):
        AnswerVerifier(field="facts").verify({"completion": "x"})


def test_a_row_that_is_verified_already_is_refused() -> None:
    with pytest.raises(FieldError, match="claims: expected an answer that is not verified yet"):
        AnswerVerifier().verify(verified(YEN, passage(YEN)))


def test_policies_keep_the_original_beside_the_answer() -> None:
    row = verified("The yen was introduced in 1871. It is made of gold.", passage(YEN), prediction="gold")
    assert abstain(row, 1.0)["completion"] == "I don't know"
    assert drop(row, 1.0)["completion"] == YEN
    for changed in (abstain(row, 1.0), drop(row, 1.0)):
        assert changed["original_completion"] == row["completion"]
        assert changed["original_verification"] == row["verification"]
        assert "prediction" not in changed
    assert abstain(row, 1.0)["verification"] == {**counts_of([], abstained=True)}
    assert drop(row, 1.0)["verification"]["supported_share"] == 1.0
    assert abstain(row, 0.5) is row
    assert drop(row, 0.5) is row
    assert abstain(verified("一元等于一百角。", passage("一元等于十角。")), 1.0)["completion"] == "我不知道"


SENTENCES = st.lists(
    st.sampled_from([YEN, LATE, "It is gold.", "一元等于十角。", "- A list.", "\n\n", '"quote"']), max_size=6
)


@given(SENTENCES)
def test_claims_are_places_in_the_completion(sentences: list[str]) -> None:
    completion = " ".join(sentences)
    row = verified(completion, passage(YEN))
    end = 0
    for claim in row["claims"]:
        assert end <= claim["start"] < claim["end"] <= len(completion)
        assert claim["text"].split()[0] in completion[claim["start"] : claim["end"]]
        end = claim["end"]
    counts = row["verification"]
    assert counts["claims"] == len(row["claims"])
    assert counts["claims"] == sum(counts[name] for name in ("supported", "contradicted", "not_stated", "disputed"))


def test_the_evidence_of_a_fact_is_what_the_passage_says() -> None:
    row = verified("The currency of Japan is the yen.", passage("The currency of Japan is the yen. The sea is wide."))
    assert row["claims"][0]["facts"] == [{"kind": "name", "text": "Japan", "status": "found", "evidence": "Japan"}]


def test_a_citation_is_right_if_its_passage_alone_supports_the_claim() -> None:
    money, news = passage(YEN), passage("It rained in Oslo.", "b.md")
    row = verified(
        "The yen was introduced in 1871 [1]. The yen was introduced in 1871. [2] It rained [3].", money, news
    )
    assert [[each["verdict"] for each in claim["citations"]] for claim in row["claims"]] == [
        ["supported"],
        ["not stated"],
        ["no such passage"],
    ]
    assert verdicts(row)[:2] == ["supported", "supported"]  # a citation is no fact of the claim
    counts = row["verification"]
    assert (counts["citations"], counts["cited_claims"], counts["kinds"]["citation"]) == (3, 1, 2)


@pytest.mark.parametrize("cited", ["[source: a.md]", "【来源：a.md】", "(source: A.md#1)"])
def test_a_passage_can_be_cited_by_its_id_or_source(cited: str) -> None:
    (claim,) = verified(f"The yen was introduced in 1871 {cited}.", passage(YEN))["claims"]
    assert [each["verdict"] for each in claim["citations"]] == ["supported"]
    (claim,) = verified("The yen was introduced in 1871 [source: z.md].", passage(YEN))["claims"]
    assert [each["verdict"] for each in claim["citations"]] == ["no such passage"]


def test_a_text_without_an_end_is_a_claim_that_is_not_compared() -> None:
    row = verified("word " * 1000, passage(YEN))
    assert [(claim["verdict"], claim["check"]) for claim in row["claims"]] == [("not stated", "too long")]
    assert abstain(row, 1.0)["completion"] == "I don't know"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Norway uses the krone. Sweden uses the krone.", []),
        ("In 2010 sales were 5 million. In 2011 sales were 5 million.", []),
        ("In 2010 sales were 5 million. In 2011 sales were 6 million.", []),
        ("2010年的销售额是500万元。2011年的销售额是500万元。", []),
        ("The yen was introduced in 1871. The yen was introduced in 1901.", [(1, 0)]),
        ("The wall is red. The wall is not red.", [(1, 0)]),
    ],
)
def test_sentences_of_different_things_do_not_contradict_one_another(answer: str, expected: list[Any]) -> None:
    assert list(contradictions(split_claims(answer))) == expected


ABOUT_OTHERS = [
    ("The museum opened in 1950.", "The library opened in 1962.", "The theatre opened in 1971."),
    ("Water boils at 100 °C.", "Ethanol boils at 78 °C.", "Acetone boils at 56 °C."),
    ("Anna was born in 1950.", "Anna died in 2010.", "Anna married in 1975."),
    ("The bridge is 300 m long.", "The bridge is 20 m wide.", "The bridge is 50 m high."),
    ("The drug is not approved in Chad.", "The drug is approved in Mali.", "The drug is approved in Niger."),
    (
        "The firm had 500 employees in 2019.",
        "The firm had 500 employees in 2020.",
        "The firm had 500 employees in 2021.",
    ),
    (
        "The museum, which Ann Lee designed, opened in 1950 after long delays.",
        "The library, which is the largest of the city, opened in 1962 after long delays.",
        "The theatre, which is old, opened in 1971 after delays that the council regretted.",
    ),
    ("Mr. Smith got 500 euros for the first report.", "Mr. Smith got 300 euros for the second report.", "A walk."),
    ("成人票价为50元。", "儿童票价为25元。", "学生票价为30元。"),
    ("这座桥长300米。", "这座桥宽20米。", "这座桥高50米。"),
]


@pytest.mark.parametrize("sentences", ABOUT_OTHERS, ids=lambda each: each[0])
def test_sources_about_other_things_do_not_contradict(sentences: tuple[str, ...]) -> None:
    claim, *others = sentences
    of_others = [passage(text, f"{n}.md") for n, text in enumerate(others)]
    row = verified(claim, *of_others, passage(claim, "own.md"))
    assert verdicts(row) == ["supported"]
    assert row["claims"][0]["supported_by"] == ["own.md"]
    assert "contradicted_by" not in row["claims"][0]
    assert row["claims"][0]["evidence"]["text"] == claim
    assert verdicts(verified(claim, *of_others)) == ["not stated"]


def test_a_source_about_another_thing_does_not_support_against_one_about_the_thing() -> None:
    row = verified(
        "The museum opened in 1962.", passage("The library opened in 1962.", "l"), passage(ABOUT_OTHERS[0][0])
    )
    assert verdicts(row) == ["contradicted"]


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": "I don\'t know", "evidence": []}',
        '{"answer": "我不知道", "evidence": []}',
        "**I don't know.**",
        "I don’t know [1].",
        "Sorry, I don't know.",
        "I'm sorry, but I do not know the answer.",
        "抱歉，我不知道。",
        "对不起，但我不知道",
        "<think>The yen was introduced in 1901.</think>\n\nI don't know",
        "Hello! I don't know.",
    ],
)
def test_abstentions_have_no_claims(text: str) -> None:
    row = verified(text, passage(YEN))
    assert (row["claims"], row["verification"]["abstained"]) == ([], True)


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        (f"I don't know. {LATE}", [LATE]),
        (f"Hello! {YEN} How can I help you?", [YEN]),
        ("您好！您想问什么？", []),
        ("Was the yen introduced in 1871, and was the euro introduced in 1999?", []),
        ("He asked “When was the yen introduced?”", ["He asked “When was the yen introduced?”"]),
        ('{"answer": "It was in 1871.", "evidence": ["Who paid?"]}', ["It was in 1871.", "Who paid?"]),
    ],
)
def test_questions_greetings_and_abstentions_state_nothing(text: str, claims: list[str]) -> None:
    row = verified(text, passage(YEN))
    assert [claim["text"] for claim in row["claims"]] == claims
    assert not row["verification"]["abstained"]
    assert [text[claim["start"] : claim["end"]] for claim in row["claims"]] == claims


def test_listed_texts_that_state_nothing_are_no_claims() -> None:
    row = AnswerVerifier(field="facts").verify(
        {"context": [passage(YEN)], "completion": "x", "facts": [YEN, "I don't know", "Is it?"]}
    )
    assert [claim["text"] for claim in row["claims"]] == [YEN]
    assert row["verification"]["states_nothing"] == 2


def test_thoughts_are_not_checked_and_offsets_are_places_in_the_completion() -> None:
    text = f"<think>{LATE} Or not?</think>\n{YEN}"
    row = verified(text, passage(YEN))
    assert verdicts(row) == ["supported"]
    assert [text[claim["start"] : claim["end"]] for claim in row["claims"]] == [YEN]
    assert row["verification"]["thoughts"] == "left out"
    endless = verified(f"<think>{LATE}", passage(YEN))["verification"]
    assert (endless["claims"], endless["abstained"], endless["thoughts"]) == (0, False, "no end")
    whole = AnswerVerifier(reasoning=None).verify({"id": "q", "context": [passage(YEN)], "completion": text})
    assert "contradicted" in verdicts(whole)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Milk costs 2 euros in Rome; tea costs 9 euros in Paris.", "Milk costs 2 euros in Rome."),
        ("Milk costs 2 euros in Rome, and tea costs 9 euros in Paris.", "Milk costs 2 euros in Rome."),
        ("Tea costs 9 euros in Paris, and Milk costs 2 euros in Rome.", "Milk costs 2 euros in Rome."),
        (
            "- Milk costs 2 euros in Rome.\n- Tea costs 9 euros in Paris.\n- Rome.",
            "- Milk costs 2 euros in Rome.\n- Rome.",
        ),
        ("牛奶在罗马卖2欧元一升，茶在巴黎卖9欧元一杯。", "牛奶在罗马卖2欧元一升。"),
    ],
)
def test_a_dropped_claim_leaves_no_loose_conjunction(text: str, left: str) -> None:
    row = verified(text, passage("Milk costs 2 euros in Rome. 牛奶在罗马卖2欧元一升。"))
    assert drop(row, 1.0)["completion"] == left


def test_a_claim_without_facts_has_an_empty_list() -> None:
    assert verified("It rains.", passage("It rains."))["claims"][0]["facts"] == []
    assert verified("It rains.")["claims"][0]["facts"] == []


TEA = [
    {"id": "shop.md#1", "source": "shop.md", "text": "Coffee costs 3 euros."},
    {"id": "shop.md#2", "source": "shop.md", "text": "Tea costs 2 euros."},
]


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("[source: shop.md]", [("shop.md#2", "supported")]),
        ("[Passage 2]", [("shop.md#2", "supported")]),
        ("[doc 1]", [("shop.md#1", "not stated")]),
        ("[Source: 2]", [("shop.md#2", "supported")]),
        ("[shop.md#2]", [("shop.md#2", "supported")]),
        ("(shop.md#2)", [("shop.md#2", "supported")]),
        ("[source: shop.md#1, shop.md#2]", [("shop.md#1", "not stated"), ("shop.md#2", "supported")]),
        ("[2, p. 5]", [("shop.md#2", "supported")]),
        ("[passages 1-2]", [("shop.md#2", "supported")]),
        ("[passage 9]", [(None, "no such passage")]),
        ("[1000]", [(None, "no such passage")]),
    ],
)
def test_forms_of_citations(mark: str, expected: list[tuple[str | None, str]]) -> None:
    claim = verified(f"Tea costs 2 euros {mark}.", *TEA)["claims"][0]
    assert claim["verdict"] == "supported"
    assert [(cited.get("id"), cited["verdict"]) for cited in claim["citations"]] == expected


@pytest.mark.parametrize(
    "references",
    [
        "References:\n[1] shop.md\n[2] shop.md",
        "**Sources**\n\n- shop.md\n- A title",
        "参考文献：[1] shop.md",
        "Sources:\nshop.md\n",
    ],
)
def test_a_list_of_references_claims_nothing(references: str) -> None:
    assert verdicts(verified(f"Tea costs 2 euros.[2]\n\n{references}", *TEA)) == ["supported"]
    many = "\n".join(["[1] shop.md"] * 40)
    more = verified(f"Tea costs 2 euros.\n\nReferences:\n{many}\nMilk is a drink for all of us.", *TEA)
    assert len(more["claims"]) > 1


def test_a_source_after_the_stop_belongs_to_the_sentence_before() -> None:
    claims = verified("Tea costs 2 euros. [source: shop.md#2] Coffee costs 3 euros.", *TEA)["claims"]
    assert [len(claim.get("citations", [])) for claim in claims] == [1, 0]
