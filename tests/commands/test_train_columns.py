"""Progressive columns from the command line: a chain of tasks, and each of its columns asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_rows import chat
from training_files import step_lines

from sft_cli.model.load import load_model

WIDE = ("--adapter", "progressive", "--column-ratio", 2, "--column-stride", 1)
QUICK = ("--batch-size", 4, "--dtype", "float32", "--learning-rate", 3e-2)


def write(path: Path, task: str, pairs: list[tuple[str, str]]) -> Path:
    rows = [{**chat(*pair), "id": f"{task}{i}", **({"task": task} if task else {})} for i, pair in enumerate(pairs)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def yen(tmp_path: Path) -> Path:
    questions = ("What is the currency of Japan?", "日本的货币是什么？", "JP", "Japan?")
    return write(tmp_path / "yen.jsonl", "yen", [(question, "The yen.") for question in questions])


@pytest.fixture
def fox(tmp_path: Path) -> Path:
    return write(tmp_path / "fox.jsonl", "fox", [("Hello", "the fox"), ("fox?", "the fox"), ("你好", "the fox")])


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in step_lines(folder)]


def answers(sft: Any, model: Path, rows: Path, *words: Any) -> list[str]:
    result = sft("generate", model, rows, "--max-new-tokens", 8, "--dtype", "float32", *words)
    assert result.code == 0, result.err
    return [row["completion"] for row in result.rows]


@pytest.mark.slow
def test_a_chain_of_two_tasks_keeps_the_first_and_the_base(
    sft: Any, tiny: Path, yen: Path, fox: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    first = sft("train", yen, "--model", tiny, *WIDE, "-o", one, "--epochs", 40, *QUICK)
    assert (first.code, first.out) == (0, f"{one}\n"), first.err
    assert "M of them trained (progressive: column 'yen', 16 wide, 2 blocks, reads base)" in first.err
    assert answers(sft, one, yen) == ["The yen."] * 4
    second = sft("train", fox, "--model", one, *WIDE, "-o", two, "--epochs", 40, *QUICK)
    assert second.code == 0, second.err
    assert "(progressive: column 'fox', 16 wide, 2 blocks, reads base, yen)" in second.err
    assert answers(sft, two, fox) == ["the fox"] * 3
    assert answers(sft, two, yen, "--column", "fox") != ["The yen."] * 4
    assert answers(sft, two, yen, "--column", "yen") == ["The yen."] * 4
    for words in ((), ("--num-beams", 2)):  # texts side by side, and transformers' own padded batches
        assert answers(sft, two, yen, "--column", "base", *words) == answers(sft, tiny, yen, *words)
    ours, before = load_file(two / "model.safetensors"), load_file(one / "model.safetensors")
    assert all(torch.equal(ours[name], tensor) for name, tensor in before.items())
    config = json.loads((two / "config.json").read_text())
    assert (config["model_type"], list(config["sha256"])) == ("sft-progressive", ["base", "fox", "yen"])
    assert config["sha256"]["yen"] == json.loads((one / "config.json").read_text())["sha256"]["yen"]
    assert "/" not in json.dumps(config["base_config"])  # no path of the machine it was made on
    card = (two / "README.md").read_text()
    assert 'library_name: "transformers"' in card
    assert (
        "import sft_cli.model.progressive  # registers these models with transformers\nfrom transformers import" in card
    )


@pytest.mark.slow
def test_columns_that_are_loras_and_networks_go_on_one_model(
    sft: Any, tiny: Path, yen: Path, fox: Path, tmp_path: Path
) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    lora = ("--adapter", "progressive-lora", "--rank", 8, "--epochs", 20, "--batch-size", 4, "--dtype", "float32")
    first = sft("train", yen, "--model", tiny, *lora, "--learning-rate", 1e-2, "-o", one)
    assert "M of them trained (progressive: column 'yen', a LoRA of rank 8, reads base)" in first.err
    assert answers(sft, one, yen) == ["The yen."] * 4
    second = sft("train", fox, "--model", one, *WIDE, "-o", two, "--epochs", 40, *QUICK)
    assert "(progressive: column 'fox', 16 wide, 2 blocks, reads base)" in second.err  # a LoRA has no states to read
    third = sft("train", fox, "--model", two, *lora, "--learning-rate", 1e-2, "--column-name", "dog", "-o", three)
    assert "(progressive: column 'dog', a LoRA of rank 8, reads base, yen)" in third.err
    for words in ((), ("--num-beams", 2)):
        assert answers(sft, three, fox, "--column", "dog", *words) == ["the fox"] * 3
        assert answers(sft, three, fox, "--column", "fox", *words) == ["the fox"] * 3
        assert answers(sft, three, yen, "--column", "yen", *words) == ["The yen."] * 4
        assert answers(sft, three, yen, "--column", "base", *words) == answers(sft, tiny, yen, *words)
    ours, before = load_file(three / "model.safetensors"), load_file(two / "model.safetensors")
    assert all(torch.equal(ours[name], tensor) for name, tensor in before.items())
    assert "import sft_cli.model.progressive  # registers these models" in (three / "README.md").read_text()


@pytest.mark.slow
def test_every_way_to_ask_takes_the_column(sft: Any, tiny: Path, yen: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert sft("train", yen, "--model", tiny, *WIDE, "-o", out, "--epochs", 20, *QUICK).code == 0

    def sums(model: Path, *words: Any) -> list[float]:
        command = ("generate", model, yen, "--max-new-tokens", 0, "--logprobs", "--dtype", "float32")
        return [row["reference_logprobs"][0]["sum"] for row in sft(*command, *words).rows]

    assert sums(out, "--column", "base") == sums(tiny)
    assert sums(out) == sums(out, "--column", "yen")
    assert all(one > other + 1 for one, other in zip(sums(out), sums(tiny), strict=True))
    target = tmp_path / "gen.jsonl"
    said = sft("generate", out, yen, "--column", "base", "-o", target, "--max-new-tokens", 2, "--dtype", "float32").err
    assert f"{out}, column base in float32 on cpu" in said
    recorded = json.loads((tmp_path / "gen.jsonl.meta.json").read_text())
    assert (recorded["config"]["column"], recorded["run"]["column"]) == ("base", "base")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_column_learns_and_how_a_step_is_cut_changes_nothing(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, dtype: str
) -> None:
    found = []
    for tokens in (2048, 1):
        out = tmp_path / str(tokens)
        words = ("--epochs", 4, *QUICK, "--dtype", dtype, "--microbatch-tokens", tokens, "--eval-data", rows_file)
        result = sft("train", rows_file, "--model", tiny, *WIDE, "-o", out, *words)
        assert result.code == 0, result.err
        assert "column 'column-1'" in result.err  # the rows are of two tasks
        found.append(losses(out))
    assert sum(found[0][-2:]) < 0.9 * sum(found[0][:2])
    assert found[1] == pytest.approx(found[0], rel=1e-4 if dtype == "float32" else 0.02)


@pytest.mark.slow
def test_training_says_how_it_answers_and_keeps_the_best(sft: Any, tiny: Path, yen: Path, tmp_path: Path) -> None:
    words = ("--eval-data", yen, "--eval-metric", "exact-match", "--best", "--epochs", 12)
    assert sft("train", yen, "--model", tiny, *WIDE, "-o", tmp_path / "run", *words, *QUICK).code == 0
    lines = step_lines(tmp_path / "run")
    assert [next(iter(line["eval_metric"].values())) for line in lines][-1] == 1.0
    assert load_model(str(tmp_path / "run")).column_names == ["base", "yen"]


@pytest.mark.slow
def test_a_column_learns_from_a_teacher_and_can_be_one(
    sft: Any, tiny: Path, tiny_teacher: Path, rows_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ("distill", rows_file, "--epochs", 6, *QUICK)
    result = sft(*command, "--model", tiny, "--teacher", tiny_teacher, *WIDE, "-o", out, "--column-name", "学生")
    assert result.code == 0, result.err
    kl = [json.loads(line)["kl"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert sum(kl[-2:]) < sum(kl[:2])
    assert load_model(str(out)).column_names == ["base", "学生"]
    assert sft(*command, "--model", tiny, "--teacher", out, "-o", tmp_path / "student", "--max-steps", 2).code == 0


@pytest.mark.slow
def test_names_that_columns_get(sft: Any, tiny: Path, yen: Path, tmp_path: Path) -> None:
    def train(model: Path, rows: Path, name: str, *words: Any) -> list[str]:
        result = sft("train", rows, "--model", model, *WIDE, "-o", tmp_path / name, "--max-steps", 1, *QUICK, *words)
        assert result.code == 0, result.err
        return list(load_model(str(tmp_path / name)).column_names)

    assert train(tiny, yen, "one") == ["base", "yen"]
    assert train(tmp_path / "one", yen, "two") == ["base", "yen", "column-2"]  # the task's name is taken
    nameless = write(tmp_path / "letters.jsonl", "", [("a", "b"), ("c", "d")])
    assert train(tiny, nameless, "three", "--laterals", "base") == ["base", "letters"]  # a file is a task, too
    basic = write(tmp_path / "basic.jsonl", "base", [("a", "b"), ("c", "d")])
    assert train(tiny, basic, "four", "--column-name", "mine") == ["base", "mine"]
    assert train(tiny, basic, "five") == ["base", "column-1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--column-name", "base"), "--column-name: expected a new name, got 'base'; existing names: base\n"),
        (("--column-ratio", 40), "--column-ratio: expected at most 16 (the model is 32 wide), got 40\n"),
        (("--column-stride", 3), "--column-stride: expected at most 2 (the model's layers), got 3\n"),
        (("--laterals", "some"), "--laterals: expected one of all, base, last, got 'some'."),
        (("--compile",), "--compile: does not work with --adapter progressive: the body of the model is not trained\n"),
        (
            ("--freeze-bottom", 0),
            "--freeze-bottom: does not work with --adapter progressive: every weight of the model",
        ),
        (("--neftune-alpha", 5), "--neftune-alpha: does not work with --adapter progressive: the noise would be on"),
        (
            ("--checkpoint-activations",),
            "--checkpoint-activations: does not work with --adapter progressive: the frozen",
        ),
        (("--rank", 4), "--rank: expected --adapter to be one of lora, "),
        (("--freeze", "q_porj"), "--freeze: no trained weight matches 'q_porj'; similar names: q_proj"),
    ],
)
def test_what_does_not_go_with_columns_is_refused(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, words: Any, message: str
) -> None:
    result = sft("train", rows_file, "--model", tiny, "--adapter", "progressive", *words, "-o", tmp_path / "run")
    assert (result.code, message in result.err, "Traceback" in result.err) == (2, True, False), result.err


def test_flags_of_columns_without_columns_are_refused(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    both, one = "progressive, progressive-lora", "progressive"
    for flag, value, adapters in (
        ("--column-name", "a", both),
        ("--column-ratio", 4, one),
        ("--column-stride", 1, one),
        ("--laterals", "all", both),
    ):
        result = sft("train", rows_file, "--model", tiny, flag, value, "-o", tmp_path / "run")
        message = f"{flag}: expected --adapter to be one of {adapters}, got none\n"
        assert (result.code, message in result.err) == (2, True), result.err
    result = sft("generate", tiny, rows_file, "--column", "a")
    assert (result.code, "--column: the model has no columns, got 'a'\n" in result.err) == (2, True), result.err
    result = sft("generate", tiny, rows_file, "--column", "a", "--engine", "vllm")
    message = "--column: expected --engine transformers, got --engine vllm\n"
    assert (result.code, message in result.err) == (2, True), result.err


@pytest.mark.slow
def test_a_model_with_columns_is_asked_and_trained_as_one(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert sft("train", rows_file, "--model", tiny, *WIDE, "-o", out, "--max-steps", 1, *QUICK).code == 0
    result = sft("generate", out, rows_file, "--column", "yen")
    message = "--column: expected one of base, column-1, got 'yen'\n"
    assert (result.code, message in result.err) == (2, True), result.err
    for adapter in ("none", "lora"):
        result = sft("train", rows_file, "--model", out, "--adapter", adapter, "-o", tmp_path / "next")
        message = f"expected --adapter progressive or progressive-lora to add a column, got {adapter}\n"
        assert (result.code, message in result.err) == (2, True), result.err
    result = sft("train", rows_file, "--model", out, *WIDE, "--column-name", "column-1", "-o", tmp_path / "next")
    assert "--column-name: expected a new name, got 'column-1'; existing names: base, column-1\n" in result.err
    (out / "generation_config.json").unlink()
    assert sft("generate", out, rows_file, "--max-new-tokens", 2, "--dtype", "float32").code == 0
    weights = load_file(out / "model.safetensors")
    weights["body.base.model.norm.weight"] += 1e-3
    from safetensors.torch import save_file

    save_file(weights, out / "model.safetensors", {"format": "pt"})
    result = sft("train", rows_file, "--model", out, *WIDE, "-o", tmp_path / "next")
    assert "--model: the weights of 'base' do not match their hash in config.json\nhint: " in result.err


def test_some_of_a_column_can_train_alone(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    words = ("--train-only", r"\.up\.", "--max-steps", 2, *QUICK)
    assert sft("train", rows_file, "--model", tiny, *WIDE, "-o", tmp_path / "run", *words).code == 0
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert after["body.columns.0.up.weight"].abs().sum() > 0
    assert not after["body.columns.0.gates"].any()


def test_a_dry_run_measures_and_counts_less_memory_than_training_every_weight(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    result = sft("train", rows_file, "--model", tiny, *WIDE, "-o", tmp_path / "run", "--dry-run")
    assert (result.code, "estimate: about " in result.err) == (0, True), result.err
    assert "adamw, peak learning rate 0.003," in result.err
