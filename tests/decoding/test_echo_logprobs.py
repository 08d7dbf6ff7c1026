"""`sft generate --echo-logprobs` and `--show`: what the model reads, and how likely it finds it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.decoding.logprobs import windows
from sft_cli.model.load import load_model, load_tokenizer

SHORT = ("--max-new-tokens", 9)
PLAIN = ("--dtype", "float32", "--echo-logprobs")


@given(st.integers(0, 300), st.integers(2, 60), st.data())
def test_every_token_but_the_first_counts_once_and_has_something_before_it(count: int, context: int, data: Any) -> None:
    stride = data.draw(st.integers(1, context - 1))
    found = windows(count, context, stride)
    assert [token for _, end, first in found for token in range(first, end)] == list(range(1, count))
    assert all(0 <= start < first <= end and end - start <= context for start, end, first in found)
    # After the first window a token has at least the context that windows share.
    assert all(first - start >= context - stride for start, _, first in found[1:])


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [
        {"id": "short", "text": "The quick brown fox."},
        {"id": "zh", "text": "日本的货币是日元。你好，世界！"},
        {"id": "long", "text": "The lazy dog and 41 foxes. " * 60},
        {"id": "one", "text": "T"},
    ]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("stride", [None, 100])
def test_texts_are_read_in_windows_as_a_plain_forward_pass_reads_them(
    sft: Any, tiny: Path, texts: Path, stride: int | None
) -> None:
    model, tokenizer = load_model(str(tiny)), load_tokenizer(str(tiny))
    result = sft("generate", tiny, texts, *PLAIN, *(("--window-stride", stride) if stride else ()))
    assert result.code == 0, result.err
    for row in result.rows:
        ids = tokenizer(row["text"], add_special_tokens=False).input_ids
        total = 0.0
        for start, end, first in windows(len(ids), 256, stride or 128):
            logits = model(torch.tensor([ids[start:end]])).logits[0].detach().log_softmax(-1)
            total += sum(float(logits[at - 1 - start, ids[at]]) for at in range(first, end))
        found = row["text_logprobs"]
        assert found["sum"] == pytest.approx(total, rel=1e-4, abs=1e-6)
        assert found["tokens"] == len(ids) - 1
        rest = row["text"].removeprefix(tokenizer.decode(ids[:1]))
        assert (found["characters"], found["bytes"]) == (len(rest), len(rest.encode()))
        assert (row["completion"], row["error"]) == ("", None)
    assert len(tokenizer(result.rows[2]["text"]).input_ids) > 2 * 256


def test_their_perplexity_is_weighted_by_tokens(sft: Any, tiny: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    assert sft("generate", tiny, texts, *PLAIN, "-o", out).code == 0
    entries = [json.loads(line)["text_logprobs"] for line in out.read_text().splitlines()]
    nats, tokens = (sum(entry[name] for entry in entries) for name in ("sum", "tokens"))
    result = sft("score", out, "--metric", "perplexity:of=text", "-o", tmp_path / "s.jsonl")
    assert result.code == 0, result.err
    summary = json.loads((tmp_path / "s.jsonl.summary.json").read_text())["metrics"]["perplexity:of=text"]
    assert summary["value"] == pytest.approx(math.exp(-nats / tokens))
    assert "text:text" in summary["signature"]


def test_small_batches_change_nothing(sft: Any, tiny: Path, texts: Path) -> None:
    sums = [row["text_logprobs"]["sum"] for row in sft("generate", tiny, texts, *PLAIN).rows]
    small = [row["text_logprobs"]["sum"] for row in sft("generate", tiny, texts, *PLAIN, "--batch-tokens", 10).rows]
    assert small == pytest.approx(sums, rel=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-new-tokens", 5), "--max-new-tokens: has no effect with --echo-logprobs, which writes no completions"),
        (("--samples", 2, "--temperature", 1), "--samples: has no effect with --echo-logprobs"),
        (("--window-stride", 256), "--window-stride: expected less than the model's context of 256, got 256"),
        (("--engine", "openai"), "--echo-logprobs: expected --engine transformers, got --engine openai"),
    ],
)  # fmt: skip
def test_what_says_nothing_beside_it_is_refused(sft: Any, tiny: Path, texts: Path, words: Any, message: str) -> None:
    result = sft("generate", tiny, texts, "--echo-logprobs", *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_conversations_have_references_instead(sft: Any, tiny: Path, rows_file: Path, texts: Path) -> None:
    result = sft("generate", tiny, rows_file, *PLAIN)
    assert f"{rows_file}:1: text: expected raw text for --echo-logprobs, got messages" in result.err
    stride = sft("generate", tiny, texts, "--window-stride", 9)
    assert "--window-stride: has an effect only with --echo-logprobs" in stride.err


def test_prompts_are_shown_as_the_model_reads_them(sft: Any, tiny: Path, rows_file: Path) -> None:
    result = sft("generate", tiny, rows_file, "--show", 2, "--dry-run", "--forced-prefix", "Sure", *SHORT)
    assert result.code == 0
    assert "── r0  " in result.err
    assert "<|im_start|>user\nWhat is the currency of Japan?<|im_end|>\n<|im_start|>assistant\nSure" in result.err
    assert "── r2" not in result.err
    cut = sft("generate", tiny, rows_file, "--show", 1, "--dry-run", "--max-new-tokens", 246, "--prompt-overflow",
              "truncate-left")  # fmt: skip
    assert "── r0  10 tokens\n of Japan?<|im_end|>\n<|im_start|>assistant\n" in cut.err
    asked = sft("generate", "m", rows_file, "--show", 1, "--dry-run", "--engine", "openai", "--base-url", "http://x/v1")
    assert '"content": "What is the currency of Japan?"' in asked.err
