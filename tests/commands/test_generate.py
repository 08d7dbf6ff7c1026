"""`sft generate`: every row answered, in order, whatever happens."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from small_rows import chat

from sft_cli.decoding.continuous_batches import ContinuousBatches
from sft_cli.decoding.keys import WRITTEN
from sft_cli.decoding.partial import PartialFile
from sft_cli.encoding.encoder import Encoder
from sft_cli.model.load import load_model, load_tokenizer

SHORT = ("--max-new-tokens", 12, "--dtype", "float32")


def test_rows_come_in_input_order_with_all_their_keys(sft: Any, tiny: Path, rows_file: Path) -> None:
    result = sft("generate", tiny, rows_file, *SHORT)
    assert result.code == 0
    assert [row["id"] for row in result.rows] == [f"r{i}" for i in range(8)]
    for row, given in zip(result.rows, map(json.loads, rows_file.read_text().splitlines()), strict=True):
        assert row["task"] == given["task"]
        assert row["messages"] == given["messages"][:-1]
        assert row["references"] == [given["messages"][-1]["content"]]
        assert row["finish_reason"] in ("stop", "length")
        assert (row["sample"], row["error"]) == (0, None)
        assert 0 < row["completion_tokens"] <= 12
    assert "8 prompts" in result.err
    assert "finished: " in result.err
    piped = sft("generate", tiny, *SHORT, stdin=rows_file.read_bytes())
    assert piped.rows == result.rows


def test_greedy_equals_generate_of_transformers_row_by_row(sft: Any, tiny: Path, rows_file: Path) -> None:
    from transformers import AutoModelForCausalLM

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny), load_tokenizer(str(tiny))
    for row in sft("generate", tiny, rows_file, *SHORT).rows:
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        assert row["prompt_tokens"] == ids.shape[1]
        assert row["completion"] == tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"length_penalty": -1.0, "early_stopping": True}, {"early_stopping": "never"}])
def test_beams_equal_those_of_transformers(sft: Any, tiny: Path, rows_file: Path, more: dict[str, Any]) -> None:
    model, encoder = load_model(str(tiny)), Encoder(load_tokenizer(str(tiny)))
    flags = [part for name, value in more.items() for part in (f"--{name.replace('_', '-')}", value)]
    flags = ["yes" if part is True else part for part in flags]
    rows = sft("generate", tiny, rows_file, *SHORT, "--num-beams", 3, "--repetition-penalty", 1.2, *flags).rows
    assert rows != sft("generate", tiny, rows_file, *SHORT, "--repetition-penalty", 1.2).rows
    for row in rows:
        ids = torch.tensor([encoder.prompt(row)[1]])
        options = {
            "num_beams": 3,
            "repetition_penalty": 1.2,
            "max_new_tokens": 12,
            "eos_token_id": list(encoder.stop_ids),
        }
        output = model.generate(ids, attention_mask=torch.ones_like(ids), **options, **more)
        written = [token for token in output[0, ids.shape[1] :].tolist() if token not in encoder.stop_ids]
        assert row["completion"] == encoder.tokenizer.decode(written, skip_special_tokens=True)


def test_a_sample_does_not_depend_on_its_neighbours(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    flags = (*SHORT, "--temperature", 1.0, "--top-p", 0.95, "--min-p", 0.01, "--presence-penalty", 0.5)
    together = sft("generate", tiny, rows_file, *flags, "--samples", 2).rows
    lines = rows_file.read_text().splitlines()
    (tmp_path / "one.jsonl").write_text(lines[5] + "\n")
    alone = sft("generate", tiny, tmp_path / "one.jsonl", *flags, "--samples", 2).rows
    assert alone == [row for row in together if row["id"] == "r5"]
    assert alone[0]["completion"] != alone[1]["completion"]


def test_a_prefix_that_prompts_share_changes_nothing(sft: Any, tiny: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    system = {"role": "system", "content": "You are a quick brown fox that answers in one word only, please."}
    rows = [{"id": str(at), "messages": [system, {"role": "user", "content": "x" * at}]} for at in range(1, 5)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    together = sft("generate", tiny, prompts, *SHORT).rows
    for row, found in zip(rows, together, strict=True):
        prompts.write_text(json.dumps(row) + "\n")
        assert sft("generate", tiny, prompts, *SHORT).rows == [found]


def test_stop_strings_end_a_completion_before_them(sft: Any, tiny: Path, rows_file: Path) -> None:
    whole = sft("generate", tiny, rows_file, *SHORT).rows
    text = whole[0]["completion"]
    stop = text[len(text) // 2 :][:2]
    for beams in (1, 2):
        first = sft(
            "generate", tiny, rows_file, *SHORT, "--stop", stop, "--stop", "never there", "--num-beams", beams
        ).rows
        for row in first:
            assert stop not in row["completion"]
    row = sft("generate", tiny, rows_file, *SHORT, "--stop", stop).rows[0]
    assert (row["completion"], row["finish_reason"]) == (text[: text.index(stop)], "stop")
    assert row["completion_tokens"] <= whole[0]["completion_tokens"]


def test_bad_words_are_not_written(sft: Any, tiny: Path, rows_file: Path) -> None:
    tokenizer = load_tokenizer(str(tiny))
    whole = sft("generate", tiny, rows_file, *SHORT, "--max-new-tokens", 1).rows
    words = {row["completion"] for row in whole} - {""}
    words = {word for word in words if len(tokenizer(word, add_special_tokens=False).input_ids) == 1}
    assert words
    flags = [part for word in words for part in ("--bad-words", word)]
    for row in sft("generate", tiny, rows_file, *SHORT, "--max-new-tokens", 1, *flags).rows:
        assert row["completion"] not in words


def test_memory_that_runs_out_halves_the_texts_at_a_time(
    sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any
) -> None:
    good = sft("generate", tiny, rows_file, *SHORT).rows
    counts = []

    def step(batches: ContinuousBatches, writings: list[Any], slots: Any) -> None:
        counts.append(len(writings))
        if len(writings) > 3:
            raise torch.OutOfMemoryError("no memory left")
        original(batches, writings, slots)

    original = ContinuousBatches._step
    monkeypatch.setattr(ContinuousBatches, "_step", step)
    assert sft("generate", tiny, rows_file, *SHORT).rows == good
    assert [count for count in counts if count > 3] == [8, 4]


def preferring(folder: Path, tiny: Path, **config: Any) -> Path:
    """The tiny checkpoint with a generation_config."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    model = AutoModelForCausalLM.from_pretrained(tiny)
    model.generation_config = GenerationConfig(eos_token_id=2, **config)
    model.save_pretrained(folder)
    load_tokenizer(str(tiny)).save_pretrained(folder)
    return folder


