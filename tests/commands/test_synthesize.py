"""`sft replay-build --synthesize`: what a model writes becomes rows, and every one that does not is counted."""

import functools
import json
from collections import Counter

import pytest
from small_rows import chat

from sft_cli.data.rows import check_row
from sft_cli.replay.synthesis.writing import Synthesis


@pytest.fixture
def replay_build(sft, here):
    return functools.partial(sft, "replay-build")


@pytest.fixture
def old(tmp_path):
    """Five rows of sums, three of colours, one that is no example."""
    rows = [{**chat(f"{n} + 1?", str(n + 1)), "id": f"s{n}", "task": "sums"} for n in range(5)]
    rows += [{**chat(f"What colour is {w}?", "red"), "id": w, "task": "colours"} for w in ("a rose", "wine", "a fox")]
    rows.append({"id": "raw", "text": "no chat", "task": "sums"})
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "old.jsonl"


@pytest.fixture
def writes(monkeypatch):
    """Lets a test say what a model writes for a row; gives what was asked."""
    asked = []

    def install(answer):
        def complete(self, model, rows, what, **decoding):
            asked.extend((model, what, row, decoding) for row in rows)
            found = [answer(what, row, number) for number, row in enumerate(rows)]
            rows = [{"completion": t, "finish_reason": r, "error": None if r != "error" else "E: no"} for t, r in found]
            return [self._text(row, what) for row in rows]

        monkeypatch.setattr(Synthesis, "_complete", complete)
        return asked

    return install


WORDS = ("old.jsonl", "--synthesize", "in-context", "--model", "m", "--select", "reservoir")


def test_rows_are_written_after_examples_of_their_task(replay_build, old, writes):
    asked = writes(lambda what, row, number: (f" {number} + 2?\nOutput: {number + 2}\n", "stop"))
    result = replay_build(*WORDS, "--rows", "6", "--per-task", "colours=0", "--oversample", "1.5", "--seed", "7")
    assert result.code == 0
    assert [model for model, *_ in asked] == ["m"] * 9
    _, _, prompt, decoding = asked[0]
    assert prompt["text"].count("Output: ") == 2
    assert prompt["text"].endswith("\n\nInput:")
    assert (decoding["temperature"], decoding["top_p"], decoding["repetition_penalty"]) == (0.9, 0.6, 1.0)
    assert decoding["stop"] == ["\nInput:", "\n输入："]
    assert len(result.rows) == 6
    for row in result.rows:
        check_row(row)
        assert list(row) == ["id", "messages", "task", "synthetic", "replay"]
        assert (row["task"], row["replay"]) == ("sums", True)
        assert row["messages"][1] == {"role": "assistant", "content": str(int(row["messages"][0]["content"][0]) + 2)}
        about = row["synthetic"]
        assert {key: about[key] for key in about if key != "examples"} == {
            "model": "m",
            "method": "in-context",
            "seed": 7,
        }
        assert len(about["examples"]) == 2
        assert all(name.startswith("s") for name in about["examples"])
    assert result.err.startswith("to write: 9 rows; at most 6 of them are kept\n")
    assert (
        "1  rows of OLD that cannot be examples: an example is exactly one user turn and its answer\n9  written\n"
        in result.err
    )


def test_every_row_that_is_left_out_is_counted(replay_build, old, writes):
    texts = [
        (" 7 + 2?\nOutput: 9", "stop"),
        (" 7 + 2?\nOutput: 10", "stop"),
        (" 1  + 1?\nOutput: 2", "stop"),
        ("8 + 2", "stop"),
        (" \nOutput: 10", "stop"),
        (" 8 + 2?\nOutput: ", "stop"),
        (" 8 + 3?\nOutput: I'm sorry, but I cannot add.", "stop"),
        (" 8 + 4?\nOutput: " + "one two three four five " * 9, "stop"),
        (" " + "one two three four five " * 9 + "\nOutput: 1", "stop"),
        (" 8 + 5?\nOutput: 13 and", "length"),
        ("", "error"),
    ]
    writes(lambda what, row, number: texts[number])
    result = replay_build(*WORDS, "--rows", "11", "--per-task", "colours=0", "--oversample", "1")
    assert result.code == 0
    assert [row["messages"][1]["content"] for row in result.rows] == ["9"]
    told = dict(reversed(line.strip().split("  ", 1)) for line in result.err.splitlines() if "left out" in line)
    assert told == {
        "left out: question too long": "1",
        "left out: question failed: E: no": "1",
        "left out: not a question and an answer": "1",
        "left out: empty question": "1",
        "left out: question that repeats itself": "1",
        "left out: question that already exists": "2",
        "left out: empty answer": "1",
        "left out: refusal": "1",
        "left out: answer that repeats itself": "1",
    }
    assert result.err.endswith("sums: fewer rows than its quota of 11; all are kept\n")


