"""`sft replay-build` as people run it: budgets, balance, order, messages."""

import functools
import json
import os
import sys
import types
from collections import Counter

import pytest
from small_rows import chat

from sft_cli.replay import SELECTOR_FLAGS, SELECTORS
from sft_cli.run.errors import FieldError


def row(task, number):
    messages = [{"role": "user", "content": f"{task} {number}"}, {"role": "assistant", "content": "x" * (number % 7)}]
    return {"id": f"{task}-{number}", "messages": messages, **({"task": task} if task else {}), "kept": number}


@pytest.fixture
def replay_build(sft, here):
    return functools.partial(sft, "replay-build")


@pytest.fixture
def old(tmp_path):
    """Three files: 40 rows of a, 10 of b, 40 without a task."""
    for name, task, count in (("a", "a", 40), ("b", "b", 10), ("none", "", 40)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row(task, n)) + "\n" for n in range(count)))
    return ["a.jsonl", "b.jsonl", "none.jsonl"]


@pytest.fixture
def tokenizer(monkeypatch):
    """A tokenizer whose tokens are the characters of the answer, and 10 more; it refuses rows 3, 13, 23 and 33 of a."""

    def count_tokens(tokenizer, row, special_tokens_in_text):
        assert tokenizer == "the tokenizer of tiny"
        if row["id"].startswith("a-") and row["id"].endswith("3"):
            raise FieldError("messages", "the chat template refuses this row")
        return 10 + len(row["messages"][-1]["content"])

    load = types.SimpleNamespace(
        load_tokenizer=lambda model, template: f"the tokenizer of {model}", check_model=lambda model: None
    )
    monkeypatch.setitem(sys.modules, "sft_cli.model.load", load)
    monkeypatch.setitem(sys.modules, "sft_cli.encoding.encoder", types.SimpleNamespace(count_tokens=count_tokens))


def test_each_task_gets_an_equal_share_and_the_ledger_says_so(replay_build, old):
    result = replay_build(*old, "--rows", "50")
    assert result.code == 0
    assert Counter(row.get("task") for row in result.rows) == {"a": 20, "b": 10, None: 20}
    assert result.err == (
        "task       rows seen  rows kept\n"
        "a                 40         20\n"
        "b                 10         10\n"
        "(no task)         40         20\n"
        "in all            90         50\n"
    )


def test_rows_keep_what_they_have_and_the_order_of_the_input(replay_build, old):
    rows = replay_build(*old, "--rows", "50").rows
    everything = [row(task, n) for task, count in (("a", 40), ("b", 10), ("", 40)) for n in range(count)]
    chosen = {row["id"] for row in rows}
    assert rows == [{**row, "replay": True} for row in everything if row["id"] in chosen]


def test_the_order_of_files_does_not_matter_and_the_seed_does(replay_build, old):
    first = replay_build(*old, "--rows", "30").out.splitlines()
    assert sorted(first) == sorted(replay_build(*reversed(old), "--rows", "30").out.splitlines())
    assert first == replay_build(*old, "--rows", "30").out.splitlines()
    assert first != replay_build(*old, "--rows", "30", "--seed", "1").out.splitlines()


def test_a_larger_budget_keeps_what_a_smaller_one_kept(replay_build, old):
    small, large = (set(replay_build(*old, "--rows", rows).out.splitlines()) for rows in (12, 40))
    assert small < large


def test_a_fraction_is_shared_like_rows(replay_build, old):
    assert Counter(row.get("task") for row in replay_build(*old, "--fraction", "0.1").rows) == {"a": 3, "b": 3, None: 3}


def test_fewer_rows_than_asked_for_are_all_kept_and_it_is_said(replay_build, old):
    result = replay_build("b.jsonl", "--rows", "50")
    assert len(result.rows) == 10
    assert result.err.endswith("fewer rows than the requested 50; all are kept\n")


