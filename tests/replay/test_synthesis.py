"""What a model is shown to write a row, what is read out of what it writes, and what is left out."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_rows import chat

from sft_cli.metrics.safety.refusal import is_refusal
from sft_cli.replay.budget import Budget
from sft_cli.replay.synthesis.drafts import OldRows, scratch_drafts
from sft_cli.replay.synthesis.filters import Filters, question_key
from sft_cli.replay.synthesis.in_context import (
    ShownExample,
    continued_prompt,
    draw_examples,
    example_of,
    read_continuation,
)
from sft_cli.run.errors import UserError


def example(question, answer="a", system="", name="e"):
    return ShownExample(name, system, question, answer)


def rows_of(counts):
    return [
        {**chat(f"{task} {number}?", f"{number}."), "id": f"{task}{number}", "task": task}
        for task in counts
        for number in range(counts[task])
    ]


def test_the_prompt_is_the_examples_and_the_mark_of_the_next_question():
    pair = [example("Is it red?", "yes"), example("Is it\nblue?", "no")]
    assert continued_prompt(pair) == "Input: Is it red?\nOutput: yes\n\nInput: Is it\nblue?\nOutput: no\n\nInput:"


def test_chinese_examples_have_chinese_marks():
    pair = [example("天是什么颜色？", "蓝色。"), example("草呢？", "绿色。")]
    assert continued_prompt(pair).endswith("输入：草呢？\n输出：绿色。\n\n输入：")
    assert read_continuation(" 雪呢？\n输出：白色。\n", pair) == ("雪呢？", "白色。")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" Is it green?\nOutput: maybe\nso\n\n", ("Is it green?", "maybe\nso")),
        (" Is it green?\n", None),
        (" q\nOutput: a\nOutput: b", None),
        ("\nOutput: a", ("", "a")),
    ],
)
def test_a_continuation_is_read_if_it_has_one_answer(text, found):
    assert read_continuation(text, [example("q")]) == found


@given(st.text(alphabet="ab c\n?", min_size=1), st.text(alphabet="ab c\n.", min_size=1))
def test_what_an_example_looks_like_is_read_back(question, answer):
    assert read_continuation(f" {question}\nOutput: {answer}\n", [example("q")]) == (question.strip(), answer.strip())


@pytest.mark.parametrize(
    ("row", "is_one"),
    [
        (chat("q", "a"), True),
        ({"id": "s", "messages": [{"role": "system", "content": "Be brief."}, *chat("q", "a")["messages"]]}, True),
        (chat("q", "a", "q", "a"), False),
        (chat("q"), False),
        (chat("q", " "), False),
        (chat("q", "a", tools=[{}]), False),
        (chat("Input: q", "a"), False),
        (chat("q", "输出：a"), False),
        ({"id": "t", "text": "raw"}, False),
    ],
)
def test_an_example_is_one_question_and_its_answer(row, is_one):
    assert (example_of(row) is not None) is is_one


def test_examples_share_their_system_turn():
    some = [example(str(n), system="x" if n % 2 else "y", name=str(n)) for n in range(10)]
    for seed in range(20):
        drawn = draw_examples(some, 3, random.Random(seed))
        assert len({each.system for each in drawn}) == 1
        assert len({each.id for each in drawn}) == 3
    assert len(draw_examples([example("q")], 3, random.Random(0))) == 1


@given(counts=st.dictionaries(st.sampled_from("abc"), st.integers(2, 9), min_size=1), shuffler=st.randoms())
def test_drafts_do_not_depend_on_the_order_of_old_rows(counts, shuffler):
    rows = rows_of(counts)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    first, second = (OldRows.of(each, 3).drafts(Budget(12), 3, 2, 1.5) for each in (rows, shuffled))
    assert first == second
    drafts, budget = first
    assert len({draft.id for draft in drafts}) == len(drafts)
    assert sum(budget.quotas.values()) == budget.amount == 12
    for task, quota in budget.quotas.items():
        made = [draft for draft in drafts if draft.task == task]
        assert len(made) == -(-quota * 3 // 2)
        assert all(each.id.startswith(task) for draft in made for each in draft.examples)


def test_more_rows_may_be_written_than_there_are():
    drafts, budget = OldRows.of(rows_of({"a": 2, "b": 3}), 0).drafts(Budget(30, quotas={"a": 20}), 0, 2, 1)
    assert Counter(draft.task for draft in drafts) == budget.quotas == {"a": 20, "b": 10}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            rows_of({"a": 1}),
            r"--synthesize: a: expected at least 2 examples \(one user turn and its answer\), got 1\nhint: --shots 1",
        ),
        (
            [{"id": "t", "text": "raw", "task": "b"}],
            r"--synthesize: b: expected .*, got 0\nhint: --per-task b=0 leaves it out",
        ),
    ],
)
def test_too_few_examples_are_an_error(rows, message):
    with pytest.raises(UserError, match=message):
        OldRows.of(rows, 0).drafts(Budget(4), 0, 2, 1)


def test_a_row_takes_over_system_turn_and_task():
    system = {"role": "system", "content": "Be brief."}
    rows = [{**row, "messages": [system, *row["messages"]]} for row in rows_of({"a": 2})]
    (draft,), _ = OldRows.of(rows, 0).drafts(Budget(1), 0, 2, 1)
    assert draft.row("q", "a") == {
        "id": "a-synthetic-0-0",
        "messages": [system, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "task": "a",
    }


def test_drafts_from_scratch():
    first, second = scratch_drafts("", Budget(1), 4, 2)
    assert (first.id, second.id, first.task) == ("row-synthetic-4-0", "row-synthetic-4-1", "")
    assert first.prompt["messages"] == [{"role": "user", "content": ""}]


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I\u2019m unable to answer.", True),
        ("As an AI language model, I have no taste.", True),
        ("Sorry, I cannot do that.", True),
        ("很抱歉，我无法回答。", True),
        ("作为一个人工智能，我没有感情。", True),
        ("我不能提供这些信息", True),
        ("Sorrow is a song.", False),
        ("The man said: I'm sorry.", False),
        ("I can see it.", False),
        ("我能回答。", False),
        ("As an aid to memory, write it down.", False),
    ],
)
def test_refusals(answer, refuses):
    assert is_refusal(answer) is refuses


def repetition(text):
    return 0.9 if "la la" in text else 0.0


def test_each_filter_has_its_reason():
    filters = Filters(repetition, {question_key(chat("Known  q", "x"))})
    assert filters.against_question(chat(" ", "a")) == "empty question"
    assert filters.against_question(chat("la la", "a")) == "question that repeats itself"
    assert filters.against_question(chat("Known q", "other")) == "question that already exists"
    assert filters.against_question(chat("new q", "a")) is None
    assert filters.against_question(chat("new\nq", "b")) == "question that already exists"
    assert filters.against_answer(chat("q", "\n")) == "empty answer"
    assert filters.against_answer(chat("q", "I'm sorry, no.")) == "refusal"
    assert filters.against_answer(chat("q", "la la")) == "answer that repeats itself"
    assert filters.against_answer(chat("q", "a")) is None


def test_what_the_examples_do_is_no_reason():
    filters, like = Filters(repetition), [("la la", "Sorry, I cannot.")]
    assert filters.against_question(chat("la la", "a"), like) is None
    assert filters.against_answer(chat("q", "I'm sorry, no."), like) is None


def test_rows_of_raw_text_are_known_by_their_words():
    assert question_key({"id": "t", "text": "a  b\nc"}) == "a b c"