def test_what_a_checkpoint_prefers_is_the_default_and_is_told(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    shy = preferring(tmp_path / "shy", tiny, repetition_penalty=3.0, do_sample=True, top_k=3, temperature=0.5)
    plain = ("--repetition-penalty", 3.0, "--temperature", 0.5, "--top-k", 3)
    short = ("--dtype", "float32", "--max-new-tokens", 12)
    result = sft("generate", shy, rows_file, *short)
    assert result.rows == sft("generate", tiny, rows_file, *short, *plain).rows
    told = "from the checkpoint's generation_config: temperature 0.5, top_k 3, repetition_penalty 3.0"
    assert f"{told}; --generation-config none ignores it" in result.err
    # A flag counts before it, and leaves without meaning what hangs on another value.
    greedy = sft("generate", shy, rows_file, *short, "--temperature", 0)
    assert greedy.rows == sft("generate", tiny, rows_file, *short, "--repetition-penalty", 3.0).rows
    assert "top_k" not in greedy.err
    ignored = sft("generate", shy, rows_file, *short, "--generation-config", "none")
    assert ignored.rows == sft("generate", tiny, rows_file, *short).rows
    assert "generation_config:" not in ignored.err


def test_a_preset_counts_before_the_checkpoint_and_is_in_the_manifest(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    shy = preferring(tmp_path / "shy", tiny, repetition_penalty=3.0, do_sample=True, top_k=3, temperature=0.5)
    short, out = ("--dtype", "float32", "--max-new-tokens", 12), tmp_path / "o.jsonl"
    result = sft("generate", shy, rows_file, *short, "--preset", "deterministic", "-o", out)
    assert "generation_config:" not in result.err
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows == sft("generate", tiny, rows_file, *short).rows
    recorded = json.loads((tmp_path / "o.jsonl.meta.json").read_text(encoding="utf-8"))
    in_effect = {"temperature": 0.0, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    assert recorded["run"]["decoding"]["from_preset"] == in_effect


@pytest.mark.slow
def test_sampling_is_seeded_and_gives_samples_per_row(sft: Any, tiny: Path, rows_file: Path) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "--temperature", 1.0, "--top-p", 0.9, "--samples", 3)
    rows = sft(*command).rows
    assert [(row["id"], row["sample"]) for row in rows] == [(f"r{i}", s) for i in range(8) for s in range(3)]
    assert len({row["completion"] for row in rows}) > 12
    assert sft(*command).rows == rows
    assert sft(*command, "--seed", 1).rows != rows
    certain = sft("generate", tiny, rows_file, *SHORT, "--temperature", 1.0, "--top-k", 1).rows
    assert certain == sft("generate", tiny, rows_file, *SHORT).rows


def test_a_repetition_penalty_equals_that_of_transformers(sft: Any, tiny: Path, rows_file: Path) -> None:
    model, encoder = load_model(str(tiny)), Encoder(load_tokenizer(str(tiny)))
    rows = sft("generate", tiny, rows_file, *SHORT, "--repetition-penalty", 1.8).rows
    assert rows != sft("generate", tiny, rows_file, *SHORT).rows
    for row in rows:
        ids = torch.tensor([encoder.prompt(row)[1]])
        output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, repetition_penalty=1.8)
        assert row["completion"] == encoder.tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.slow
def test_no_repeat_ngram_size_is_kept(sft: Any, tiny: Path, rows_file: Path) -> None:
    tokenizer = load_tokenizer(str(tiny))
    rows = sft(
        "generate", tiny, rows_file, "--max-new-tokens", 60, "--dtype", "float32", "--no-repeat-ngram-size", 2
    ).rows
    model, encoder = load_model(str(tiny)), Encoder(tokenizer)
    for row in rows:
        ids = torch.tensor([encoder.prompt(row)[1]])
        written: list[int] = []
        for _ in range(60):  # the likeliest token that makes no pair which stands there already
            scores = model(torch.tensor([[*ids[0].tolist(), *written]])).logits[0, -1]
            pairs = set(itertools.pairwise(written))
            banned = [token for last, token in pairs if written and last == written[-1]]
            scores[banned] = -torch.inf
            written.append(int(scores.argmax()))
            if written[-1] in encoder.stop_ids:
                written.pop()
                break
        assert row["completion"] == tokenizer.decode(written, skip_special_tokens=True)


def test_logprobs_are_what_training_would_lose(sft: Any, tiny: Path, rows_file: Path) -> None:
    rows = sft("generate", tiny, rows_file, "--max-new-tokens", 0, "--dtype", "float32", "--logprobs").rows
    model, encoder = load_model(str(tiny)), Encoder(load_tokenizer(str(tiny)))
    for row in rows:
        found = row["reference_logprobs"][0]
        reference = row["references"][0]
        whole = {**row, "messages": [*row["messages"], {"role": "assistant", "content": reference}]}
        example = encoder.example(whole, "last")
        ids = torch.from_numpy(example.ids.astype("int64"))[None]
        losses = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:], reduction="none")
        expected = -float((losses * torch.from_numpy(example.weights)[1:]).detach().sum())
        assert found["sum"] == pytest.approx(expected, rel=1e-4)
        assert found["tokens"] == example.target_count
        assert (found["characters"], found["bytes"]) == (len(reference), len(reference.encode()))


