"""Verifiable instructions: a text that follows each and one that does not, and rows that say something else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sft_cli.metrics.instructions import INSTRUCTIONS
from sft_cli.metrics.instructions.ifeval import split_into_sentences
from sft_cli.metrics.instructions.metric import checks_of, loose_forms
from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import FieldError

# id: arguments, texts that follow, texts that do not. Where google-research/instruction_following_eval was at hand (all
# but number_sentences, for which it needs a download), both gave the same on 10 868 random texts (docs/log.md).
CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "keywords:existence": ({"keywords": ["cat", "d.g"]}, ["A Cat and a dOg"], ["cat"]),
    "keywords:frequency": ({"keyword": "ha", "frequency": 2, "relation": "at least"}, ["HaHa"], ["ha"]),
    "keywords:forbidden_words": ({"forbidden_words": ["cat"]}, ["concatenate"], ["a Cat."]),
    "keywords:letter_frequency": (
        {"letter": "A", "let_frequency": 2, "let_relation": "less than"},
        ["bAb"],
        ["aA"],
    ),
    "language:response_language": (
        {"language": "fr"},
        ["Bonjour tout le monde, comment allez-vous ?"],
        ["Good morning, how are you all?"],
    ),
    "length_constraints:number_sentences": (
        {"num_sentences": 2, "relation": "at least"},
        ["One. Two!", "我来了。你呢？"],
        ["Dr. Who came.", "3.5 of them"],
    ),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, ["a\n***\nb", "a *** b ***"], ["a", "a *** *** b"]),
    "length_constraints:number_words": ({"num_words": 3, "relation": "less than"}, ["a b"], ["a-b c"]),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "so"},
        ['a\n\n"So, b'],
        ["a\n\nb", "so\n\nso\n\nso"],
    ),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, ["[a] [b] [c]"], ["[a"]),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, ["Bye.\np. s. more"], ["PS more"]),
    "detectable_format:number_bullet_lists": (
        {"num_bullets": 2},
        ["* a\n - b"],
        ["* a", "* a\n* b\n- c", "**a**\n* b"],
    ),
    "detectable_format:constrained_response": ({}, [" My answer is no. "], ["No."]),
    "detectable_format:number_highlighted_sections": (
        {"num_highlights": 2},
        ["*a* *b*", "**a** *b*"],
        ["*a*", "**a**"],
    ),
    "detectable_format:multiple_sections": (
        {"section_spliter": "Section", "num_sections": 2},
        ["Section 1\na\nSection 2\nb"],
        ["Section 1\na\nSection two"],
    ),
    "detectable_format:json_format": ({}, ['```json\n{"a": 1}\n```', "NaN", "1"], ['{"a": 1', "so: {}"]),
    "detectable_format:title": ({}, ["<<A title>>\ntext"], ["<< >>", "<A>"]),
    "combination:two_responses": ({}, ["a ****** b"], ["a ****** a", "a ****** b ****** c", "a"]),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Why?"}, ["why? Because."], ["Because. Why?"]),
    "startend:end_checker": ({"end_phrase": "The end."}, ['"So. the END."'], ["The end. Really."]),
    "startend:quotation": ({}, [' "so" '], ['"', '"so', "“so”"]),
    "change_case:capital_word_frequency": (
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["NASA and ESA"],
        ["Nasa and ESA"],
    ),
    "change_case:english_capital": ({}, ["THIS IS ENGLISH TEXT FOR ALL OF US"], ["This is english text for all of us"]),
    "change_case:english_lowercase": ({}, ["this is english text for all of us"], ["This is english text"]),
    "punctuation:no_comma": ({}, ["a; b", "a，b"], ["a, b"]),
    "format:regex": ({"pattern": r"\d{4}-\d\d"}, [" 2024-05\n"], ["on 2024-05"]),
    "format:json_keys": (
        {"keys": ["a", "b.c"]},
        ['{"a": null, "b": {"c": 1}}', '```\n{"a":1,"b":{"c":2}}\n```'],
        ['{"a": 1, "b": 2}', "[]", "a"],
    ),
    "format:json_schema": (
        {"schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
        ['{"n": 1}'],
        ['{"n": "1"}', "{}", "n"],
    ),
    "format:list_items": (
        {"num_items": 3},
        ["1. a\n2) b\n- c", "一、甲\n二、乙\n（3）丙"],
        ["1.5 is a number\n2. a", "- a"],
    ),
    "length:characters": ({"num_characters": 3, "relation": "less than"}, [" 我们 "], ["我们好"]),
    "length:tokens": ({"num_tokens": 3, "relation": "at least"}, ["我用GPT"], ["two words"]),
    "script:share": ({"script": "cjk", "share": 0.5}, ["我用GPT写代码"], ["GPT 写", "123"]),
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_texts_that_follow_and_texts_that_do_not(name: str) -> None:
    arguments, following, other = CASES[name]
    check = checks_of({"instruction_id_list": [name], "kwargs": [arguments]})[0]
    assert [text for text in following if not check(text)] == []
    assert [text for text in other if check(text)] == []


def sums(completion: str | None, *instructions: tuple[str, dict[str, Any]]) -> dict[str, float] | None:
    names, arguments = [name for name, _ in instructions], [given for _, given in instructions]
    row = {"completion": completion, "instruction_id_list": names, "kwargs": arguments}
    return read_metric("instructions").metric.sums(row)


def test_strict_and_loose_by_rows_and_by_instructions() -> None:
    asked = ("startend:quotation", {}), ("punctuation:no_comma", {}), ("startend:end_checker", {"end_phrase": "so"})
    rows = [
        sums('Sure:\n"*just so*"', *asked),
        sums("no, so", asked[2], asked[1]),
        sums(None, asked[1]),
        sums(" ", asked[1]),
    ]
    assert [found and found["prompt_strict"] for found in rows] == [0, 0, 0, 0]
    assert [found and found["prompt_loose"] for found in rows] == [1, 0, 0, 0]
    assert [found and found["instruction_strict"] for found in rows] == [1, 1, 0, 0]
    total = {key: sum((found or {})[key] for found in rows) for key in rows[0] or {}}
    assert read_metric("instructions").metric.values(total) == pytest.approx(
        {
            "instructions.prompt_strict": 0, "instructions.prompt_loose": 1 / 4,
            "instructions.instruction_strict": 2 / 7, "instructions.instruction_loose": 4 / 7,
        }
    )  # fmt: skip
    assert sums("a") is None  # a row without instructions


def test_the_eight_loose_forms() -> None:
    assert loose_forms("a*\nb\nc") == ["a*\nb\nc", "a\nb\nc", "b\nc", "b\nc", "a*\nb", "a\nb", "b", "b"]


def test_nulls_of_ifevals_file_are_left_out() -> None:
    given = {"num_words": 2, "relation": "at least", "keywords": None, "language": None}
    assert (sums("a b", ("length_constraints:number_words", given)) or {})["prompt_strict"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction_id_list": "a"}, "instruction_id_list: expected a list, got"),
        (
            {"instruction_id_list": ["punctuation:no_coma"]},
            r"list\[0\]: unknown instruction .* Did you mean 'punctuation:no_comma'",
        ),
        ({"instruction_id_list": [1]}, r"instruction_id_list\[0\]: unknown instruction"),
        (
            {"instruction_id_list": ["startend:quotation"], "kwargs": []},
            "kwargs: expected a list with an object for each",
        ),
        ({"instruction_id_list": ["startend:quotation"], "kwargs": ["a"]}, r"kwargs\[0\]: expected an object, got"),
        (
            {"instruction_id_list": ["startend:end_checker"], "kwargs": [{}]},
            r"kwargs\[0\]: expected the arguments of startend:end_checker \(end_phrase\), got no end_phrase",
        ),
        ({"instruction_id_list": ["startend:quotation"], "kwargs": [{"a": 1}]}, r"\(none\), got unknown a"),
    ],
)
def test_rows_that_ask_for_what_does_not_exist_are_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        checks_of(row)
    assert re.search(message, str(caught.value))


def test_arguments_that_do_not_fit_are_refused() -> None:
    for name, given in (("format:regex", {"pattern": "("}), ("keywords:existence", {"keywords": 3})):
        with pytest.raises(FieldError, match="expected arguments that fit"):
            sums("a", (name, given))


def test_sentences_by_rules() -> None:
    assert split_into_sentences('Mr. X. Y. Smith, e.g. of St. Ives, came. "He left!" Did he? yes.') == [
        "Mr. X. Y. Smith, e.g. of St. Ives, came.", '"He left!', "Did he? yes.",
    ]  # fmt: skip
    assert split_into_sentences("") == []