def test_tokens_are_shared_by_task_and_never_exceeded(replay_build, old, tokenizer):
    result = replay_build("b.jsonl", "none.jsonl", "--tokens", "200", "--model", "tiny")
    assert result.code == 0
    used = Counter()
    for item in result.rows:
        used[item.get("task")] += 10 + len(item["messages"][-1]["content"])
    assert 200 - 17 < sum(used.values()) <= 200
    assert abs(used["b"] - used[None]) <= 17
    lines = [line.split() for line in result.err.splitlines()]
    assert lines[0] == ["task", "rows", "seen", "rows", "kept", "tokens", "kept"]
    assert lines[1] == ["b", "10", str(sum(item.get("task") == "b" for item in result.rows)), str(used["b"])]
    assert lines[3] == ["in", "all", "50", str(len(result.rows)), str(sum(used.values())), "of", "200"]


def test_a_row_that_the_chat_template_refuses_is_a_bad_row(replay_build, old, tokenizer, tmp_path):
    words = ("a.jsonl", "--tokens", "9999", "--model", "tiny", "-o", "replay.jsonl")
    result = replay_build(*words)
    assert result.code == 2
    message = "a.jsonl:4: messages: the chat template refuses this row (and 3 more like it: lines 14, 24, …)\n"
    assert message in result.err
    assert "4 bad rows\n" in result.err
    assert not (tmp_path / "replay.jsonl").exists()
    result = replay_build(*words, "--on-error", "skip")
    assert result.code == 0
    assert len((tmp_path / "replay.jsonl").read_text().splitlines()) == 36
    assert result.err.startswith("4  rejected: messages\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected one of --rows, --tokens and --fraction, got none of them\nhint: --rows 500"),
        (
            ["--rows", "5", "--fraction", "0.5"],
            "expected one of --rows, --tokens and --fraction, got --rows and --frac",
        ),
        (["--tokens", "5"], "--tokens: needs a tokenizer to count tokens\nhint: --model NAME"),
        (["--rows", "5", "--model", "tiny"], "--model: --select reservoir does not read it; it needs no model\n"),
        (["--rows", "5", "--dtype", "float32"], "--dtype: --select reservoir does not read it; it needs no model\n"),
        (
            ["--rows", "5", "--clusters", "3"],
            "--clusters: --select reservoir does not read it; --select k-means does\n",
        ),
        (
            ["--rows", "5", "--select", "herding", "--model", "m", "--nearest-to", "a.jsonl"],
            "--nearest-to: --select herding does not read it; --select nearest does\n",
        ),
        (["--rows", "5", "--select", "herding"], "--select herding: needs a model\nhint: --model NAME"),
        (
            ["--rows", "5", "--select", "nearest", "--model", "m"],
            "--select nearest: expected rows of the new task\nhint: --nearest-to new.jsonl",
        ),
        (
            ["-", "--rows", "5", "--select", "nearest", "--model", "m", "--nearest-to", "-"],
            "--nearest-to: expected a file other than the old rows, got stdin twice",
        ),
        (["--per-task", "a"], "--per-task: expected NAME=NUMBER, got 'a'"),
        (["--per-task", "a=-1"], "--per-task: a: expected at least 0, got -1"),
        (["--per-task", "a=1.5"], "--per-task: a: expected a whole number of rows, got 1.5"),
        (["--per-task", "a=1", "--per-task", "a=2"], "--per-task: a: given twice"),
        (["--per-task", "a=0"], "--per-task: expected a quota above 0, got only zeros"),
        (
            ["--per-task", "a=1", "--tokens", "9", "--model", "m"],
            "--per-task: expected --rows, because it counts rows, got --tokens\nhint: --rows N",
        ),
        (
            ["--per-task", "aa=3", "--rows", "9"],
            "--per-task: no row has the name 'aa'. Did you mean 'a'? Known: a, b\n",
        ),
        (
            ["--per-task", "a=3"],
            "--per-task: b (10 rows) has no quota; expected one for each task, or --rows N as the total of all tasks\n"
            "hint: --per-task b=0 leaves it out\n",
        ),
        (
            ["--per-task", "a=3", "--per-task", "b=3"],
            "--per-task: rows without a task (40 rows) have no quota; expected one for each task, or --rows N as "
            "the total of all tasks\nhint: sft prep --task NAME sets the task of rows\n",
        ),
        (["--per-task", "a=30", "--rows", "20"], "--per-task: expected at most the 20 rows of the budget, got 30\n"),
        (["--rows", "0"], "--rows: expected at least 1, got 0"),
        (["--fraction", "0"], "--fraction: expected more than 0, got 0.0"),
        (["--fraction", "1.5"], "--fraction: expected at most 1, got 1.5"),
        (
            ["--rows", "5", "--select", "resevoir"],
            "--select: unknown selector 'resevoir'. Did you mean 'reservoir'? Known: reservoir, herding, k-means",
        ),
    ],
)
def test_wrong_flags_exit_with_2_and_say_why(replay_build, old, words, message):
    result = replay_build(*old, *words)
    assert (result.code, result.out) == (2, "")
    assert f"sft replay-build: {message}" in result.err


