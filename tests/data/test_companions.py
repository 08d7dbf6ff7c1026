"""What records have beside their text: thoughts become part of the answer; pictures and token ids are refused."""

import functools
import json

import pytest

PAIR = {"question": "q", "answer": "a"}
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.fixture
def prep(sft, here):
    def run(*records, flags=()):
        (here / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return functools.partial(sft, "prep")("a.jsonl", *flags)

    return run


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize(
    "record",
    [
        PAIR,
        {"instruction": "q", "output": "a"},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"messages": TURNS},
        {"input": "q", "content": "a"},
    ],
    ids=["pair", "alpaca", "sharegpt", "messages", "distilled"],
)
def test_a_thought_beside_the_answer_is_part_of_its_turn(prep, record, name):
    result = prep({**record, name: "r"}, {**record, name: "s"})
    thoughts = [row["messages"][-1] for row in result.rows]
    assert thoughts == [{"role": "assistant", "content": "a", "reasoning_content": text} for text in "rs"]
    assert not any(name in row for row in result.rows)
    said = f"the field `{name}` is read as the thought of the answer (first in a.jsonl:1)\n"
    assert result.err.count(said) == 1
    assert "kept without change" not in result.err


@pytest.mark.parametrize("flags", [["--eval"], ["--prompts"]])
def test_a_thought_is_no_part_of_a_question_or_a_reference(prep, flags):
    result = prep({**PAIR, "reasoning": "r"}, flags=flags)
    [row] = result.rows
    assert (row["messages"], row["references"], row["reasoning"]) == (TURNS[:1], ["a"], "r")
    assert "kept without change: reasoning\n" in result.err


def test_a_thought_under_another_name_is_mapped(prep):
    result = prep({"Question": "q", "Complex_CoT": "r", "Response": "a"}, flags=FLAGS)
    assert result.rows[0]["messages"][-1] == {"role": "assistant", "content": "a", "reasoning_content": "r"}


FLAGS = [word for pair in ("question=Question", "answer=Response", "reasoning=Complex_CoT") for word in ("--map", pair)]


@pytest.mark.parametrize("answer", ["<think>x</think>a", TURNS[1] | {"reasoning_content": "x"}])
def test_an_answer_with_a_thought_keeps_it(prep, answer):
    result = prep({"prompt": "q", "completion": answer, "reasoning": "r"})
    [row] = result.rows
    assert row["reasoning"] == "r"
    assert "r" not in (row["messages"][-1].get("reasoning_content"), row["messages"][-1]["content"])
    assert "the field `reasoning` is kept without change, because the answer has a thought already" in result.err


def test_an_empty_thought_is_none_and_a_thought_that_is_no_text_is_an_error(prep):
    [row] = prep({**PAIR, "reasoning": " "}).rows
    assert row["messages"] == TURNS
    assert "reasoning" not in row
    result = prep({**PAIR, "reasoning": {"effort": "low"}})
    assert result.code == 2
    assert 'a.jsonl:1: reasoning: expected text, got {"effort": "low"}' in result.err
    assert "hint: --drop-field reasoning leaves the field out" in result.err
    assert prep({**PAIR, "reasoning": {"effort": "low"}}, flags=["--drop-field", "reasoning"]).code == 0


@pytest.mark.parametrize(
    ("name", "value", "got"),
    [
        ("images", ["a.jpg", "b.jpg"], "2 images"),
        ("image", "a.jpg", "1 image"),
        ("audios", ["a.wav"], "1 audio file"),
        ("videos", ["a.mp4"], "1 video"),
    ],
)
def test_a_record_with_pictures_or_sound_is_refused_by_its_field(prep, name, value, got):
    result = prep({**PAIR, name: value}, {**PAIR, name: value})
    assert result.code == 2
    assert result.err == (
        f"sft prep: a.jsonl:1: {name}: expected text only, got {got}; sft trains on text only\n"
        f"1 bad row\nhint: --drop-field {name} leaves the field out\n"
    )
    assert prep({**PAIR, name: value}, flags=["--drop-field", name]).code == 0
    assert prep({**PAIR, name: []}).code == 0


