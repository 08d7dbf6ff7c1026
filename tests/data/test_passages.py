"""Documents as rows: where they are cut, what they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.chunking.chunks import chunk_length
from sft_cli.data.chunking.records import PassageReader
from sft_cli.data.chunking.sources import Cut
from sft_cli.data.readers import Reading

SENTENCE = st.sampled_from(["The cat sat.", "It rained for days.", "今天下雨。", "No end", "# Title", ""])
SENTENCES = st.lists(SENTENCE, max_size=30)


@given(SENTENCES, st.integers(1, 12))
def test_no_word_of_a_document_is_lost_and_no_passage_is_too_long(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[str], most: int
) -> None:
    path = tmp_path_factory.mktemp("documents") / "a.md"
    path.write_text("\n\n".join(sentences))
    found = [record for _, record in PassageReader(Cut(most, 0), {}, headed=False).records(str(path), Reading())]
    assert all(isinstance(record, dict) for record in found)
    words = " ".join(record["text"] for record in found if isinstance(record, dict)).split()
    expected = " ".join(text for text in sentences if not text.startswith("#")).split()
    assert "".join(words) == "".join(expected)
    assert all(chunk_length(record["text"]) <= most for record in found if isinstance(record, dict))


def test_prep_and_retrieve_make_the_same_passages(sft: Any, here: Path) -> None:
    (here / "d").mkdir()
    (here / "d/a.md").write_text("# A\n\nOne two three. Four five six.\n\n## B\n\nSeven eight nine. Ten.\n")
    (here / "d/b.html").write_text("<title>T</title><h1>C</h1><p>Eleven twelve. Thirteen fourteen fifteen.</p>")
    cut = ("--chunk-tokens", "5", "--overlap-tokens", "2")
    rows = sft("prep", "d", *cut).rows
    assert sft("retrieve", "--corpus", "d", "--index", "i", "--index-only", *cut).code == 0
    passages = [json.loads(line) for line in (here / "i/passages.jsonl").read_text().splitlines()]
    made = [{"id": row["id"], "source": row["source"], "title": row["title"]} for row in rows]
    assert made == [{name: passage[name] for name in ("id", "source", "title")} for passage in passages]
    assert [row["text"] for row in rows] == [f"{each['title']}\n\n{each['text']}" for each in passages]


def test_each_line_can_be_a_document(sft: Any, here: Path) -> None:
    (here / "a.txt").write_text("One two. Three four.\nFive.\n")
    result = sft("prep", "a.txt", "--lines", "--chunk-tokens", "2")
    assert [(row["id"], row["text"]) for row in result.rows] == [
        ("a.txt:1#1", "One two."),
        ("a.txt:1#2", "Three four."),
        ("a.txt:2", "Five."),
    ]


def test_a_page_that_is_cut_off_is_a_bad_document(sft: Any, here: Path) -> None:
    (here / "a.html").write_text("<p>Hi.</p><div hidden>lost")
    result = sft("prep", "a.html", "--chunk-tokens", "9")
    assert result.code == 2
    assert "a.html:1: text: expected the end of <div>" in result.err


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"messages": []}, "text: expected a document, got the fields messages"),
        ({"text": " "}, 'text: expected a document, got " "'),
        ({"text": "Hi.", "title": 3}, "title: expected text, got 3"),
    ],
)
def test_a_record_that_is_no_document_is_refused(record: Any, problem: str, sft: Any, here: Path) -> None:
    (here / "a.jsonl").write_text(json.dumps(record) + "\n")
    result = sft("prep", "a.jsonl", "--chunk-tokens", "9")
    assert f"a.jsonl:1: {problem}" in result.err


def test_a_template_can_ask_about_each_passage(sft: Any, here: Path) -> None:
    (here / "a.md").write_text("# A\n\nOne two three. Four five six.\n")
    (here / "t.j2").write_text("{{ title }} | {{ text }}")
    result = sft("prep", "a.md", "--chunk-tokens", "3", "--template", "t.j2", "--prompts")
    assert [row["messages"][0]["content"] for row in result.rows] == ["A | One two three.", "A | Four five six."]
    assert [row["id"] for row in result.rows] == ["a.md#1", "a.md#2"]


def test_an_own_template_can_ask_for_the_questions(sft: Any, here: Path) -> None:
    (here / "a.md").write_text("One two three.\n")
    (here / "t.j2").write_text("{{ count }} about: {{ text }}")
    (row,) = sft("prep", "a.md", "--ask-questions", "7", "--template", "t.j2").rows
    assert row["messages"] == [{"role": "user", "content": "7 about: One two three."}]
    assert row["context"] == "One two three."