def test_raw_data_gets_the_cure(replay_build, tmp_path):
    (tmp_path / "raw.jsonl").write_text('{"instruction": "q", "output": "a"}\n')
    result = replay_build("raw.jsonl", "--rows", "5")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "sft replay-build: raw.jsonl:1: expected messages or text, got the keys instruction, output\n"
        "1 bad row\nhint: sft prep --format alpaca raw.jsonl converts this file\n"
    )


def test_an_input_without_rows_is_an_error(replay_build):
    assert replay_build("--rows", "5").err == "sft replay-build: no rows in <stdin>\n"


def test_stdin_and_limit(replay_build):
    lines = "".join(json.dumps({"text": str(number)}) + "\n" for number in range(9)).encode()
    result = replay_build("-", "--rows", "9", "-n", "2", "-q", stdin=lines)
    assert result.rows == [
        {"id": name, "text": str(n), "replay": True} for n, name in enumerate(["643ee285be9e5e5c", "e55e10355fd8ae5a"])
    ]
    assert result.err == ""


def test_a_dry_run_writes_nothing(replay_build, old, tmp_path):
    before = sorted(os.listdir(tmp_path))
    result = replay_build(*old, "--rows", "5", "--dry-run", "-o", "replay.jsonl")
    assert (result.code, result.out, sorted(os.listdir(tmp_path))) == (0, "", before)
    assert "in all            90          5\n" in result.err


def test_the_output_has_a_manifest(replay_build, old, tmp_path):
    assert replay_build(*old, "--rows", "5", "-o", "replay.jsonl").out == ""
    manifest = json.loads((tmp_path / "replay.jsonl.meta.json").read_text())
    assert (manifest["config"]["rows"], manifest["seed"], len(manifest["inputs"])) == (5, 0, 3)
    assert "is up to date" in replay_build(*old, "--rows", "5", "-o", "replay.jsonl", "--skip-if-current").err


def test_quotas_come_first_and_the_rest_is_shared(replay_build, old):
    result = replay_build(*old, "--rows", "50", "--per-task", "a=5", "--per-task", "b=15")
    assert Counter(row.get("task") for row in result.rows) == {"a": 5, "b": 10, None: 35}
    assert result.err.endswith("b: fewer rows than its quota of 15; all are kept\n")


def test_quotas_alone_are_enough_and_zero_leaves_a_task_out(replay_build, old):
    result = replay_build("a.jsonl", "b.jsonl", "--per-task", "a=5", "--per-task", "b=0")
    assert Counter(row.get("task") for row in result.rows) == {"a": 5}


def test_what_lies_beyond_a_quota_is_not_called_kept(replay_build, old):
    result = replay_build("a.jsonl", "b.jsonl", "--per-task", "a=5", "--rows", "30")
    assert len(result.rows) == 15
    assert result.err.endswith(
        "fewer rows than the requested 30; all are kept, but of no task more than its --per-task\n"
    )


def test_proportional_shares(replay_build, old):
    result = replay_build(*old, "--fraction", "0.1", "--share", "proportional")
    assert Counter(row.get("task") for row in result.rows) == {"a": 4, "b": 1, None: 4}


def test_a_buffer_grows_task_by_task(replay_build, tmp_path):
    """A chain of three tasks: the buffer, which is all that is left of the old ones, and the rows of the next."""
    for task in "abc":
        (tmp_path / f"{task}.jsonl").write_text("".join(json.dumps(row(task, n)) + "\n" for n in range(40)))
    replay_build("a.jsonl", "--rows", "12", "-o", "after-a.jsonl")
    replay_build("after-a.jsonl", "b.jsonl", "--rows", "12", "-o", "after-b.jsonl")
    grown = replay_build("after-b.jsonl", "c.jsonl", "--rows", "12").rows
    assert Counter(row["task"] for row in grown) == {"a": 4, "b": 4, "c": 4}
    assert grown == replay_build("a.jsonl", "b.jsonl", "c.jsonl", "--rows", "12").rows


