from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.claims import split_claims


def texts(completion: str) -> list[str]:
    return [claim.text for claim in split_claims(completion)]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("Dr. Smith was born in 1961. He left.", ["Dr. Smith was born in 1961.", "He left."]),
        (
            "Ann was born in 1961, and she was never the president of France, but she had 2 daughters.",
            ["Ann was born in 1961", "and she was never the president of France", "but she had 2 daughters."],
        ),
        # A list of names, and a part without a fact, are not claims of their own.
        ("It has offices in Paris, London, and New York.", ["It has offices in Paris, London, and New York."]),
        ("Ann was born in 1961, and she liked to read.", ["Ann was born in 1961, and she liked to read."]),
        ("It opened on May 3, 1999, in Rome.", ["It opened on May 3, 1999, in Rome."]),
        ("他出生于1961年，毕业于清华大学；后来他走了。", ["他出生于1961年", "毕业于清华大学；后来他走了。"]),
        ("他走了，很好。没有人来！", ["他走了，很好。", "没有人来！"]),
        ("", []),
        ("***\n---\n", []),
        # Citations alone claim nothing. `[2]` is not read as JSON.
        ("[2]", []),
        ("【1】[2, 3]", []),
        ('{"answer": "[2]"}', []),
    ],
)
def test_sentences_and_clauses_with_facts(completion: str, expected: list[str]) -> None:
    assert texts(completion) == expected


def test_marks_of_lists_and_markdown_are_removed() -> None:
    completion = (
        "# Facts\n- **Ann** is _tall_.\n1. See [the site](http://x.y/z) and `code`.\n> 一、她有**3**个孩子。\n\n"
        "| Name | Age |\n|---|---|\n| Ann | 5 |\n\n```python\nx = 2 * 3\n```\n2 * 3 = 6."
    )
    assert texts(completion) == [
        "Facts",
        "Ann is tall.",
        "See the site and code.",
        "她有3个孩子。",
        "Name, Age",
        "Ann, 5",
        "2 * 3 = 6.",
    ]


def test_offsets_point_into_the_completion() -> None:
    completion = '* **Ann** left. {"who": "Caf\\u00e9 \\"Eiffel\\" 有3人。"}'
    first, second = split_claims(completion)
    assert completion[first.start : first.end] == "Ann** left."
    assert second.text == 'Café "Eiffel" 有3人。'
    assert completion[second.start : second.end] == 'Caf\\u00e9 \\"Eiffel\\" 有3人。'
    place = second.text.index("3")
    start, end = second.place(place, place + 1)
    assert completion[start:end] == "3"


def test_json_is_read_by_its_values() -> None:
    value = {
        "born in Paris": "Ann left. Bob came.",
        "year": 1889,
        "quote": "so. it is",
        "list": ["他有3人。", True, None],
    }
    claims = split_claims("Here:\n```json\n" + json.dumps(value, ensure_ascii=False) + "\n```\nDone.")
    assert [(claim.text, claim.key) for claim in claims] == [
        ("Here:", ""),
        ("Ann left.", "born in Paris"),
        ("Bob came.", "born in Paris"),
        ("1889", "year"),
        ("so. it is", "quote"),
        ("他有3人。", "list"),
        ("Done.", ""),
    ]
    assert [claim.is_quote for claim in claims] == [False, False, False, False, True, False, False]


@given(st.text(alphabet=st.sampled_from('ab A.1!?。，；“”()\n\t-*_#`|{}[]":\\中不年'), max_size=60))
def test_each_character_of_a_claim_is_where_its_offset_says(completion: str) -> None:
    end = 0
    for claim in split_claims(completion):
        assert len(claim.offsets) == len(claim.text)
        assert list(claim.offsets) == sorted(claim.offsets)
        assert claim.start >= end
        end = claim.end
        if "\\" not in completion:
            pairs = zip(claim.text, claim.offsets, strict=True)
            assert all(sign == completion[place] or completion[place] in "\n\t|" for sign, place in pairs)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_json_strings_keep_their_letters(value: dict[str, str]) -> None:
    found = "".join(texts(json.dumps(value)))
    for text in value.values():
        letters = [sign for sign in text if sign.isalpha()]
        assert all(sign in found for sign in letters)
