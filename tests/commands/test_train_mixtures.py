"""Mixtures, task weights, order and steps by tokens, as `sft train` is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from small_rows import chat
from training_files import step_lines

QUICK = ("--learning-rate", 1e-2, "--dtype", "float32")


def write(path: Path, rows: int, **keys: Any) -> Path:
    lines = [
        json.dumps({**chat(f"What is {i}?", "The fox. " * (1 + i % 5), **keys), "id": f"{i}"}) for i in range(rows)
    ]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return step_lines(folder)


def test_a_source_is_a_task_or_else_a_file(sft: Any, tiny: Path, tmp_path: Path) -> None:
    news, rest = write(tmp_path / "news.jsonl", 10), write(tmp_path / "other.jsonl", 6, task="chat")
    command = ("train", news, rest, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    result = sft(*command, "--mix", "news=3", "--mix", "chat=1", "--eval-data", news, "--eval-data", rest)
    assert result.code == 0
    assert "mix: 2 sources\n" in result.err
    assert "  chat: 25.0% of the rows; 6 rows, 4 rows per epoch, each seen 0.67 times\n" in result.err
    assert "  news: 75.0% of the rows; 10 rows, 12 rows per epoch, each seen 1.20 times\n" in result.err
    lines = lines_of(tmp_path / "run")
    assert len(lines) == 2
    assert [set(line["task_loss"]) for line in lines] == [{"chat", "news"}] * 2
    assert set(lines[-1]["eval_task_loss"]) == {"chat", "news"}
    unknown = sft(*command, "--force", "--mix", "new=1")
    assert unknown.code == 2
    assert "--mix: no row has the name 'new'. Did you mean 'news'? Known: chat, news\nhint: the name is" in unknown.err


def test_rows_of_stdin_are_a_source_named_row(sft: Any, tiny: Path, tmp_path: Path) -> None:
    news = write(tmp_path / "news.jsonl", 4)
    command = ("train", news, "-", "--model", tiny, "-o", tmp_path / "run", "--mix", "row=1", "--mix", "news=1")
    result = sft(*command, "--dry-run", stdin=news.read_bytes())
    assert result.code == 0
    assert "  row: 50.0% of the rows; 4 rows, 4 rows per epoch, each seen 1.00 times" in result.err


def test_one_file_without_tasks_has_no_losses_by_task(sft: Any, tiny: Path, tmp_path: Path) -> None:
    news = write(tmp_path / "news.jsonl", 4)
    assert sft("train", news, "--model", tiny, "-o", tmp_path / "run", "--eval-data", news, *QUICK).code == 0
    assert not {"task_loss", "eval_task_loss"} & set(lines_of(tmp_path / "run")[-1])


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "distill"])
def test_task_weights_change_what_is_learned(sft: Any, tiny: Path, tmp_path: Path, command: str) -> None:
    news, rest = write(tmp_path / "news.jsonl", 5), write(tmp_path / "chat.jsonl", 3)
    more = ("--teacher", tiny) if command == "distill" else ()
    losses = {}
    for weight in ("1", "100"):
        words = (command, news, rest, "--model", tiny, "-o", tmp_path / weight, *QUICK, *more)
        result = sft(*words, "--task-weight", f"chat={weight}", "--epochs", 6)
        assert result.code == 0
        assert f"task weights: chat {weight}, news 1; loss of a step: " in result.err
        lines = lines_of(tmp_path / weight)
        for line in lines:
            own = line["task_loss"]
            joint = (float(weight) * own["chat"] + own["news"]) / (float(weight) + 1)
            assert line["loss"] == pytest.approx(joint, rel=1e-9)
        losses[weight] = lines[-1]["task_loss"]
    assert losses["100"]["chat"] < losses["1"]["chat"]
    assert losses["100"]["news"] > losses["1"]["news"]
    wrong = sft(command, news, "--model", tiny, "-o", tmp_path / "x", "--task-weight", "new=2", *more)
    assert (wrong.code, "--task-weight: no row has the name 'new'. Did you mean 'news'?" in wrong.err) == (2, True)


def test_a_curriculum_needs_its_number_in_every_row(sft: Any, tiny: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", 3, level=2)
    with data.open("a", encoding="utf-8") as more:
        more.write(json.dumps(chat("a", "b", level=1)) + "\n")
    command = ("train", data, "--model", tiny, "-o", tmp_path / "run", "--order", "curriculum", *QUICK)
    assert sft(*command, "--curriculum-key", "level", "--batch-size", 3).code == 0
    missing = sft(*command, "--force")
    assert missing.code == 2
    assert (
        f"{data}:1: difficulty: expected a number for --order curriculum, got nothing (and 3 more like it"
        in missing.err
    )
    with data.open("a", encoding="utf-8") as more:
        more.write(json.dumps(chat("a", "b", level="hard")) + "\n")
    wrong = sft(*command, "--force", "--curriculum-key", "level")
    assert f'{data}:5: level: expected a number for --order curriculum, got "hard"\n' in wrong.err


def test_steps_by_tokens_are_planned_and_taken(sft: Any, tiny: Path, tmp_path: Path) -> None:
    news = write(tmp_path / "news.jsonl", 40)
    command = ("train", news, "--model", tiny, "-o", tmp_path / "run", *QUICK, "--epochs", 2)
    result = sft(*command, "--batch-tokens", 240, "--microbatch-tokens", 120)
    assert result.code == 0
    lines = lines_of(tmp_path / "run")
    assert f"steps: {len(lines)} of about 240 tokens, 2 epochs;" in result.err
    said = re.search(r"packing: (\d+) to (\d+) tokens per step, in (\S+) micro-batches of at most 120, ", result.err)
    assert said is not None
    assert float(said[3]) <= 2
    steps = [after["tokens"] - before["tokens"] for before, after in zip([{"tokens": 0}, *lines], lines, strict=False)]
    assert (min(steps), max(steps)) == (int(said[1]), int(said[2]))
    assert max(steps) <= 240
    assert lines[-1]["tokens"] == 2 * lines[len(lines) // 2 - 1]["tokens"]  # both epochs have all tokens
    both = sft(*command, "--force", "--batch-tokens", 240, "--batch-size", 4)
    assert both.code == 2
    assert "--batch-tokens: expected only one of --batch-size and --batch-tokens" in both.err
