"""--expand-turns and --reasoning: the rows of a conversation, their weights, thoughts and parts."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.thoughts import after_opening_thoughts, without_reasoning
from sft_cli.curation.turn_rows import first_prompt, rows_of_turns
from sft_cli.data.rows import as_prompt, content_key
from sft_cli.data.split import part_of
from sft_cli.run.errors import FieldError


def row(*turns: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """A row from pairs of the first letter of a role and a content."""
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return {"id": "r", "messages": [{"role": names[role], "content": text} for role, text in turns], **fields}


# Few words, so that conversations share beginnings.
TURNS = st.lists(
    st.tuples(st.sampled_from("suat"), st.sampled_from(["x", "y", "<think>z</think>x"])), min_size=1, max_size=7
)


def learned(made: dict[str, Any]) -> list[str]:
    return [m["content"] for m in made["messages"] if m["role"] == "assistant" and m.get("weight", 1)]


def test_each_answer_becomes_a_row_that_learns_only_this_answer() -> None:
    made = rows_of_turns(row(("s", "S"), ("u", "1"), ("a", "one"), ("u", "2"), ("a", "two")), learns=True)
    assert [each["id"] for each in made] == ["r-t1", "r-t2"]
    assert [[m["content"] for m in each["messages"]] for each in made] == [
        ["S", "1", "one"],
        ["S", "1", "one", "2", "two"],
    ]
    assert [learned(each) for each in made] == [["one"], ["two"]]


@given(turns=TURNS)
def test_every_learned_turn_is_learned_once(turns: list[tuple[str, str]]) -> None:
    whole = row(*turns)
    made = rows_of_turns(whole, learns=True)
    assert [text for each in made for text in learned(each)] == learned(whole)
    assert len({each["id"] for each in made}) == len(made)
    for each in made:
        assert [m["content"] for m in each["messages"]] == [
            m["content"] for m in whole["messages"][: len(each["messages"])]
        ]


@pytest.mark.parametrize(
    ("turns", "fields", "ids"),
    [
        ([("u", "1"), ("a", "one")], {}, ["r"]),
        ([("a", "Hello"), ("u", "1"), ("a", "one")], {}, ["r"]),
        ([("u", "1")], {}, ["r"]),
        ([("u", "1"), ("a", "one"), ("a", "more"), ("u", "2"), ("a", "two")], {}, ["r-t1", "r-t2"]),
        ([("u", "1"), ("a", "one"), ("u", "2")], {}, ["r-t1"]),
    ],
)
def test_a_row_with_one_answer_stays_as_it_is(turns: Any, fields: Any, ids: list[str]) -> None:
    assert [each["id"] for each in rows_of_turns(row(*turns, **fields), learns=True)] == ids


def test_raw_text_stays_as_it_is() -> None:
    assert rows_of_turns({"id": "r", "text": "t"}, learns=True) == [{"id": "r", "text": "t"}]


def test_answers_with_weight_0_get_no_row() -> None:
    whole = row(("u", "1"), ("a", "one"), ("u", "2"), ("a", "two"), ("u", "3"), ("a", "three"))
    whole["messages"][1]["weight"] = 0
    assert [each["id"] for each in rows_of_turns(whole, learns=True)] == ["r-t2", "r-t3"]
    for place in (3, 5):
        whole["messages"][place]["weight"] = 0
    assert rows_of_turns(whole, learns=True) == [whole]


def test_rows_to_score_have_a_reference_for_each_answer() -> None:
    whole = row(("u", "1"), ("a", "one"), ("u", "2"), references=["two"], answer="2", task="t")
    made = [as_prompt(each) for each in rows_of_turns(whole, learns=False)]
    assert [(each["id"], each["references"]) for each in made] == [("r-t1", ["one"]), ("r-t2", ["two"])]
    assert ["answer" in each for each in made] == [False, True]
    assert all("weight" not in message for each in made for message in each["messages"])


@given(
    conversations=st.lists(TURNS, min_size=2, max_size=6),
    mode=st.sampled_from(["keep", "drop", "last"]),
    learns=st.booleans(),
)
def test_equal_rows_and_rows_of_one_conversation_are_in_one_part(
    conversations: list[list[tuple[str, str]]], mode: str, learns: bool
) -> None:
    parts: dict[str, set[str]] = defaultdict(set)
    for turns in conversations:
        whole = row(*turns)
        part = part_of(first_prompt(whole), {"train": 0.5, "test": 0.5}, 0)
        for each in rows_of_turns(whole, learns):
            if any(message["role"] == "user" for message in each["messages"]):
                made = without_reasoning(each, mode)
                parts[str(content_key(made if learns else as_prompt(made)))].add(part)
    assert all(len(places) == 1 for places in parts.values())


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>hm</think>\n\nYes.", "Yes."),
        ("\n<think>hm</think>Yes.", "Yes."),
        ("hm</think>Yes.", "Yes."),
        ("<think>a</think><think>b</think>Yes.", "Yes."),
        ("<think></think>Yes.", "Yes."),
        (" Yes.", " Yes."),
        ("The marks are <think> and </think>.", "The marks are <think> and </think>."),
        ("<think>hm</think>The marks are <think> and </think>.", "The marks are <think> and </think>."),
        ("<think>hm", None),
        ("<think>a</think><think>b", None),
    ],
)
def test_thoughts_at_the_start_of_a_text_are_dropped(text: str, answer: str | None) -> None:
    assert after_opening_thoughts(text) == answer


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_under_each_name_are_dropped_from_assistant_turns(name: str) -> None:
    whole = row(("u", "<think>me</think>1"), ("a", "one"), ("u", "2"), ("a", "<think>b</think>two"))
    whole["messages"][1][name] = "a"
    bare = row(("u", "<think>me</think>1"), ("a", "one"), ("u", "2"), ("a", "two"))
    last = row(("u", "<think>me</think>1"), ("a", "one"), ("u", "2"), ("a", "<think>b</think>two"))
    assert without_reasoning(whole, "keep") is whole
    assert without_reasoning(whole, "drop") == bare
    assert without_reasoning(whole, "last") == last
    assert without_reasoning(bare, "drop") is bare


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<think>hm", 'messages[1].content: expected </think> after a thought, got "<think>hm"'),
        (
            "<think>hm</think> ",
            "messages[1].content: expected text or tool calls besides the thoughts, got only thoughts",
        ),
    ],
)
def test_a_turn_of_which_nothing_is_left_is_a_bad_row(content: str, problem: str) -> None:
    with pytest.raises(FieldError) as caught:
        without_reasoning(row(("u", "1"), ("a", content)), "drop")
    assert str(caught.value) == problem
