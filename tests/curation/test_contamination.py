"""Contamination: what was planted is found by kind, and rows that only look alike are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.contamination import ANSWER, BOTH, QUESTION, Contamination, HeldOut, HeldOutRow
from sft_cli.curation.training_rows import TrainingTexts

WORDS = [
    *("river", "stone", "lantern", "market", "violin", "harbour", "winter", "engine", "copper", "garden"),
    *("bishop", "thunder", "needle", "orchard", "camel", "glacier", "pepper", "sailor", "mirror", "tunnel"),
]
HAN = "山水火木金土日月天地人心手足花鸟鱼虫风云雷雨春夏秋冬东西南北红黄蓝绿黑白大小多少上下左右前后"


def texts(asked: str, learned: str) -> TrainingTexts:
    return TrainingTexts((asked,), (learned,))


def found(held_out: HeldOut, asked: str, learned: str) -> list[tuple[int, str, str]]:
    return [(each.row, each.part, each.match.form) for each in held_out.found_in(texts(asked, learned))]


def made_rows(count: int, chinese: bool) -> list[HeldOutRow]:
    """Questions of 16 words (24 characters) and answers of 12 (20), drawn at random."""
    draw = random.Random(int(chinese))

    def some(words: int) -> str:
        return "".join(draw.choices(HAN, k=2 * words)) if chinese else " ".join(draw.choices(WORDS, k=words))

    return [HeldOutRow(f"{some(16)}?", (f"{some(12)}.",)) for _ in range(count)]


def one_word_changed(text: str) -> str:
    if " " not in text:
        return text[:7] + "龙" + text[8:]
    words = text.split()
    return " ".join([*words[:5], "dragon", *words[6:]])


def re_spaced(text: str) -> str:
    return " ".join(text) if " " not in text else text.replace(" ", "\n  ")


PLANTED = {
    "verbatim": lambda row: (row.question, row.answers[0], BOTH, "same text"),
    "re-cased": lambda row: (row.question.upper(), row.answers[0].upper(), BOTH, "other case"),
    "re-spaced": lambda row: (re_spaced(row.question), re_spaced(row.answers[0]), BOTH, "other spaces"),
    "other marks": lambda row: (f"«{row.question.rstrip('?').replace(' ', ', ')}»", "no", QUESTION, "other marks"),
    "one word changed": lambda row: (one_word_changed(row.question), row.answers[0], BOTH, "near"),
    "answer only": lambda row: ("Say anything.", row.answers[0], ANSWER, "same text"),
    "question only": lambda row: (row.question, "I do not know.", QUESTION, "same text"),
    "in a long text": lambda row: (
        "Read this.",
        f"First. {row.question} Then: {row.answers[0]} End.",
        BOTH,
        "same text",
    ),
}
NOT_IN_CHINESE = {"re-cased", "other marks"}  # there is no case, and marks between characters are spaces


@pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])
@pytest.mark.parametrize("kind", PLANTED)
def test_each_planted_row_is_found_by_its_kind_and_nothing_else_is(kind: str, chinese: bool) -> None:
    if chinese and kind in NOT_IN_CHINESE:
        pytest.skip("no such change in Chinese")
    rows = made_rows(60, chinese)
    others = made_rows(90, chinese)[60:]
    held_out = HeldOut(rows)
    for number, row in enumerate(rows):
        asked, learned, part, form = PLANTED[kind](row)
        assert found(held_out, asked, learned) == [(number, part, form)]
    for row in others:
        assert not found(held_out, row.question, row.answers[0])


@given(st.text(min_size=1), st.text())
def test_a_row_that_is_a_training_row_is_always_found(question: str, answer: str) -> None:
    rows = [HeldOutRow("Which river?", ("None.",)), HeldOutRow(question, (answer,))]
    assert (1 in {row for row, _, _ in found(HeldOut(rows), question, answer)}) == bool(question.strip())


def test_another_name_in_a_template_is_another_question() -> None:
    names = ["Norway", "Denmark", "Peru", "Chad", "Fiji", "Mali", "Oman", "Cuba"]
    rows = [HeldOutRow(f"Which of the currencies of the world should I bring to {name}?", ("EUR",)) for name in names]
    assert not found(HeldOut(rows), "Which of the currencies of the world should I bring to Togo?", "EUR")


def test_an_answer_that_many_rows_have_is_no_evidence() -> None:
    rows = [
        HeldOutRow(f"Is a {word} heavy or light?", ("heavy" if n % 2 else "light",)) for n, word in enumerate(WORDS)
    ]
    assert not found(HeldOut(rows), "Is a river big or light?", "light")
    alone = HeldOut([*rows, HeldOutRow("Where does the blue heron sleep?", ("in the reeds",))])
    assert found(alone, "Where does the heron sleep?", "It sleeps in the reeds.") == [(len(rows), BOTH, "near")]


def test_a_short_question_counts_only_whole() -> None:
    held_out = HeldOut([HeldOutRow("Why is the sky blue?", ("Rayleigh",))])
    assert found(held_out, "why is the sky blue", "God") == [(0, QUESTION, "other case")]
    assert not found(held_out, "He asked: why is the sky blue? Write a poem.", "Roses")
    assert found(held_out, "He asked: why is the sky blue?", "Because of Rayleigh.") == [(0, BOTH, "other case")]


def test_the_part_that_is_alike_is_shown() -> None:
    (match,) = HeldOut(made_rows(5, chinese=False)).found_in(
        texts(f"Please: {one_word_changed(made_rows(5, chinese=False)[3].question)} Thanks.", "no")
    )
    assert isinstance(match, Contamination)
    assert "dragon" in match.match.text
    assert not match.match.text.startswith("Please")
    assert 0.8 < match.match.share < 1


def test_rows_without_words_are_never_found() -> None:
    assert not HeldOut([HeldOutRow("", ()), HeldOutRow("  ", ("",))]).found_in(texts("", ""))
    assert not HeldOut([]).found_in(texts("a", "b"))
