"""`--completion-logprobs`: what transformers' own logits say of the tokens that were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from small_rows import chat

from sft_cli.decoding.engines.transformers import TransformersEngine
from sft_cli.decoding.generation import make_items
from sft_cli.decoding.processors import ROWS_IN_CACHE, token_log_probs
from sft_cli.decoding.settings import GenerateSettings

SHORT = ("--max-new-tokens", 12, "--dtype", "float32", "--completion-logprobs")
PENALTIES = {"repetition_penalty": 1.5, "presence_penalty": 2.0, "no_repeat_ngram_size": 2, "bad_words": ["e"]}
DECODINGS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "penalties": PENALTIES,
    "sampling": {"temperature": 0.5, "top_k": 20, "top_p": 0.9, "min_p": 0.05, "samples": 3},
    "a stop text": {"stop": ["a", "e", "x"]},
    "a forced prefix": {"forced_prefix": "The"},
    "beams": {"num_beams": 3, "length_penalty": -1.0, **PENALTIES},
    "a grammar": {"regex": "[a-z]{3,9}"},
}


def prompts() -> list[dict[str, Any]]:
    texts = ("fox", "The quick brown fox jumps over the lazy dog. " * 2, "日本", "What is the currency of Japan?")
    return [{**chat(text), "id": str(number)} for number, text in enumerate(texts)]


def reference(model: Any, prompt: list[int], ids: list[int]) -> float:
    """Σ log softmax of the logits of one pass of transformers, in float64."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *ids]]), use_cache=False).logits[0].double()
    steps = range(len(prompt) - 1, len(prompt) + len(ids) - 1)
    return float(sum(logits[at].log_softmax(-1)[token] for at, token in zip(steps, ids, strict=True)))


@pytest.mark.parametrize("model", ["tiny", "gemma2"])  # the second writes in padded batches
@pytest.mark.parametrize("decoding", DECODINGS)
def test_it_is_the_sum_over_the_written_tokens_by_the_model_alone(model: str, decoding: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    path = str(tiny_models.save(model, tmp_path))
    flags = {"max_new_tokens": 12, "dtype": "float32", "threads": 1, "batch_tokens": 300, **DECODINGS[decoding]}
    settings = GenerateSettings(model=path, completion_logprobs=True, **flags)
    engine = TransformersEngine.open(settings)
    items = make_items(prompts(), engine, settings)
    done = [pair for part in engine.complete(items, items) for pair in part]
    assert len(done) == len(items)
    theirs = AutoModelForCausalLM.from_pretrained(path)
    for item, completion in done:
        assert completion.error is None
        assert len(completion.ids) == completion.tokens > 0
        assert completion.log_prob == pytest.approx(reference(theirs, item.prompt_ids, completion.ids), abs=1e-4)


def test_every_row_has_it_and_other_rows_do_not_change_it(sft: Any, tiny: Path, here: Path) -> None:
    rows = [*prompts(), {**chat("fox " * 400), "id": "long"}]
    (here / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    *good, failed = sft("generate", tiny, "p.jsonl", *SHORT).rows
    assert (failed["finish_reason"], failed["completion_logprob"]) == ("error", None)
    for row, together in zip(rows, good, strict=False):
        assert together["completion_logprob"]["tokens"] == together["completion_tokens"]
        (here / "one.jsonl").write_text(json.dumps(row) + "\n")
        (alone,) = sft("generate", tiny, "one.jsonl", *SHORT).rows
        assert alone["completion_logprob"]["sum"] == pytest.approx(together["completion_logprob"]["sum"], abs=1e-4)


def test_it_is_refused_where_nothing_is_written_or_the_engine_has_no_numbers(sft: Any, tiny: Path) -> None:
    for more, reason in (
        (("--max-new-tokens", 0), "has no effect with --max-new-tokens 0, which writes no completions"),
        (("--echo-logprobs",), "has no effect with --echo-logprobs, which writes no completions"),
        (("--engine", "openai"), "expected --engine transformers or vllm, got --engine openai"),
    ):
        result = sft("generate", tiny, "--prompt", "fox", "--raw-text", "--completion-logprobs", *more)
        assert result.code == 2
        assert result.err.endswith(f"sft generate: --completion-logprobs: {reason}\n")


def test_a_number_that_is_not_finite_is_null(tmp_path: Path, sft: Any) -> None:
    model, tokenizer = tiny_models.plain()
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.nan)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (row,) = sft("generate", tmp_path, "--prompt", "fox", *SHORT).rows
    assert (row["error"], row["completion_logprob"]) == (None, None)


@pytest.mark.parametrize("rows", [1, ROWS_IN_CACHE, 3 * ROWS_IN_CACHE + 1])
def test_a_rows_value_is_the_same_bits_beside_any_other_rows(rows: int) -> None:
    logits = torch.randn(rows, 4_001, generator=torch.Generator().manual_seed(0)) * 5
    tokens = torch.arange(rows) * 7
    together = token_log_probs(logits, tokens)
    assert together == [token_log_probs(logits[at : at + 1], tokens[at : at + 1])[0] for at in range(rows)]
    assert together == pytest.approx(
        logits.double().log_softmax(-1).gather(1, tokens[:, None])[:, 0].tolist(), abs=1e-5
    )


def test_generations_for_a_judge_can_be_asked(sft: Any, tiny: Path, rows_file: Path, here: Path) -> None:
    """The row of a judge once had fields of the judged generation, and was refused."""
    flags = ("--diagnose-repetition", "--prompt-overflow", "truncate-left")
    assert sft("generate", tiny, rows_file, *SHORT, *flags, "-o", "a.gen.jsonl").code == 0
    assert sft("prep", "--judge", "rating", "a.gen.jsonl", "-o", "judge.jsonl").code == 0
    result = sft("generate", tiny, "judge.jsonl", *SHORT, "--prompt-overflow", "truncate-left")
    assert result.code == 0, result.err
    assert all(row["judge"]["kind"] == "rating" and "repetition" not in row for row in result.rows)
    assert all(row["completion_logprob"]["tokens"] == row["completion_tokens"] for row in result.rows)