def test_another_model_answers_anew(replay_build, old, writes):
    asked = writes(
        lambda what, row, number: (f" {number} + 2?\nOutput: wrong\n" if what == "questions" else "right", "stop")
    )
    result = replay_build(*WORDS, "--rows", "2", "--per-task", "colours=0", "--relabel-with", "new")
    answers = [(model, row, decoding) for model, what, row, decoding in asked if what == "answers"]
    assert [model for model, _, _ in answers] == ["new"] * 4
    assert all([turn["role"] for turn in row["messages"]] == ["user"] for _, row, _ in answers)
    assert answers[0][2] == {}
    assert [row["messages"][1]["content"] for row in result.rows] == ["right"] * 2
    assert all(row["synthetic"]["relabelled_by"] == "new" for row in result.rows)


def test_from_scratch_a_model_asks_and_answers(replay_build, writes):
    asked = writes(lambda what, row, number: (f"Why {number}?" if what == "questions" else "So.", "stop"))
    words = ("--synthesize", "scratch", "--model", "m", "--select", "reservoir", "--task", "chat")
    result = replay_build(*words, "--rows", "3")
    assert Counter((model, what) for model, what, _, _ in asked) == {("m", "questions"): 6, ("m", "answers"): 6}
    assert len(result.rows) == 3
    assert result.rows[0]["messages"][1] == {"role": "assistant", "content": "So."}
    assert result.rows[0]["task"] == "chat"
    assert result.rows[0]["synthetic"] == {"model": "m", "method": "scratch", "seed": 0}


def test_a_task_of_which_nothing_stays_is_told(replay_build, old, writes):
    writes(lambda what, row, number: (" 7 + 2?\nOutput: 9" if "+" in row["text"] else "", "stop"))
    result = replay_build(*WORDS, "--rows", "4")
    assert [row["task"] for row in result.rows] == ["sums"]
    assert "0  rows of colours pass the filters\n" in result.err


def test_if_nothing_stays_it_is_an_error_that_says_why(replay_build, old, writes, tmp_path):
    writes(lambda what, row, number: ("no", "stop"))
    result = replay_build(*WORDS, "--rows", "2", "-o", "out.jsonl")
    assert result.code == 2
    assert result.err.endswith(
        "no written row passes the filters\n1  rows of OLD that cannot be examples: an example is exactly one "
        "user turn and its answer\n"
        "4  written\n4  left out: not a question and an answer\n"
        "hint: --max-new-tokens N allows longer rows, --oversample N writes more rows\n"
    )
    assert not (tmp_path / "out.jsonl").exists()