def straight_run(sft: Any, folder: Path, *command: Any) -> tuple[Path, Path]:
    """What a command that ends with -o writes when nothing disturbs it, and a path for when something does."""
    straight = folder / "straight.jsonl"
    assert sft(*command, straight).code == 0
    return straight, folder / "out.jsonl"


def killed_at_step(patch: Any, number: int) -> None:
    """Interrupt the writing of texts before its step of that number."""
    steps = itertools.count(1)

    def step(batches: ContinuousBatches, *more: Any) -> None:
        if next(steps) == number:
            raise KeyboardInterrupt
        original(batches, *more)

    original = ContinuousBatches._step
    patch.setattr(ContinuousBatches, "_step", step)


def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "--temperature", 1.0, "--samples", 2, "--batch-tokens", 150, "-o")
    straight, resumed = straight_run(sft, tmp_path, *command)
    with monkeypatch.context() as patch:
        killed_at_step(patch, 30)
        result = sft(*command, resumed)
    assert result.code == 130
    partial = Path(f"{resumed}.partial")
    done = len(partial.read_text().splitlines()) - 1
    assert 2 <= done <= 14
    assert f"interrupted after {done} of 16 completions; run the same command again to continue" in result.err
    partial.write_bytes(partial.read_bytes()[:-5])  # the kill cut the last line, as it may
    result = sft(*command, resumed)
    assert result.code == 0
    assert f"resuming: {done - 1} of 16 completions already exist" in result.err
    assert resumed.read_bytes() == straight.read_bytes()
    assert not partial.exists()


def test_a_full_disk_ends_the_run_in_one_line_and_the_same_command_goes_on(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "--batch-tokens", 60, "-o")
    straight, out = straight_run(sft, tmp_path, *command)
    with monkeypatch.context() as patch:
        calls = itertools.count()

        def fsync(handle: int) -> None:
            if next(calls) == 3:
                raise OSError(28, "No space left on device")

        patch.setattr("sft_cli.decoding.partial.os.fsync", fsync)
        result = sft(*command, out)
    assert result.code == 2
    cure = "hint: free some disk space; then run the same command again to continue"
    assert result.err.endswith(f"sft generate: {out}.partial: cannot write: No space left on device\n{cure}\n")
    assert "Traceback" not in result.err
    assert not out.exists()
    assert sft(*command, out).code == 0
    assert out.read_bytes() == straight.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_an_output_without_space_is_no_bug(sft: Any, tiny: Path, rows_file: Path) -> None:
    result = sft("generate", tiny, rows_file, *SHORT, "-o", "/dev/full")
    assert (result.code, "Traceback" in result.err) == (2, False)
    assert result.err.endswith("sft generate: No space left on device\nhint: free some disk space\n")


