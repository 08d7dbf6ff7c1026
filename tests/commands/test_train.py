"""`sft train` and `sft distill` as commands: what they print, write and refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from safetensors.torch import load_file
from small_rows import chat
from tiny_models import CHATML, make_tokenizer

from sft_cli.model.load import load_model

QUICK = ("--batch-size", 4, "--learning-rate", 1e-2, "--dtype", "float32")


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([[1, 30, 40, 50, 60]])).logits


def test_a_full_checkpoint_loads_in_plain_transformers_with_the_same_logits(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "run"
    result = sft("train", rows_file, "--model", tiny, "-o", out, "--epochs", 3, *QUICK)
    assert (result.code, result.out) == (0, f"{out}\n")
    plain = AutoModelForCausalLM.from_pretrained(out)
    assert type(plain).__name__ == "LlamaForCausalLM"
    assert plain.config._attn_implementation == "sdpa"
    torch.testing.assert_close(logits(plain), logits(load_model(str(out))), rtol=1e-5, atol=1e-5)
    assert (logits(plain) - logits(load_model(str(tiny)))).abs().max() > 0.1
    assert AutoTokenizer.from_pretrained(out).chat_template == CHATML
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 6
    assert losses[-1] < losses[0]


def test_a_lora_checkpoint_loads_in_plain_peft_with_the_same_logits(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM

    out = tmp_path / "run"
    options = ("--adapter", "lora", "--rank", 4, "--lora-alpha", 16, "--epochs", 3)
    assert sft("train", rows_file, "--model", tiny, "-o", out, *options, *QUICK).code == 0
    ours = logits(load_model(str(out)))
    base = AutoModelForCausalLM.from_pretrained(tiny)
    assert (logits(base) - ours).abs().max() > 0.1
    torch.testing.assert_close(logits(PeftModel.from_pretrained(base, out)), ours, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits(AutoPeftModelForCausalLM.from_pretrained(out)), ours, rtol=1e-5, atol=1e-5)
    again = sft("train", rows_file, "--model", out, "-o", tmp_path / "b", *QUICK)
    assert again.code == 2
    assert f"--model: expected a full model, got the adapter {out} of {tiny}\nhint: sft export {out} -o" in again.err


def test_the_plan_is_printed_first_and_a_dry_run_writes_nothing(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result = sft("train", rows_file, "--model", tiny, "-o", out, "--dry-run", "--eval-data", rows_file, *QUICK)
    assert (result.code, result.out) == (0, "")
    assert "train: 8 rows, " in result.err
    assert "of them targets (" in result.err
    assert "tokens per row: median " in result.err
    assert "held out: 8 rows" in result.err
    assert "steps: 2 of up to 4 rows, 1 epoch;" in result.err
    assert "GB of memory" in result.err
    assert re.search(r"estimate: about \d+ s for 2 steps, \d+\.\d GB at the peak \(measured on micro-b", result.err)
    assert list(tmp_path.iterdir()) == [rows_file]


def test_the_directory_tells_what_made_it(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ("train", rows_file, "--model", tiny, "-o", out, "--eval-data", rows_file, *QUICK)
    assert sft(*command).code == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["command"] == "train"
    assert {entry["path"] for entry in manifest["inputs"]} == {str(rows_file), str(tiny)}
    assert manifest["config"]["learning_rate"] == 0.01
    assert {"config.json", "model.safetensors", "tokenizer.json", "generation_config.json", "metrics.jsonl"} <= {
        entry["path"] for entry in manifest["outputs"]
    }
    card = (out / "README.md").read_text()
    assert "held-out loss" in card
    assert "held-out loss" in (out / "loss.svg").read_text()
    assert str(tmp_path) not in manifest["fingerprint"]
    assert "eval_loss" in json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    before = (out / "metrics.jsonl").read_bytes()  # it holds the seconds of each step: another run would differ
    assert sft(*command).code == 2
    assert "already exists" in sft(*command).err
    current = sft(*command, "--skip-if-current")
    assert (current.code, "is up to date" in current.err) == (0, True)
    assert (out / "metrics.jsonl").read_bytes() == before


def test_stdin_gives_rows(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    result = sft("train", "-", "--model", tiny, "-o", tmp_path / "run", *QUICK, stdin=rows_file.read_bytes())
    assert result.code == 0


@pytest.mark.slow
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float32])
def test_a_checkpoint_is_in_the_format_of_its_model(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, stored: torch.dtype
) -> None:
    name = str(stored).removeprefix("torch.")
    base = tmp_path / "base"
    load_model(str(tiny)).to(stored).save_pretrained(base)
    make_tokenizer().save_pretrained(base)
    command = ("train", rows_file, "--model", base, "--save-every", 1, *QUICK)
    result = sft(*command, "-o", tmp_path / "run")
    assert result.code == 0
    told = f"weights are saved in {name} (as in {base}; training uses float32, and the weights are rounded at the end)"
    assert (told in result.err) == (stored is not torch.float32)
    assert formats(tmp_path / "run") == {stored}
    assert json.loads((tmp_path / "run" / "config.json").read_text())["dtype"] == name
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["run"]["number format"] == name
    # Every bit, if asked for: what was written above is these weights, rounded once.
    whole = sft(*command, "--save-dtype", "float32", "-o", tmp_path / "whole")
    assert (f"saved in float32 ({base} is stored in {name})" in whole.err) == (stored is not torch.float32)
    trained = load_file(tmp_path / "whole" / "model.safetensors")
    for weight, value in load_file(tmp_path / "run" / "model.safetensors").items():
        assert torch.equal(value, trained[weight].to(stored))
    assert "lm_head.weight" not in trained  # head and embedding are still one
    best = (*command, "--eval-data", rows_file, "--best", "-o", tmp_path / "best")
    assert (sft(*best).code, formats(tmp_path / "best")) == (0, {stored})


def formats(folder: Path) -> set[torch.dtype]:
    return {value.dtype for value in load_file(folder / "model.safetensors").values()}


def test_a_model_without_sdpa_trains_and_answers(sft: Any, rows_file: Path, tmp_path: Path) -> None:
    model, out = tiny_models.save("gemma2", tmp_path), tmp_path / "run"
    result = sft("train", rows_file, "--model", model, "--epochs", 3, "-o", out, *QUICK)
    assert result.code == 0, result.err
    assert (
        "attention: eager (this model has no faster one), on batches padded to their longest row: gemma2" in result.err
    )
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
    answered = sft("generate", out, rows_file, "--max-new-tokens", 3, "--dtype", "float32")
    assert (answered.code, len(answered.rows)) == (0, 8), answered.err


def test_an_adapter_has_no_format_to_choose(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, "--adapter", "lora", "-o", tmp_path / "run")
    refused = sft(*command, "--save-dtype", "bfloat16")
    assert refused.code == 2
    assert "--save-dtype: expected --adapter to be one of none, progressive, progressive-lora, got lora" in refused.err


def test_training_again_gives_the_same_weights(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert sft("train", rows_file, "--model", tiny, "-o", tmp_path / name, *QUICK).code == 0
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_that_only_ask_name_the_flag_that_mends_them(sft: Any, tiny: Path, tmp_path: Path) -> None:
    asks = {"id": "x", "messages": [{"role": "user", "content": "a"}]}
    command = ("train", "--model", tiny, "--dry-run", *QUICK)
    cure = "hint: sft prep --map NEW=OLD names the field of the answer, for example --map answer=reply\n"
    alone = sft(*command, write(tmp_path / "a.jsonl", asks, asks))
    assert alone.err.endswith(cure)
    assert "--on-error" not in alone.err
    beside = sft(*command, write(tmp_path / "b.jsonl", asks, chat("a", "b")))
    assert beside.err.endswith(f"{cure}hint: --on-error skip --rejects bad.jsonl continues without the bad rows\n")


def test_bad_rows_are_named_and_nothing_is_written(sft: Any, tiny: Path, tmp_path: Path) -> None:
    silent = chat("a", "b")
    silent["messages"][1]["weight"] = 0
    data = write(
        tmp_path / "d.jsonl", chat("a", "b"), {"id": "x", "messages": [{"role": "user", "content": "a"}]}, silent
    )
    result = sft("train", data, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    assert result.code == 2
    assert f"{data}:2: messages: expected an assistant turn, got none" in result.err
    assert f"{data}:3: messages: expected at least one target token, got none" in result.err
    assert "2 bad rows" in result.err
    assert not (tmp_path / "run").exists()
    rejects = tmp_path / "bad.jsonl"
    result = sft("train", data, "--model", tiny, "-o", tmp_path / "run", "--rejects", rejects, *QUICK)
    assert result.code == 0
    assert "train: 1 row, " in result.err
    assert len(rejects.read_text().splitlines()) == 2


def test_files_without_rows_are_named(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    empty, silent = tmp_path / "empty.jsonl", chat("a", "b")
    empty.write_text("")
    silent["messages"][1]["weight"] = 0
    untaught = write(tmp_path / "untaught.jsonl", silent)
    command = ("train", "--model", tiny, "-o", tmp_path / "run", *QUICK)

    def refusal(*words: Any) -> str:
        result = sft(*command, *words)
        assert (result.code, (tmp_path / "run").exists()) == (2, False)
        return str(result.err)

    assert refusal(empty) == f"sft train: {empty}: no training rows: the input is empty\n"
    assert f"sft train: {empty}: no held-out rows: the input is empty\n" in refusal(rows_file, "--eval-data", empty)
    assert f"sft train: {empty}: no retained rows: the input is empty\n" in refusal(rows_file, "--retain", empty)
    assert f"{untaught}:1: messages: expected at least one target token, got none" in refusal(untaught)
    skipped = refusal(untaught, "--on-error", "skip")
    assert f"{untaught}: no training rows: 1 rejected: messages\n" in skipped
    short = refusal(rows_file, "--overflow", "drop", "--max-length", 3)
    assert f"{rows_file}: no training rows: 8 training rows dropped: longer than 3 tokens\n" in short
    assert "<stdin>: no training rows: the input is empty" in refusal("-")
    beside = sft(*command, rows_file, empty)
    assert (beside.code, "0  training rows of empty.jsonl: it is empty, or all its rows" in beside.err) == (0, True)
    assert "rows.jsonl: it is" not in beside.err


def test_a_token_without_an_embedding_is_told_whatever_rows_have_it(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    """Three tokens were added to the tokenizer, the embedding was never made larger."""
    model, tokenizer = load_model(str(tiny)), make_tokenizer()
    tokenizer.add_tokens(["brandnew", "neverseen", "unheardof"])
    model.save_pretrained(tmp_path / "short")
    tokenizer.save_pretrained(tmp_path / "short")
    odd = write(tmp_path / "odd.jsonl", chat("a", "brandnew"))
    command = ("train", "--model", tmp_path / "short", "-o", tmp_path / "run", *QUICK)
    corda = ("--adapter", "corda", "--rank", 2, "--corda-data", odd)
    for words in ((odd,), (rows_file, "--eval-data", odd), (rows_file, "--retain", odd), (rows_file, *corda)):
        result = sft(*command, *words)
        assert result.code == 2
        assert "--model: its tokenizer has token 383, but the model has only 383 embeddings; the" in result.err


def test_a_row_that_is_too_long_is_an_error_or_counted(sft: Any, tiny: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", chat("a", "b"), chat("a", "word " * 100))
    command = ("train", data, "--model", tiny, "--max-length", 50, *QUICK)
    result = sft(*command, "-o", tmp_path / "run")
    assert result.code == 2
    assert f"{data}:2: expected at most 50 tokens, got " in result.err
    dropped = sft(*command, "-o", tmp_path / "drop", "--overflow", "drop")
    assert (dropped.code, "1  training rows dropped: longer than 50 tokens" in dropped.err) == (0, True)
    cut = sft(*command, "-o", tmp_path / "cut", "--overflow", "truncate")
    assert (cut.code, "1  training rows dropped: no target turn ends within 50 tokens" in cut.err) == (0, True)
    split = sft(*command, "-o", tmp_path / "split", "--overflow", "split")
    assert split.code == 2
    assert f"{data}:2: expected at most 50 tokens, got " in split.err
    assert "(--overflow drop or truncate allows longer rows; split is only for raw text)" in split.err
    beyond = sft("train", data, "--model", tiny, "--max-length", 5000, "-o", tmp_path / "x")
    assert (beyond.code, "--max-length: expected at most 256" in beyond.err) == (2, True)


def test_raw_text_is_learned_whole_and_may_be_cut_without_a_stop(sft: Any, tiny: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", {"id": "t", "text": "The quick brown fox. " * 30})
    command = ("train", data, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    result = sft(*command, "--max-length", 64, "--overflow", "truncate")
    assert result.code == 0
    assert "1  training rows cut at 64 tokens (their ends are lost)" in result.err
    assert "train: 1 row, 64 tokens, 63 of them targets" in result.err


def test_rows_that_lack_a_stop_token_are_counted(sft: Any, tiny: Path, tmp_path: Path) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(CHATML.replace("'<|im_end|>'", "('<|im_end|>' if message['content'] != 'b' else '')"))
    data = write(tmp_path / "d.jsonl", chat("a", "b"), chat("a", "c"))
    command = ("train", data, "--model", tiny, "-o", tmp_path / "run", "--chat-template", template, "--dry-run", *QUICK)
    assert "1 row with a target turn that has no stop token" in sft(*command).err


def test_a_stop_token_that_is_never_a_target_is_an_error(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(CHATML.replace("'<|im_end|>'", "''"))
    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    result = sft(*command, "--chat-template", template)
    assert result.code == 2
    assert "the stop token (<|im_end|>) is never a target: the model would not learn to stop" in result.err
    assert "hint: the chat template must end" in result.err
    missing = sft(*command, "--chat-template", tmp_path / "no.jinja")
    assert (missing.code, "no.jinja: cannot read: No such file" in missing.err) == (2, True)


def test_models_that_cannot_be_trained_are_refused_in_one_line(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    def error(model: Path | str) -> str:
        result = sft("train", rows_file, "--model", model, "-o", tmp_path / "run", *QUICK)
        assert (result.code, "Traceback" in result.err) == (2, False)
        return str(result.err)

    assert "no such checkpoint directory" in error("./nowhere")
    assert "cannot load" in error("nobody/no-such-model")
    assert "got one without config.json" in error(tmp_path)
    plain = tmp_path / "plain"
    AutoModelForCausalLM.from_pretrained(tiny).save_pretrained(plain)
    make_tokenizer(None).save_pretrained(plain)
    assert "the tokenizer has no chat template\nhint: --chat-template" in error(plain)
    other = tmp_path / "other"
    small = AutoModelForCausalLM.from_pretrained(tiny)
    small.resize_token_embeddings(100)
    small.save_pretrained(other)
    make_tokenizer().save_pretrained(other)
    assert "but the model has only 100 embeddings; the tokenizer belongs to another model" in error(other)
    assert "unknown loss 'focus'" in sft("train", rows_file, "--model", tiny, "-o", "x", "--loss", "focus").err
    assert "--out: expected a directory for train" in sft("train", rows_file, "--model", tiny, *QUICK).err
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        assert "WORLD_SIZE=2: expected numbers in WORLD_SIZE, RANK and LOCAL_RANK, as torchrun" in error(tiny)
    elsewhere = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", "--device", "cuda")
    assert "--device: cuda is not available; available: cpu" in elsewhere.err


@pytest.mark.slow
def test_distill_moves_the_student_towards_the_teacher(
    sft: Any, tiny: Path, tiny_teacher: Path, rows_file: Path, tmp_path: Path
) -> None:
    for name, more in {"full": (), "lora": ("--adapter", "lora", "--rank", 8)}.items():
        out = tmp_path / name
        command = ("distill", rows_file, "--model", tiny, "--teacher", tiny_teacher, "-o", out, "--epochs", 8)
        result = sft(*command, "--alpha", 0.1, "--temperature", 1.5, *QUICK, *more)
        assert (result.code, result.out) == (0, f"{out}\n")
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        first, last = (sum(line["kl"] for line in part) for part in (lines[:2], lines[-2:]))  # all rows, in two steps
        assert last < 0.85 * first, (first, last)
        for line in lines:
            mixed = 0.1 * line["cross_entropy"] + 0.9 * 1.5**2 * line["kl"]
            assert line["loss"] == pytest.approx(mixed, rel=1e-4)
    assert (tmp_path / "lora" / "adapter_model.safetensors").exists()


def test_the_plan_of_distillation_names_the_teacher(
    sft: Any, tiny: Path, tiny_teacher: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("distill", rows_file, "--model", tiny, "--teacher", tiny_teacher, "-o", tmp_path / "run", "--dry-run")
    result = sft(*command, "--alpha", 0.3, "--temperature", 1.5)
    assert result.code == 0
    assert f"teacher: {tiny_teacher}, 0.0 M weights in float32, 0.0 GB of memory more; it" in result.err
    assert "loss: 0.3 · cross-entropy + 0.7 · T² · KL(teacher‖student), temperature T = 1.5\n" in result.err


def test_distill_refuses_a_teacher_with_another_vocabulary(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    other = tmp_path / "other"
    AutoModelForCausalLM.from_pretrained(tiny).save_pretrained(other)
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["novel"])
    tokenizer.save_pretrained(other)
    result = sft("distill", rows_file, "--model", tiny, "--teacher", other, "-o", tmp_path / "run")
    assert result.code == 2
    assert f"--teacher: expected the vocabulary of {tiny}, got another one in {other}" in result.err
    result = sft("distill", rows_file, "--model", tiny, "--teacher", tiny, "--alpha", 2, "-o", tmp_path / "run")
    assert (result.code, "--alpha: expected at most 1" in result.err) == (2, True)


@pytest.mark.slow
def test_a_second_run_reads_the_token_cache_unless_told_not_to(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    from sft_cli.training.rows import token_cache

    monkeypatch.setattr(token_cache, "SMALL", 0)
    monkeypatch.setenv("SFT_CACHE", str(tmp_path / "cache"))
    command = ("train", rows_file, "--model", tiny, *QUICK)
    weights = []
    for name, more, is_read in (("a", (), False), ("b", (), True), ("c", ("--no-token-cache",), False)):
        result = sft(*command, "-o", tmp_path / name, *more)
        assert (result.code, "read from the token cache" in result.err) == (0, is_read)
        assert "8  training rows" in result.err
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] == weights[2]
    piped = sft(*command[:1], "-", *command[2:], "-o", tmp_path / "d", stdin=rows_file.read_bytes())
    assert (piped.code, len(list((tmp_path / "cache" / "tokens").iterdir()))) == (0, 1)
    current = sft(*command, "-o", tmp_path / "a", "--no-token-cache", "--skip-if-current")
    assert "is up to date" in current.err  # whether tokens are kept does not change what comes out