def test_a_dry_run_loads_no_model(replay_build, old):
    result = replay_build(*WORDS, "--rows", "5", "--dry-run")
    assert (result.code, result.out) == (0, "")
    assert result.err == "to write: 10 rows; at most 5 of them are kept\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--synthesize", "in-context", "--rows", "5"],
            "--synthesize: needs a model to write rows\nhint: --model NAME",
        ),
        (
            ["--synthesize", "in-context", "--tokens", "5", "--model", "m"],
            "--tokens: --synthesize counts rows, not tokens\nhint: --rows N",
        ),
        (
            ["--synthesize", "in-context", "--rows", "5", "--model", "m", "--task", "t"],
            "--task: rows from --synthesize in-context have the task of their examples",
        ),
        (
            ["old.jsonl", "--synthesize", "scratch", "--rows", "5", "--model", "m"],
            "OLD: --synthesize scratch uses no examples\nhint: --synthesize in-context",
        ),
        (
            ["--synthesize", "scratch", "--rows", "5", "--model", "m", "--shots", "3"],
            "--shots: --synthesize scratch uses no examples\nhint: --synthesize in-context",
        ),
        (
            ["--synthesize", "scratch", "--fraction", "0.5", "--model", "m"],
            "--synthesize scratch: expected --rows, not another size\nhint: --rows 200 --task NAME",
        ),
        (["--rows", "5", "--top-p", "0.5"], "--top-p: --select reservoir does not read it; --synthesize does"),
        (["--rows", "5", "--relabel-with", "m"], "--relabel-with: --select reservoir does not read it; --synthesize"),
        (
            ["--synthesize", "scratch", "--rows", "5", "--model", "m", "--nearest-to", "old.jsonl"],
            "--nearest-to: --select k-means does not read it; --select nearest does",
        ),
    ],
)
def test_flags_that_do_not_go_together(replay_build, old, words, message):
    result = replay_build(*words)
    assert (result.code, result.out) == (2, "")
    assert f"sft replay-build: {message}" in result.err


def test_no_old_rows_are_an_error(replay_build, tmp_path):
    (tmp_path / "old.jsonl").write_text("")
    assert replay_build(*WORDS, "--rows", "5").err == "sft replay-build: no rows in old.jsonl\n"


def test_a_real_model_writes_and_a_killed_run_goes_on(replay_build, old, tiny, tmp_path, monkeypatch):
    """The tiny model knows no words, so that all it writes is left out, but it is written, and once alone."""
    words = ["old.jsonl", "--synthesize", "in-context", "--model", str(tiny), "--rows", "4", "--max-new-tokens", "6"]
    words += ["--dtype", "float32", "-o", "out.jsonl"]
    first = replay_build(*words)
    assert first.code == 2
    assert "8  written\n" in first.err
    kept = (tmp_path / "out.jsonl.questions.partial").read_text().splitlines()
    assert len(kept) == 9
    second = replay_build(*words)
    assert "resuming: 8 of 8 questions already exist\n" in second.err
    assert second.err.split("no written row")[1] == first.err.split("no written row")[1]
    changed = replay_build(*words, "--seed", "1")
    assert "out.jsonl.questions.partial: is from a run with other inputs or settings\nhint: --force" in changed.err


def test_from_scratch_the_model_continues_the_users_turn(tiny):
    from sft_cli.decoding.prompts import UserTurns
    from sft_cli.encoding.encoder import Encoder
    from sft_cli.model.load import load_tokenizer

    encoder = Encoder(load_tokenizer(str(tiny)))
    row = {"id": "r", "messages": [{"role": "user", "content": ""}]}
    assert encoder.tokenizer.decode(UserTurns(encoder).ids(row)) == "<|im_start|>user\n"
    assert encoder.user_opening(row)[0] == "<|im_start|>user\n"
    special = {"id": "r", "messages": [{"role": "system", "content": "<|im_end|>"}, *row["messages"]]}
    opening, ids = encoder.user_opening(special)
    assert opening == "<|im_start|>system\n<|im_end|><|im_end|>\n<|im_start|>user\n"
    assert ids.count(encoder.tokenizer.convert_tokens_to_ids("<|im_end|>")) == 1


def test_a_template_that_hides_the_users_words_cannot_be_continued(tiny):
    from sft_cli.encoding.encoder import Encoder
    from sft_cli.model.load import load_tokenizer
    from sft_cli.run.errors import FieldError

    tokenizer = load_tokenizer(str(tiny))
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}{% endfor %}"
    with pytest.raises(FieldError, match="the chat template does not write the content of the last user turn"):
        Encoder(tokenizer).user_opening({"id": "r", "messages": [{"role": "user", "content": ""}]})
