"""What a row is known by, whatever is around it."""

from __future__ import annotations

from typing import Any

import pytest

from sft_cli.data.identity import Ids, prompt_hash, references_hash
from sft_cli.data.prompting.rewrite import PromptRewriter
from sft_cli.data.rows import as_prompt

USER, ASSISTANT = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("row", "is_same"),
    [
        ({"messages": [USER, ASSISTANT]}, True),  # the answer is no part of the question
        ({"messages": [SYSTEM, USER]}, True),
        ({"text": "Why?"}, True),
        ({"messages": [{**USER, "weight": 0.0}]}, True),
        ({"messages": [{**USER, "tool_calls": None}]}, True),  # what Parquet fills in
        ({"messages": [USER], "completion": "No.", "sample": 3, "source": "b.jsonl:9"}, True),
        ({"messages": [{**USER, "content": "Why"}]}, False),
        ({"messages": [USER, ASSISTANT, USER]}, False),
        ({"messages": [USER], "tools": [{"name": "search"}]}, False),
        ({"messages": "Why?"}, False),
    ],
)
def test_what_is_asked(row: dict[str, Any], is_same: bool) -> None:
    assert (prompt_hash(row) == prompt_hash({"messages": [USER]})) == is_same


def test_what_asks_nothing_has_no_hash() -> None:
    assert prompt_hash({"id": "a", "completion": "x", "references": ["x"]}) is None
    assert prompt_hash({"messages": [USER], "judge": {"kind": "rating"}}) is None  # of a judge that an older sft asked


@pytest.mark.parametrize(
    ("row", "is_same"),
    [
        ({"references": ["a"], "completion": "b"}, True),
        ({"references": ["a", "b"]}, False),
        ({}, False),
        ({"references": ["a"], "answer": "a"}, False),
        ({"references": ["a"], "choices": ["a", "b"]}, False),
        ({"references": ["a"], "gold": ["d7"]}, False),
        ({"references": ["a"], "gold": 7}, True),  # a field that no metric reads
    ],
)
def test_what_is_right(row: dict[str, Any], is_same: bool) -> None:
    assert (references_hash(row) == references_hash({"references": ["a"]})) == is_same


def test_a_number_as_an_answer_is_its_text() -> None:
    assert references_hash({"answer": 42}) == references_hash({"answer": "42"})


def test_a_template_leaves_the_question_what_it_was() -> None:
    row = as_prompt({"id": "a", "messages": [USER, ASSISTANT]})
    templated = PromptRewriter(["direct"], None, None).row(row)
    assert templated["messages"] != row["messages"]
    assert prompt_hash(templated) == prompt_hash(row)
    assert prompt_hash(PromptRewriter(["direct"], None, None).row(templated)) == prompt_hash(row)


def test_ids_of_what_json_cannot_hold() -> None:
    import datetime

    tools = [{"since": datetime.date(2026, 1, 1)}]
    assert Ids().of({"messages": [USER], "tools": tools}) == Ids().of({"messages": [USER], "tools": tools})
