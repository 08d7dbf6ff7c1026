"""Documents are cut at headings and sentences, and no word of them is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.chunking.blocks import Block, HeadedPage, markdown_blocks, text_blocks
from sft_cli.data.chunking.chunks import TOKEN, Chunk, chunk_length, cut_document

GUIDE = """# Guide
One euro has 100 cents. It is used in 20 countries.

## 日本
日元是日本的货币。一日元等于一百钱。

```
# not a heading
```

### Coins
There are six coins.

## Peru
The sol.
"""


def chunks(text: str, most: int = 20, overlap: int = 0) -> list[Chunk]:
    return list(cut_document(markdown_blocks(text.splitlines(True)), most, overlap))


def test_a_heading_begins_a_chunk_and_the_headings_above_are_kept() -> None:
    assert chunks(GUIDE) == [
        Chunk(("Guide",), "One euro has 100 cents. It is used in 20 countries."),
        Chunk(("Guide", "日本"), "日元是日本的货币。一日元等于一百钱。"),
        Chunk(("Guide", "日本"), "```\n# not a heading\n```"),
        Chunk(("Guide", "日本", "Coins"), "There are six coins."),
        Chunk(("Guide", "Peru"), "The sol."),
    ]


def test_whole_sentences_overlap() -> None:
    text = "Aa bb cc. Dd ee ff. Gg hh ii. Jj kk ll."
    assert [chunk.text for chunk in chunks(text, 6, 3)] == [
        "Aa bb cc. Dd ee ff.",
        "Dd ee ff. Gg hh ii.",
        "Gg hh ii. Jj kk ll.",
    ]
    assert [chunk.text for chunk in chunks(text, 6, 2)] == ["Aa bb cc. Dd ee ff.", "Gg hh ii. Jj kk ll."]


def test_a_sentence_that_is_too_long_is_cut_between_words() -> None:
    assert [chunk.text for chunk in chunks("a b c d e f g", 3)] == ["a b c", "d e f", "g"]
    assert [chunk.text for chunk in chunks("日元是日本的货币", 3)] == ["日元是", "日本的", "货币"]


def test_0_keeps_documents_whole() -> None:
    assert chunks("# T\na b\n\nc", 0) == [Chunk((), "T\n\na b\n\nc")]


def test_headings_of_a_page_are_those_of_markdown() -> None:
    page = HeadedPage()
    page.feed("<h1>Guide <b>now</b></h1><p>One. Two.</p><h2>日本</h2>text<ul><li>a</li></ul><p># no heading</p>")
    page.close()
    assert list(page.blocks()) == [
        Block(1, "Guide now"),
        Block(0, "One. Two."),
        Block(2, "日本"),
        Block(0, "text"),
        Block(0, "- a"),
        Block(0, "# no heading"),
    ]


FORMS = st.lists(st.sampled_from(["{}", "{}.", "{}!", "{},", "“{}”", "{}\n\n", "{}\n", "`{}`"]), max_size=60)


@given(FORMS, st.booleans(), st.integers(1, 12), st.integers(0, 11))
def test_every_word_is_in_a_chunk_in_order_and_no_chunk_is_too_long(
    forms: list[str], is_chinese: bool, most: int, overlap: int
) -> None:
    """No two words are equal, so that a chunk has one place in the document."""
    words = [form.format(chr(0x4E00 + n) if is_chinese else f"W{n}") for n, form in enumerate(forms)]
    text, overlap = " ".join(words), min(overlap, most - 1)
    tokens = TOKEN.findall(text)
    marks = {mark: [n for n, token in enumerate(tokens) if token == mark] for mark in set(tokens)}
    end = 0
    for chunk in cut_document(text_blocks(text.splitlines()), most, overlap):
        found = TOKEN.findall(chunk.text)
        assert 0 < len(found) <= most
        starts = [n for n in marks[found[0]] if tokens[n : n + len(found)] == found and n + len(found) > end]
        assert starts, "a chunk ends later than the one before"
        assert end - overlap <= min(starts) <= end, "and begins where that ended, or in its overlap"
        end = min(starts) + len(found)
    assert end == len(tokens)


def test_a_chinese_character_counts_as_a_word() -> None:
    assert chunk_length("日元 is ¥100.") == 4


def test_an_endless_word_is_cut() -> None:
    found = list(cut_document(text_blocks(["x" * 1_000_000]), 200, 40))
    assert "".join(chunk.text for chunk in found) == "x" * 1_000_000
    assert max(len(chunk.text) for chunk in found) <= 200 * 64


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("Title\n=====\nOne\ntwo\n\nPart\n---\nx\n", [(1, "Title"), (0, "One\ntwo"), (2, "Part"), (0, "x")]),
        ("A title in\ntwo lines\n===\n", [(1, "A title in two lines")]),
        ("- item\n---\n", [(0, "- item\n---")]),
        ("|a|b|\n|--|--|\n", [(0, "|a|b|\n|--|--|")]),
        ("One.\n\n---\nTwo.\n", [(0, "One."), (0, "---\nTwo.")]),
        ("```\na\n==\n```\n", [(0, "```\na\n==\n```")]),
    ],
)
def test_a_line_of_equal_signs_or_dashes_makes_a_heading(text: str, blocks: list[tuple[int, str]]) -> None:
    assert list(markdown_blocks(text.splitlines(True))) == blocks
