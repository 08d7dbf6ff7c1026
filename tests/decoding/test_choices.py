"""`sft generate --choices`: the log-probability of every choice, whatever is batched with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_tokenizer

from sft_cli.decoding import choices as choices_module
from sft_cli.decoding.choices import choice_logprobs, encode_continuations
from sft_cli.encoding.encoder import Encoder
from sft_cli.model import forward
from sft_cli.model.load import load_model, load_tokenizer
from sft_cli.run.errors import FieldError

ALONE = ("--choices", "--max-new-tokens", 0, "--dtype", "float32")
ROWS = [
    {"id": "one", "text": "The quick brown", "delimiter": " ", "choices": ["fox", "dog", "fox"], "answer": "fox"},
    {"id": "long", "text": "What is the yen?", "delimiter": " ", "choices": ["The currency of Japan.", "日元"]},
    {"id": "space", "text": "The lazy  ", "choices": ["dog.", "", " fox jumps"], "delimiter": "\n"},
    {"id": "bare", "text": "Is it a dog?", "choices": ["Yes", "No"]},
    {"id": "special", "text": "user<|im_end|>", "delimiter": " ", "choices": ["<|im_start|>", "tool"]},
    {"id": "chat", "messages": [{"role": "user", "content": "What is it?"}], "choices": ["The fox", "日"], "weight": 2},
]


@pytest.fixture
def choice_rows(tmp_path: Path) -> Path:
    path = tmp_path / "choices.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    return path


def plain_sum(model: Any, tokenizer: Any, row: dict[str, Any], choice: str) -> tuple[float, int]:
    """Σ log p of the tokens that follow the prompt's own, by a forward pass of transformers over this text alone."""
    prompt = row.get("text")
    if prompt is None:
        prompt = tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True)
    context = tokenizer(prompt.rstrip(), add_special_tokens=False).input_ids
    whole = tokenizer(prompt + row.get("delimiter", "") + choice, add_special_tokens=False).input_ids
    ids = torch.tensor([context + whole[len(context) :]])
    log_probs = model(ids).logits[0, :-1].detach().double().log_softmax(-1)
    each = log_probs.gather(1, ids[0, 1:, None])[len(context) - 1 :, 0]
    return float(each.sum()), len(each)


def test_log_probabilities_are_those_of_a_plain_forward_pass(sft: Any, tiny: Path, choice_rows: Path) -> None:
    result = sft("generate", tiny, choice_rows, *ALONE)
    assert (result.code, [row["id"] for row in result.rows]) == (0, [row["id"] for row in ROWS])
    model, tokenizer = load_model(str(tiny)), load_tokenizer(str(tiny))
    for row in result.rows:
        assert (row["completion"], row["completion_tokens"], row["error"]) == ("", 0, None)
        for choice, found in zip(row["choices"], row["choice_logprobs"], strict=True):
            assert (found["characters"], found["bytes"]) == (len(choice), len(choice.encode()))
            if row["id"] != "special":  # a plain tokenizer takes the text of a special token for one
                expected, tokens = plain_sum(model, tokenizer, row, choice)
                assert found["sum"] == pytest.approx(expected, abs=1e-4)
                assert found["tokens"] == tokens
    first, _, third = result.rows[0]["choice_logprobs"]
    assert first == third
    assert result.rows[4]["choice_logprobs"][0]["tokens"] > 3  # spelled out, not one special token


@pytest.mark.parametrize("batch_tokens", [1, 40, 16384])
def test_what_is_batched_together_does_not_matter(tiny: Path, batch_tokens: int, monkeypatch: Any) -> None:
    model, encoder = load_model(str(tiny)), Encoder(load_tokenizer(str(tiny)))
    alone = [choice_logprobs(model, encoder, [row], 256, 16384)[0] for row in ROWS]
    together = choice_logprobs(model, encoder, ROWS, 256, batch_tokens)
    monkeypatch.setattr(forward, "has_plain_head", lambda model: False)
    by_the_models_own_head = choice_logprobs(model, encoder, ROWS, 256, batch_tokens)
    for each, ours, theirs in zip(alone, together, by_the_models_own_head, strict=True):
        assert [entry["sum"] for entry in ours] == pytest.approx([entry["sum"] for entry in each], abs=1e-4)
        assert [entry["sum"] for entry in theirs] == pytest.approx([entry["sum"] for entry in each], abs=1e-4)


@pytest.mark.parametrize(
    ("choices", "lengths", "read"),
    [
        (["A", "B", "C", "D"], [1, 1, 1, 1], [0]),  # for each pass, the tokens after the prompt
        (["A", "BCD", "BC", "AB"], [1, 3, 2, 2], [2, 1]),  # A and BC need only the beginning of others
    ],
)
def test_choices_that_begin_alike_share_one_pass_over_the_prompt(
    tiny: Path, monkeypatch: Any, choices: list[str], lengths: list[int], read: list[int]
) -> None:
    encoder = Encoder(load_tokenizer(str(tiny)))
    letters = {"id": "a", "text": "The fox\nAnswer:", "choices": choices}
    assert [len(ids) for ids in encode_continuations(encoder, letters, choices)[1]] == lengths
    passes = []

    def counted(model: Any, batch: Any, count: int) -> list[float]:
        passes.append((batch.lengths, count))
        return [0.0] * count

    monkeypatch.setattr(choices_module, "sum_log_probs", counted)
    choice_logprobs(load_model(str(tiny)), encoder, [letters, letters], 256, 16384)
    prompt = len(encoder.prompt(letters)[1])
    assert passes == [(tuple(prompt + tokens for tokens in read) * 2, 8)]