def test_token_ids_alone_are_refused_and_beside_text_left_out(prep):
    ids = {"input_ids": [1, 2], "labels": [-100, 2], "attention_mask": [1, 1]}
    result = prep(ids, ids)
    assert result.code == 2
    assert result.err == (
        "sft prep: a.jsonl:1: input_ids: expected text, got token ids: they fit one tokenizer, and sft tokenises text "
        "itself\n1 bad row\nhint: convert the text from which they were made, or decode them first\n"
    )
    result = prep({"text": "t", **ids}, {"text": "u", **ids})
    assert [sorted(row) for row in result.rows] == [["id", "source", "text"]] * 2
    said = "left out, because sft tokenises the text itself: input_ids, labels, attention_mask (first in a.jsonl:1)\n"
    assert result.err.count(said) == 1
    assert prep({"text": "t", "labels": [1]}).rows[0]["labels"] == [1]  # not of a tokenizer


def test_a_key_of_a_turn_that_nothing_reads_is_said_once(prep):
    turns = [TURNS[0] | {"mood": "x"}, TURNS[1] | {"wieght": 0}]
    result = prep({"messages": turns}, {"messages": turns})
    assert result.rows[0]["messages"] == turns
    for place, key in (("messages[0].mood", "mood"), ("messages[1].wieght", "wieght")):
        said = f"no command reads the key {key} of a turn; it is kept without change (first in a.jsonl:1: {place})\n"
        assert result.err.count(said) == 1


def test_a_key_of_a_part_that_is_not_kept_is_said_once(prep):
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    turns = [TURNS[0], {"role": "assistant", "content": [{"type": "text", "text": ""}, part]}]
    result = prep({"messages": turns}, {"messages": turns})
    assert result.rows[0]["messages"] == TURNS
    place = "messages[1].content[1].cache_control"
    said = f"the key cache_control of a part of a turn is not kept (first in a.jsonl:1: {place})\n"
    assert result.err.count(said) == 1


def test_a_path_says_what_it_leaves_out(prep):
    record = {"prompt": "q", "choices": [{"message": {"content": "a"}, "index": 0}]}
    result = prep(record, record, flags=["--map", "completion=choices.0.message.content"])
    assert [row["messages"] for row in result.rows] == [TURNS, TURNS]
    said = "--map choices.0.message.content: the other values of the field choices are left out (first in a.jsonl:1)\n"
    assert result.err.count(said) == 1


def test_pairs_of_preferences_name_the_map_that_reads_the_better_answer(prep):
    record = {"input": {"messages": TURNS[:1]}, "preferred_output": TURNS[1:], "non_preferred_output": TURNS[1:]}
    result = prep(record)
    assert "a.jsonl:1: preferred_output: expected one answer, got a pair of preferences" in result.err
    assert "hint: --map prompt=input.messages --map completion=preferred_output reads the better answer" in result.err
    flags = ["--map", "prompt=input.messages", "--map", "completion=preferred_output"]
    assert prep(record, flags=flags).rows[0]["messages"] == TURNS

    turns = [{"from": "human", "value": "q"}]
    chosen = {
        "conversations": turns,
        "chosen": {"from": "gpt", "value": "a"},
        "rejected": {"from": "gpt", "value": "b"},
    }
    result = prep(chosen)
    assert "a.jsonl:1: chosen: expected one answer, got a pair of preferences" in result.err
    assert "hint: --map prompt=conversations --map completion=chosen reads the better answer" in result.err
    flags = ["--map", "prompt=conversations", "--map", "completion=chosen"]
    assert prep(chosen, flags=flags).rows[0]["messages"] == TURNS

    result = prep({"chosen": TURNS, "rejected": TURNS})
    assert "hint: --map messages=chosen names the fields" in result.err
    assert prep({"chosen": TURNS, "rejected": TURNS}, flags=["--map", "messages=chosen"]).rows[0]["messages"] == TURNS


def test_an_empty_object_is_an_error_of_its_line(prep):
    result = prep({}, PAIR, flags=["--check"])
    assert "a.jsonl:1: expected fields, got an empty object" in result.err
    assert result.code == 1
    assert len(prep({}, PAIR, flags=["--on-error", "skip"]).rows) == 1