ASKS_A_MODEL = [name for name in SELECTORS if "model" in SELECTOR_FLAGS[name]]


@pytest.mark.parametrize("select", ASKS_A_MODEL)
def test_a_model_chooses_whatever_the_order_of_the_rows(replay_build, rows_file, tiny, tmp_path, select):
    (tmp_path / "new.jsonl").write_text(json.dumps(chat("The yen?", "Japan.")) + "\n")
    lines = rows_file.read_text().splitlines(keepends=True)
    (tmp_path / "turned.jsonl").write_text("".join(reversed(lines)))
    words = ["--rows", "4", "--select", select, "--model", str(tiny), "--dtype", "float32"]
    words += ["--nearest-to", "new.jsonl"] if select == "nearest" else []
    result = replay_build("rows.jsonl", *words)
    assert result.code == 0
    assert Counter(row["task"] for row in result.rows) == {"even": 2, "odd": 2}
    known = [json.loads(line) for line in lines]
    assert result.rows == [{**row, "replay": True} for row in known if {**row, "replay": True} in result.rows]
    assert sorted(result.out.splitlines()) == sorted(replay_build("turned.jsonl", *words).out.splitlines())


def test_nearest_finds_the_row_that_is_in_the_new_task(replay_build, rows_file, tiny, tmp_path):
    rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
    (tmp_path / "new.jsonl").write_text(json.dumps(rows[6]) + "\n")
    words = ("--rows", "1", "--select", "nearest", "--model", str(tiny), "--nearest-to", "new.jsonl")
    assert [row["id"] for row in replay_build("rows.jsonl", *words, "--per-task", "odd=0").rows] == ["r6"]


def test_rows_longer_than_the_context_are_told(replay_build, tiny, tmp_path):
    rows = [chat("a", "b", id="short"), chat("The fox. " * 200, "b", id="long"), chat("a", "The fox. " * 200, id="cut")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = replay_build("rows.jsonl", "--rows", "9", "--select", "k-means", "--model", str(tiny))
    assert len(result.rows) == 3
    assert "2 rows longer than the model's context: cut after 256 tokens\n" in result.err
    result = replay_build("rows.jsonl", "--rows", "9", "--select", "loss-low", "--model", str(tiny))
    assert result.code == 2
    assert "rows.jsonl:2: expected a target among its first 256 tokens, got none\n1 bad row\n" in result.err


def test_bad_rows_stop_the_command_before_a_model_reads_the_good_ones(replay_build, tiny, tmp_path, monkeypatch):
    from sft_cli.model.embed import RowReader

    monkeypatch.setattr(RowReader, "embeddings", lambda reader, rows: pytest.fail("asked the model"))
    (tmp_path / "rows.jsonl").write_text(json.dumps(chat("a", "b")) + '\n{"text": 1}\n')
    result = replay_build("rows.jsonl", "--rows", "9", "--select", "herding", "--model", str(tiny))
    assert (result.code, result.out) == (2, "")
    assert "rows.jsonl:2: text: expected a string" in result.err


def test_an_empty_new_task_is_an_error(replay_build, old, tiny, tmp_path):
    (tmp_path / "new.jsonl").write_text("")
    words = ("--rows", "5", "--select", "nearest", "--model", str(tiny), "--nearest-to", "new.jsonl")
    assert replay_build(*old, *words).err == "sft replay-build: --nearest-to: no rows in new.jsonl\n"


def test_a_bad_row_of_the_new_task_is_a_bad_row(replay_build, old, tiny, tmp_path):
    (tmp_path / "new.jsonl").write_text('{"text": 1}\n')
    words = ("--rows", "5", "--select", "nearest", "--model", str(tiny), "--nearest-to", "new.jsonl")
    assert "new.jsonl:1: text: expected a string" in replay_build(*old, *words).err


def test_tokens_are_counted_by_the_model_that_is_asked(replay_build, rows_file, tiny):
    words = ("--tokens", "120", "--select", "herding", "--model", str(tiny))
    result = replay_build("rows.jsonl", *words)
    assert 0 < len(result.rows) < 8
    assert " of 120\n" in result.err