def test_a_begin_token_stands_before_raw_text_once() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer()
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", begin)]
    )
    row = {"text": "The fox "}
    prompt, (ending,) = encode_continuations(Encoder(tokenizer), row, ["jumps"])
    assert prompt == tokenizer("The fox").input_ids
    assert prompt.count(begin) == 1
    assert prompt + ending == tokenizer("The fox jumps").input_ids


def test_a_choice_that_is_too_long_is_null_and_the_others_are_not(sft: Any, tiny: Path) -> None:
    row = {"id": "a", "text": "The fox", "delimiter": " ", "choices": ["dog", "word " * 200]}
    (found,) = sft("generate", tiny, *ALONE, stdin=json.dumps(row).encode()).rows
    assert found["choice_logprobs"][0]["tokens"] == 1
    assert found["choice_logprobs"][1] is None


def test_rows_without_choices_have_none_and_a_file_without_any_is_an_error(sft: Any, tiny: Path) -> None:
    bare, chosen = {"id": "a", "text": "The fox"}, {"id": "b", "text": "The fox", "choices": [" dog"]}
    rows = sft("generate", tiny, *ALONE, stdin=f"{json.dumps(bare)}\n{json.dumps(chosen)}\n".encode()).rows
    assert [len(row["choice_logprobs"]) for row in rows] == [0, 1]
    result = sft("generate", tiny, *ALONE, stdin=json.dumps(bare).encode())
    assert result.code == 2
    assert "--choices: no row has choices\nhint: sft prep --benchmark" in result.err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"text": "The fox", "choices": ["dog", ""]},
            'choices[1]: expected a choice with at least one token, got ""',
        ),
        ({"text": " \n", "choices": ["dog"]}, "text: expected words before the choices, got only white space"),
    ],
)
def test_what_cannot_be_scored_is_an_error_of_its_row_alone(
    sft: Any, tiny: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(FieldError, match="expected"):
        encode_continuations(Encoder(load_tokenizer(str(tiny))), row, row["choices"])
    lines = [json.dumps({"id": str(i), **each}) for i, each in enumerate((ROWS[3], row))]
    good, bad = sft("generate", tiny, *ALONE, stdin="\n".join(lines).encode()).rows
    assert len(good["choice_logprobs"]) == 2
    assert (bad["finish_reason"], bad["error"]) == ("error", message)


def test_a_delimiter_that_is_no_text_is_a_bad_row(sft: Any, tiny: Path) -> None:
    result = sft("generate", tiny, *ALONE, stdin=json.dumps({**ROWS[0], "delimiter": 1}).encode())
    assert result.code == 2
    assert "<stdin>:1: delimiter: expected a string, got 1" in result.err


def test_samples_and_completions_come_with_the_same_choices(sft: Any, tiny: Path, choice_rows: Path) -> None:
    alone = {row["id"]: row["choice_logprobs"] for row in sft("generate", tiny, choice_rows, *ALONE).rows}
    words = ("--choices", "--max-new-tokens", 4, "--dtype", "float32", "--temperature", 1, "--samples", 2)
    rows = sft("generate", tiny, choice_rows, *words).rows
    assert len(rows) == 2 * len(ROWS)
    for row in rows:
        assert row["completion_tokens"] > 0
        for one, other in zip(row["choice_logprobs"], alone[row["id"]], strict=True):
            assert one["sum"] == pytest.approx(other["sum"], abs=1e-4)


def test_a_killed_run_goes_on_to_the_same_bytes(
    sft: Any, tiny: Path, choice_rows: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    straight, resumed = tmp_path / "straight.jsonl", tmp_path / "resumed.jsonl"
    command = ("generate", tiny, choice_rows, *ALONE, "--batch-tokens", 20)
    assert sft(*command, "-o", straight).code == 0
    real, calls = choices_module.sum_log_probs, []

    def killed(model: Any, batch: Any, count: int) -> list[float]:
        calls.append(count)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(model, batch, count)

    with monkeypatch.context() as patch:
        patch.setattr(choices_module, "sum_log_probs", killed)
        assert sft(*command, "-o", resumed).code == 130
    result = sft(*command, "-o", resumed)
    assert (result.code, "resuming: " in result.err) == (0, True)
    assert resumed.read_bytes() == straight.read_bytes()


def test_other_choices_of_the_same_prompt_are_another_run(
    sft: Any, tiny: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    def killed(model: Any, batch: Any, count: int) -> list[float]:
        raise KeyboardInterrupt

    command = ("generate", tiny, *ALONE, "-o", tmp_path / "out.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(choices_module, "sum_log_probs", killed)
        assert sft(*command, stdin=json.dumps(ROWS[0]).encode()).code == 130
    other = json.dumps({**ROWS[0], "choices": ["fox", "cat"]}).encode()
    assert "from a run with other inputs" in sft(*command, stdin=other).err