def test_a_partial_file_of_other_settings_is_not_used(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    Path(f"{out}.partial").write_text('{"fingerprint":"other"}\n')
    result = sft("generate", tiny, rows_file, *SHORT, "-o", out)
    assert result.code == 2
    assert "out.jsonl.partial: is from a run with other inputs or settings\nhint: --force" in result.err
    assert sft("generate", tiny, rows_file, *SHORT, "-o", out, "--force").code == 0


def test_a_partial_file_of_other_stdin_is_not_used(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, *SHORT, "-o", tmp_path / "out.jsonl")
    rows = rows_file.read_bytes()
    with monkeypatch.context() as patch:
        killed_at_step(patch, 1)
        assert sft(*command, stdin=rows).code == 130
    assert "from a run with other inputs" in sft(*command, stdin=rows.replace(b"Japan", b"Chile")).err
    assert sft(*command, stdin=rows).code == 0


def unlucky(patch: Any, *ids: str) -> None:
    """Let the texts of these rows fail, whenever they are written."""

    def picky(batches: ContinuousBatches, writings: list[Any], slots: Any) -> None:
        if any(writing.item.row["id"] in ids for writing in writings):
            raise RuntimeError("out of luck")
        step(batches, writings, slots)

    step = ContinuousBatches._step
    patch.setattr(ContinuousBatches, "_step", picky)


def test_a_row_that_fails_is_kept_with_its_error(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    good = sft("generate", tiny, rows_file, *SHORT).rows
    unlucky(monkeypatch, "r3")
    result = sft("generate", tiny, rows_file, *SHORT)
    assert result.code == 0
    assert ", 1 error" in result.err
    assert [row for row in result.rows if row["id"] != "r3"] == [row for row in good if row["id"] != "r3"]
    failed = result.rows[3]
    assert (failed["finish_reason"], failed["error"], failed["completion"]) == (
        "error",
        "RuntimeError: out of luck",
        "",
    )


def test_a_prompt_that_does_not_fit_is_an_error_row(sft: Any, tiny: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    rows = [{**chat("word " * 100, "b"), "id": "long"}, {**chat("a", "b"), "id": "short"}]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = sft("generate", tiny, prompts, *SHORT)
    assert [row["finish_reason"] == "error" for row in result.rows] == [True, False]
    assert "exceeds the model's context of 256" in result.rows[0]["error"]
    prompts.write_text(json.dumps(rows[0]) + "\n")
    alone = sft("generate", tiny, prompts, *SHORT)
    assert (alone.code, "every row failed; first error: the prompt has" in alone.err) == (2, True)


def test_bad_prompts_are_named(sft: Any, tiny: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"id": "a", "messages": []}\n' + 2 * (json.dumps(chat("a")) + "\n"))
    result = sft("generate", tiny, prompts, *SHORT)
    assert result.code == 2
    assert f"{prompts}:1: messages: expected" in result.err
    assert f"{prompts}:3: id: expected a unique id, got 'r', which is already the id of {prompts}:2" in result.err
    prompts.write_text("")
    assert "no prompts; the input is empty" in sft("generate", tiny, prompts).err


def test_bad_prompts_that_are_left_out_are_counted(sft: Any, tiny: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"id": "a", "messages": []}\n' + json.dumps(chat("a")) + "\n")
    result = sft("generate", tiny, prompts, *SHORT, "--on-error", "skip")
    assert ([row["id"] for row in result.rows], "1 bad row left out\n" in result.err) == (["r"], True)
    prompts.write_text('{"id": "a", "messages": []}\n')
    result = sft("generate", tiny, prompts, *SHORT, "--on-error", "skip")
    assert f"{prompts}:1: messages: expected a list" in result.err
    assert (result.code, f"{prompts}: no prompts; every row is bad" in result.err) == (2, True)


def test_raw_text_is_continued(sft: Any, tiny: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"id": "t", "text": "The quick brown"}\n')
    assert sft("generate", tiny, prompts, *SHORT).rows[0]["completion_tokens"] > 0


def test_an_adapter_directory_generates(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "lora"
    options = ("--adapter", "lora", "--learning-rate", 0.1, "--epochs", 4, "--dtype", "float32")
    assert sft("train", rows_file, "--model", tiny, "-o", out, *options).code == 0
    assert sft("generate", out, rows_file, *SHORT).rows != sft("generate", tiny, rows_file, *SHORT).rows


def test_a_dry_run_says_what_it_would_do(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    result = sft("generate", tiny, rows_file, "--dry-run", "-o", tmp_path / "o.jsonl")
    assert (result.code, result.out) == (0, "")
    assert "8 prompts, " in result.err
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--retry-errors",), "--retry-errors: -o must name the file whose failed rows are generated again, got a"),
        (("--retry-errors", "--force", "-o", "o"), "--retry-errors: keeps the rows that did not fail, but --force"),
        (("--extract", "choices"), "--extract: no row has choices\nhint: sft prep --benchmark"),
        (("--num-beams", 2, "--temperature", 1), "--num-beams: expected --temperature 0 for beam search, got"),
        (("--num-beams", 2, "--regex", "a"), "--regex: does not work with beam search"),
        (("--length-penalty", 2), "--length-penalty: has an effect only in beam search"),
        (("--early-stopping", "yes"), "--early-stopping: has an effect only in beam search"),
        (("--top-k", 2), "--top-k: has no effect at --temperature 0"),
        (("--top-p", 0.5), "--top-p: has no effect at --temperature 0"),
        (("--min-p", 0.5), "--min-p: has no effect at --temperature 0"),
        (("--samples", 2), "--samples: at --temperature 0 all samples are the same"),
        (("--ngram-scope", "all"), "--ngram-scope: has an effect only with --no-repeat-ngram-size"),
        (("--regex", "a", "--json-schema", "s.json"), "expected one of --json-schema and --regex, got both"),
        (("--regex", "a", "--forced-prefix", "b"), "--forced-prefix: does not work with --json-schema or --regex"),
        (("--regex", "[0-9"), "--regex: at 1(8): invalid regex"),
        (("--json-schema", "no.json"), "--json-schema: no.json: cannot read: No such file"),
        (("--json-schema", "bad.json"), "bad.json:2: expected a JSON schema, got Expecting property"),
        (("--json-schema", "list.json"), "list.json:1: expected a JSON schema (an object), got list"),
        (("--json-schema", "odd.json"), "--json-schema: odd.json: "),
    ],
)  # fmt: skip
def test_controls_that_say_nothing_or_cannot_be_followed_are_refused(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any, words: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.json").write_text("{}")
    (tmp_path / "bad.json").write_text("{\n")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "odd.json").write_text('{"type": "nothing"}')
    result = sft("generate", tiny, rows_file, *SHORT, *words)
    assert (result.code, message in result.err) == (2, True), result.err


@pytest.mark.slow
def test_a_schema_and_a_pattern_are_followed(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"land": {"enum": ["Japan", "日本"]}, "big": {"type": "boolean"}},
        "required": ["land", "big"],
        "additionalProperties": False,
    }
    (tmp_path / "s.json").write_text(json.dumps(schema))
    long = ("--max-new-tokens", 80, "--dtype", "float32")
    sampled = ("--temperature", 2.0, "--samples", 2)
    for row in sft("generate", tiny, rows_file, *long, *sampled, "--json-schema", tmp_path / "s.json").rows:
        assert row["finish_reason"] == "stop"
        answer = json.loads(row["completion"])
        assert answer["land"] in ("Japan", "日本")
        assert isinstance(answer["big"], bool)
    for row in sft("generate", tiny, rows_file, *long, "--regex", "(yes|no), [0-9]{3}").rows:
        assert re.fullmatch("(yes|no), [0-9]{3}", row["completion"])


def test_a_missing_grammar_package_is_named(sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None)
    result = sft("generate", tiny, rows_file, *SHORT, "--regex", "a")
    assert "--regex: needs the package llguidance\nhint: pip install 'llguidance>=1.0'" in result.err


def test_a_forced_prefix_begins_every_completion(sft: Any, tiny: Path, rows_file: Path) -> None:
    model, encoder = load_model(str(tiny)), Encoder(load_tokenizer(str(tiny)))
    for row in sft("generate", tiny, rows_file, *SHORT, "--forced-prefix", "The quick").rows:
        begun = encoder.tokenizer("The quick", add_special_tokens=False).input_ids
        ids = torch.tensor([[*encoder.prompt(row)[1], *begun]])
        output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        written = encoder.tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
        assert row["completion"] == "The quick" + written
        assert row["completion_tokens"] <= 12


def test_prompts_that_are_too_long_are_cut_or_left_out_if_asked(sft: Any, tiny: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    rows = [{**chat("word " * 100, "b"), "id": "long"}, {**chat("a", "b"), "id": "short"}]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    skipped = sft("generate", tiny, prompts, *SHORT, "--prompt-overflow", "skip")
    assert [row["id"] for row in skipped.rows] == ["short"]
    assert "--prompt-overflow skip: 1 prompt left out, longer than the context of 256" in skipped.err
    cut = sft("generate", tiny, prompts, *SHORT, "--prompt-overflow", "truncate-left")
    assert "--prompt-overflow truncate-left: 1 prompt cut at the beginning to fit 256 tokens" in cut.err
    assert cut.rows[0]["prompt_tokens"] == 256 - 12
    assert cut.rows[0]["prompt_tokens_dropped"] > 100
    assert cut.rows[1] == skipped.rows[0]


def test_repetition_is_diagnosed(sft: Any, tiny: Path, rows_file: Path) -> None:
    result = sft("generate", tiny, rows_file, "--max-new-tokens", 60, "--dtype", "float32", "--diagnose-repetition")
    loops = sum(row["repetition"]["loop_start"] is not None for row in result.rows)
    assert f", {loops} end in a loop" in result.err
    assert set(result.rows[0]["repetition"]) == {"seq_rep_4", "longest_span", "loop_start"}


def test_a_reference_whose_log_probability_cannot_be_had_is_an_error_row(
    sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any
) -> None:
    from sft_cli.decoding.engines import transformers

    def picky(model: Any, encoder: Any, row: dict[str, Any], *more: Any) -> Any:
        if row["id"] == "r3":
            raise RuntimeError("out of luck")
        return original(model, encoder, row, *more)

    original = transformers.reference_logprobs
    monkeypatch.setattr(transformers, "reference_logprobs", picky)
    for tokens in (0, 5):
        result = sft("generate", tiny, rows_file, "--dtype", "float32", "--logprobs", "--max-new-tokens", tokens)
        assert result.code == 0
        assert [row["error"] for row in result.rows] == [None] * 3 + ["RuntimeError: out of luck"] + [None] * 4
        assert all(row["reference_logprobs"] for row in result.rows if row["id"] != "r3")


def test_memory_of_a_pass_that_ran_out_is_given_back_before_the_next(
    sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any
) -> None:
    held: list[Any] = []
    alive: list[int] = []

    def step(batches: ContinuousBatches, writings: list[Any], slots: Any) -> None:
        alive.append(sum(each() is not None for each in held if each() is not slots))
        if len(writings) > 3:
            held.append(weakref.ref(slots))
            raise torch.OutOfMemoryError("no memory left")
        original(batches, writings, slots)

    original = ContinuousBatches._step
    monkeypatch.setattr(ContinuousBatches, "_step", step)
    assert sft("generate", tiny, rows_file, *SHORT).code == 0
    assert len(held) == 2
    assert not any(alive)


@pytest.mark.slow
def test_a_grammar_is_followed_in_padded_batches_too(sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any) -> None:
    from sft_cli.decoding.engines import transformers

    monkeypatch.setattr(transformers, "NAME", "another attention")
    alone: list[Any] = []  # rows that were tried again because their batch had failed
    monkeypatch.setattr(transformers.TransformersEngine, "_alone", lambda *more: alone.append(more) or iter([]))
    command = ("generate", tiny, rows_file, "--max-new-tokens", 40, "--dtype", "float32", "--temperature", 3.0)
    rows = sft(*command, "--regex", "(a|bcdefgh|[0-9]{2,9})!").rows
    assert all(re.fullmatch("(a|bcdefgh|[0-9]{2,9})!", row["completion"]) for row in rows)
    assert len({row["completion_tokens"] for row in rows}) > 1  # some were done while others went on
    assert not alone


@pytest.mark.slow
def test_rows_that_failed_are_made_again_if_asked(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "-o")
    straight, out = straight_run(sft, tmp_path, *command)
    with monkeypatch.context() as patch:
        unlucky(patch, "r3", "r5")
        assert ", 2 errors" in sft(*command, out).err
    assert "already exists" in sft(*command, out).err
    with monkeypatch.context() as patch:
        unlucky(patch, "r5")
        result = sft(*command, out, "--retry-errors")
    assert "--retry-errors: 2 of 8 completions are generated again" in result.err
    assert ", 1 error" in result.err
    result = sft(*command, out, "--retry-errors")
    assert "--retry-errors: 1 of 8 completions are generated again" in result.err
    assert out.read_bytes() == straight.read_bytes()
    edited = tmp_path / "edited.jsonl"
    edited.write_bytes(out.read_bytes().replace(b'"r1"', b'"s1"'))
    Path(f"{edited}.meta.json").write_bytes(Path(f"{out}.meta.json").read_bytes())
    changed = sft(*command, edited, "--retry-errors")
    assert (changed.code, "edited.jsonl: was changed since it was written\nhint: to generate all" in changed.err) == (
        2,
        True,
    )
    other = sft(*command, out, "--retry-errors", "--max-new-tokens", 5)
    assert (other.code, "out.jsonl: was made with other inputs or settings\nhint: to generate all" in other.err) == (
        2,
        True,
    )
    assert out.read_bytes() == straight.read_bytes()


def test_a_run_that_was_stopped_forgets_its_errors_if_asked(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "--batch-tokens", 60, "-o")
    straight, out = straight_run(sft, tmp_path, *command)
    with monkeypatch.context() as patch:
        unlucky(patch, "r1", "r2", "r7")
        killed_at_step(patch, 50)
        assert sft(*command, out).code == 130
    kept = [json.loads(line) for line in Path(f"{out}.partial").read_text().splitlines()[1:]]
    assert any(line["row"]["error"] for line in kept)
    assert sft(*command, out, "--retry-errors").code == 0
    assert out.read_bytes() == straight.read_bytes()
    assert not Path(f"{out}.partial").exists()


def as_rank(patch: Any, rank: int, size: int = 2) -> None:
    """Be one of several processes, as torchrun would say it."""
    for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", size)):
        patch.setenv(name, str(value))


def test_processes_share_the_rows_and_the_first_writes_them_in_order(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "--temperature", 1, "--samples", 2, "-o")
    straight, out = straight_run(sft, tmp_path, *command)
    with monkeypatch.context() as patch:
        as_rank(patch, 1)
        assert sft(*command, out) == (0, "", "")
        assert not out.exists()
        assert len(Path(f"{out}.partial.1").read_text().splitlines()) == 1 + 8
        as_rank(patch, 0)
        result = sft(*command, out)
        assert (result.code, "resuming: 8 of 16" in result.err) == (0, True)
    assert out.read_bytes() == straight.read_bytes()
    assert [path.name for path in tmp_path.glob("out.jsonl.partial*")] == []


def test_a_process_that_comes_when_all_is_written_leaves(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("generate", tiny, rows_file, *SHORT, "-o", out)
    assert sft(*command).code == 0
    content = out.read_bytes()
    as_rank(monkeypatch, 1)
    assert sft(*command) == (0, "", "")
    assert (out.read_bytes(), sorted(path.name for path in tmp_path.glob("out.jsonl.partial*"))) == (content, [])


def test_what_one_of_several_processes_has_left_is_used_by_one(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", tiny, rows_file, *SHORT, "-o")
    straight, out = straight_run(sft, tmp_path, *command)
    with monkeypatch.context() as patch:
        as_rank(patch, 2, 3)
        assert sft(*command, out).code == 0
    result = sft(*command, out)
    assert "resuming: 2 of 8 completions already exist" in result.err
    assert out.read_bytes() == straight.read_bytes()
    assert [path.name for path in tmp_path.glob("out.jsonl.partial*")] == []


@pytest.mark.slow
def test_torchrun_generates(tiny: Path, rows_file: Path, tmp_path: Path, sft: Any) -> None:
    straight, out = tmp_path / "straight.jsonl", tmp_path / "out.jsonl"
    words = ["generate", str(tiny), str(rows_file), *map(str, SHORT), "-o"]
    assert sft(*words, straight).code == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sft_cli"]
    done = subprocess.run([*launcher, *words, str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == straight.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 2])
def test_when_one_of_several_processes_dies_the_others_end_and_keep_their_rows(
    tiny: Path, here: Path, killed: int
) -> None:
    prompts = write_rows(here / "p.jsonl", *({**chat(f"fox {i}"), "id": str(i)} for i in range(30)))
    flags = ("--temperature", 1, "--samples", 50, "--max-new-tokens", 200, "--dtype", "float32", "-o", "o.jsonl")
    words = [sys.executable, "-m", "sft_cli", "generate", *map(str, (tiny, prompts, *flags))]
    started = [
        subprocess.Popen(
            words,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": "3", "OMP_NUM_THREADS": "1"},
        )
        for rank in range(3)
    ]
    own = [here / "o.jsonl.partial", *(here / f"o.jsonl.partial.{rank}" for rank in (1, 2))]
    while not all(path.exists() and len(path.read_bytes().splitlines()) > 3 for path in own):
        assert all(process.poll() is None for process in started)
        time.sleep(0.1)
    started[killed].kill()
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [-9 if rank == killed else 1 for rank in range(3)]
    assert sum(f"rank {killed} of 3 processes ended before the work was finished" in text for text in said) == 1
    assert all(len(path.read_bytes().splitlines()) > 3 for path in own)
    assert not (here / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--retry-errors", "-o", "o"), "--retry-errors: expected one process, got several"),
        ((), "--out: several processes need a file\nhint: -o FILE"),
    ],
)  # fmt: skip
def test_what_several_processes_cannot_do_is_refused(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any, words: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    as_rank(monkeypatch, 0)
    result = sft("generate", tiny, rows_file, *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_a_partial_file_cut_at_any_byte_goes_on_to_the_same_completions(tmp_path: Path) -> None:
    path = tmp_path / "o.partial"
    rows = [(at, 0, {"completion": "é" * at, "error": None}) for at in range(3)]
    partial = PartialFile(path, "f")
    partial.add(rows)
    partial.close()
    content = path.read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        again = PartialFile(path, "f")
        again.add(rows)
        again.close()
        assert path.read_bytes() == content


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_an_extracted_answer_leaves_the_right_one_as_it_is(sft: Any, tiny: Path, here: Path) -> None:
    prompts = write_rows(here / "p.jsonl", chat("2 + 2?", answer="4"))
    row = sft("generate", tiny, prompts, *SHORT, "--extract", "none").rows[0]
    assert (row["answer"], row["prediction"]) == ("4", row["completion"])
    assert row["completion"] != "4"
    votes = ("--samples", 3, "--temperature", 1, "--consistency", "majority")
    row = sft("generate", tiny, prompts, *SHORT, *votes, "--extract", "none").rows[0]
    assert (row["answer"], len(row["predictions"]), row["prediction"] in row["predictions"]) == ("4", 3, True)


@pytest.mark.parametrize("key", WRITTEN)
def test_no_key_of_a_row_is_written_over(sft: Any, tiny: Path, here: Path, key: str) -> None:
    prompts = write_rows(here / "p.jsonl", chat("a", **{key: "mine"}))
    result = sft("generate", tiny, prompts, *SHORT)
    problem = f'p.jsonl:1: {key}: the input must not have this key, because sft generate writes it; got "mine"'
    assert (result.code, result.out) == (2, "")
    assert problem in result.err
    assert f"hint: rename the key {key} in the rows" in result.err


def test_generations_are_asked_again_without_what_was_generated(sft: Any, tiny: Path, here: Path) -> None:
    prompts = write_rows(here / "p.jsonl", chat("a", "b"), {**chat("c", "d"), "id": "s"})
    first = sft("generate", tiny, prompts, *SHORT, "--extract", "none", "--logprobs", "-o", here / "g.jsonl")
    assert first.code == 0
    again = sft("generate", tiny, here / "g.jsonl", *SHORT)
    assert again.rows == sft("generate", tiny, prompts, *SHORT).rows
    assert (
        "2 prompts with a completion already: its generated fields are removed, and it is answered again\n" in again.err
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ContinuousBatches", "StaticBatches"])
def test_a_bad_word_is_never_written_whatever_its_tokens_are(
    sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any, engine: str
) -> None:
    from sft_cli.decoding.engines import transformers

    monkeypatch.setattr(transformers, "ContinuousBatches", getattr(transformers, engine))
    words = ("an", "e", "is", "'", "日")
    flags = [part for word in words for part in ("--bad-words", word)]
    many = ("--temperature", 1.5, "--samples", 12, "--max-new-tokens", 40, "--dtype", "float32")
    texts = [row["completion"] for row in sft("generate", tiny, rows_file, *many).rows]
    assert all(any(word in text for text in texts) for word in words)
    rows = sft("generate", tiny, rows_file, *many, *flags).rows
    assert not [row["completion"] for row in rows if row["error"] or any(word in row["completion"] for word in words)]


@pytest.mark.slow
def test_special_stops_are_the_same_in_padded_batches(sft: Any, tmp_path: Path) -> None:
    model, prompts = tiny_models.save("writes-a-special-token", tmp_path), write_rows(tmp_path / "p.jsonl", chat("hi"))
    for stop, text in (("<|eot|>", "The"), ("he<|eot|> f", "T"), (" dog", "The fox"), ("ox dog", "The f")):
        for more in ((), ("--num-beams", 2)):
            row = sft("generate", model, prompts, *SHORT, "--stop", stop, *more).rows[0]
            assert (row["completion"], row["finish_reason"]) == (text, "stop")
            assert row["completion_tokens"] <= 4


def test_a_base_model_learns_to_stop_where_its_template_ends_turns(sft: Any, rows_file: Path, tmp_path: Path) -> None:
    model = tiny_models.save("base", tmp_path)
    for name, flags in (("full", ()), ("lora", ("--adapter", "lora"))):
        result = sft("train", rows_file, "--model", model, "-o", tmp_path / name, "--max-steps", 1, *flags)
        assert result.code == 0, result.err
        assert "<|im_end|> is also a stop token: it ends turns in the chat template," in result.err
        saved = json.loads((tmp_path / name / "generation_config.json").read_text())
        assert saved["eos_token_id"] == [0, 2]


def test_references_and_choices_without_an_embedding_are_named(sft: Any, tmp_path: Path) -> None:
    model = tiny_models.save("short-embedding", tmp_path)
    prompts = write_rows(tmp_path / "p.jsonl", chat("a", "brandnew", choices=["b", "brandnew"]))
    for flag in ("--logprobs", "--choices"):
        result = sft("generate", model, prompts, "--max-new-tokens", 0, "--dtype", "float32", flag)
        assert (result.code, "('brandnew'), but the model has only" in result.rows[0]["error"]) == (2, True)


def test_plain_text_on_stdin_is_asked_line_by_line(sft: Any, tiny: Path) -> None:
    result = sft("generate", tiny, *SHORT, stdin=b"What is it?\n\n  [1] and\t2 \n42\n")
    asked = [row["messages"] for row in result.rows]
    assert asked == [[{"role": "user", "content": text}] for text in ("What is it?", "  [1] and\t2 ", "42")]
    assert "3 prompts of plain text, each sent as a user turn in the chat template; --raw-text continues" in result.err
    raw = sft("generate", tiny, *SHORT, "--raw-text", "-n", 1, stdin=b"What is it?\nNo\n")
    assert [row["text"] for row in raw.rows] == ["What is it?"]
    # An id hangs on the text alone.
    assert sft("generate", tiny, *SHORT, "--prompt", "42").rows[0]["id"] == result.rows[2]["id"]
    twice = sft("generate", tiny, *SHORT, "--prompt", "42", "--prompt", "42").rows
    assert [row["id"] for row in twice] == [result.rows[2]["id"], f"{result.rows[2]['id']}-2"]


@pytest.mark.parametrize("text", ['{"messages"\n', '[{"messages": []}]\n', "[\n {}\n]\n", "[]\n"])
def test_json_that_is_no_row_is_no_question(sft: Any, tiny: Path, here: Path, text: str) -> None:
    (here / "q.txt").write_text(text)
    for words, stdin in ((["q.txt"], b""), ([], text.encode())):
        result = sft("generate", tiny, *words, *SHORT, stdin=stdin)
        assert (result.code, "expected a JSON object" in result.err) == (2, True)


def test_rows_in_a_text_file_are_rows(sft: Any, tiny: Path, here: Path) -> None:
    write_rows(here / "p.txt", chat("a"))
    result = sft("generate", tiny, "p.txt", *SHORT)
    assert (result.rows[0]["messages"], "plain text" in result.err) == (chat("a")["messages"], False)
    packed = gzip.compress(b"What?\nWho?\n")
    (here / "q.txt.gz").write_bytes(packed)
    assert [row["messages"][0]["content"] for row in sft("generate", tiny, "q.txt.gz", *SHORT).rows] == [
        "What?",
        "Who?",
    ]
    assert sft("generate", tiny, *SHORT, stdin=gzip.compress((here / "p.txt").read_bytes())).rows == result.rows


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True])
def test_a_system_text_that_training_had_and_prompts_lack_is_told(
    sft: Any, tiny: Path, here: Path, monkeypatch: Any, large: bool
) -> None:
    if large:  # rows come from the token cache the second time
        monkeypatch.setattr("sft_cli.training.rows.token_cache.SMALL", 0)
        monkeypatch.setenv("SFT_CACHE", str(here / "cache"))
    rows = [chat(f"fox {at}", "dog") for at in range(4)]
    for at, row in enumerate(rows):
        row["id"] = str(at)
        row["messages"][:0] = [{"role": "system", "content": "Be brief."}] if at else []
    write_rows(here / "train.jsonl", *rows)
    prompts = write_rows(here / "p.jsonl", chat("a"), {**rows[1], "id": "with"})
    told = '1 prompt without a system turn; 75% of the training rows had one, most often "Be brief."; --system TEXT'
    for out in ("m", "n"):
        words = ("train.jsonl", "--model", tiny, "-o", out, "--max-steps", 1)
        assert sft("train", *words).code == 0
        assert told in sft("generate", out, prompts, "--dry-run").err
    assert "system text" not in sft("generate", "m", prompts, "--dry-run", "--system", "Be brief.").err
    assert "system text" not in sft("generate", tiny, prompts, "--dry-run").err


@pytest.mark.slow
def test_an_adapter_finds_its_base_by_the_name_that_was_given_or_by_another(
    sft: Any, tiny: Path, rows_file: Path, here: Path, monkeypatch: Any
) -> None:
    from sft_cli.model import gguf, names

    base = shutil.copytree(tiny, here / "base")
    monkeypatch.setitem(names.BUNDLED, "small", ("none", "none"))
    monkeypatch.setattr(names, "bundled_file", Path)
    monkeypatch.setattr(gguf, "converted", lambda path: tiny)
    options = ("--adapter", "lora", "--learning-rate", 0.1, "--dtype", "float32", "--max-steps", 2)
    for model, out in ((base, "a"), ("small", "b")):
        assert sft("train", rows_file, "--model", model, "-o", out, *options).code == 0
        config = json.loads((here / out / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == str(model)
    rows = sft("generate", "a", rows_file, *SHORT).rows
    assert rows == sft("generate", "b", rows_file, *SHORT).rows
    shutil.move(base, here / "moved")
    gone = sft("generate", "a", rows_file, *SHORT)
    problem = f"a: the base of this adapter does not exist: {base}: no such checkpoint directory\nhint: --base MODEL"
    assert (gone.code, problem in gone.err) == (2, True)
    assert sft("generate", "a", rows_file, *SHORT, "--base", "moved").rows == rows
    no = sft("generate", "a", rows_file, *SHORT, "--base", "./nowhere")
    assert "./nowhere: no such checkpoint directory" in no.err
    full = sft("generate", tiny, rows_file, *SHORT, "--base", tiny)
    assert f"--base: expected an adapter, got the full model {tiny}" in full.err
    other = tiny_models.save("wide", here)
    result = sft("generate", "a", rows_file, *SHORT, "--base", other)
    assert (result.code, f"a: is not an adapter of {other}: " in result.err) == (2, True)


def test_a_line_of_plain_text_that_is_too_long_is_named_and_not_read(sft: Any, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("short\n" + "long " * 1000 + "\n")
    result = sft("generate", tiny, tmp_path / "q.txt", *SHORT, "--max-line-bytes", 1000)
    assert (result.code, result.out) == (2, "")
    assert f"{tmp_path / 'q.txt'}:2: expected at most 1,000 bytes, got more; --max-line-bytes N" in result.err
