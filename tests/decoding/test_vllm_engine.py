"""`sft generate --engine vllm`: what it asks of vLLM and makes of its answers, with a vLLM that is played.

`make bench-generate` runs the real one, where it is installed.
"""

from __future__ import annotations

import importlib.machinery
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import tiny_models

from sft_cli.decoding.engines.vllm import lora_room
from sft_cli.model.load import load_tokenizer


class Played:
    """Finishes two requests per step, the latest first; says which prompt it was given."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.waiting: list[tuple[str, list[int], Any]] = []
        self.asked: list[tuple[list[int], Any]] = []
        self.model_config = SimpleNamespace(max_model_len=256)
        self.loras: set[Any] = set()

    def load(self, model: str, **options: Any) -> Any:
        self.options = {"model": model, **options}
        if options["dtype"] == "bfloat16":
            raise ValueError("no such number format here\nand more")
        return SimpleNamespace(llm_engine=self)

    def add_request(self, name: str, prompt: dict[str, Any], params: Any, lora_request: Any = None) -> None:
        ids = prompt["prompt_token_ids"]
        self.loras.add(lora_request)
        if len(ids) > 70:
            raise ValueError("the prompt is too long")
        self.asked.append((ids, params))
        self.waiting.append((name, ids, params))

    def step(self) -> list[Any]:
        now, self.waiting = self.waiting[-2:], self.waiting[:-2]
        outputs = [SimpleNamespace(request_id=name, finished=True, outputs=[answer(ids)]) for name, ids, _ in now]
        return [SimpleNamespace(request_id="none", finished=False, outputs=[]), *outputs]


def answer(ids: list[int]) -> Any:
    reason = "abort" if len(ids) == 21 else "stop"
    return SimpleNamespace(
        text=f"{len(ids)} ids", token_ids=(5, 6, 2), finish_reason=reason, cumulative_logprob=-len(ids) / 4
    )


@pytest.fixture
def played(monkeypatch: Any) -> Played:
    engine = Played()
    modules = {
        "vllm": {"LLM": engine.load, "SamplingParams": lambda **fields: fields},
        "vllm.sampling_params": {
            "RequestOutputKind": SimpleNamespace(FINAL_ONLY="final"),
            "StructuredOutputsParams": lambda **fields: fields,
        },
        "vllm.lora": {},
        "vllm.lora.request": {"LoRARequest": lambda *words: words},
        "vllm.platforms": {"current_platform": SimpleNamespace(device_type="cpu")},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_LOGGING_LEVEL", "VLLM_LOGGING_STREAM"):
        monkeypatch.setenv(name, "as the user has it")
    return engine


PLAIN = ("--engine", "vllm", "--dtype", "float32")


def test_prompts_are_those_of_every_engine_and_rows_come_in_order(
    sft: Any, tiny: Path, rows_file: Path, played: Played
) -> None:
    ours = sft("generate", tiny, rows_file, "--dtype", "float32", "--max-new-tokens", 1).rows
    result = sft("generate", tiny, rows_file, *PLAIN, "--max-new-tokens", 9)
    assert result.code == 0, result.err
    assert [(row["id"], row["prompt_tokens"]) for row in result.rows] == [(r["id"], r["prompt_tokens"]) for r in ours]
    for row in result.rows:
        if row["prompt_tokens"] > 70:
            assert (row["finish_reason"], row["error"]) == ("error", "ValueError: the prompt is too long")
        elif row["prompt_tokens"] == 21:
            assert row["error"] == "vLLM ended this completion with the reason abort"
        else:
            assert (row["completion"], row["completion_tokens"]) == (f"{row['prompt_tokens']} ids", 3)
    plain = {
        "temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0,
        "frequency_penalty": 0.0, "max_tokens": 9, "stop": None, "bad_words": None, "stop_token_ids": [2],
        "output_kind": "final",
    }  # fmt: skip
    assert all(params == plain for _, params in played.asked)
    options = {"dtype": "float32", "seed": 0, "tensor_parallel_size": 1, "pipeline_parallel_size": 1}
    assert played.options == {"model": str(tiny), **options, "generation_config": "vllm"}
    assert played.loras == {None}


def test_controls_go_to_vllm_and_samples_have_seeds_of_their_own(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, played: Played
) -> None:
    flags = ("--temperature", 0.7, "--top-k", 5, "--min-p", 0.1, "--repetition-penalty", 1.2, "--stop", "x")
    command = ("generate", tiny, rows_file, *PLAIN, *flags, "--samples", 2, "--bad-words", "y")
    assert len(sft(*command, "--regex", "a+", "--tensor-parallel-size", 2).rows) == 16
    seeds = [params.pop("seed") for _, params in played.asked]
    assert len(set(seeds)) == len(seeds)
    for _, params in played.asked:
        found = [params[name] for name in ("temperature", "top_k", "min_p", "repetition_penalty", "stop", "bad_words")]
        assert found == [0.7, 5, 0.1, 1.2, ["x"], ["y"]]
        assert params["structured_outputs"] == {"regex": "a+"}
    assert played.options["tensor_parallel_size"] == 2
    (tmp_path / "s.json").write_text('{"type": "object"}')
    played.asked.clear()
    assert (
        sft("generate", tiny, rows_file, *PLAIN, "--max-new-tokens", 9, "--json-schema", tmp_path / "s.json").code == 0
    )
    assert played.asked[0][1]["structured_outputs"] == {"json": '{"type": "object"}'}
    played.asked.clear()
    forced = sft("generate", tiny, rows_file, *PLAIN, "--max-new-tokens", 9, "--forced-prefix", "The").rows
    assert forced[4]["completion"].startswith("The")
    assert played.asked[0][0][-1:] != [2]


def test_log_probabilities_are_those_before_all_controls(sft: Any, tiny: Path, rows_file: Path, played: Played) -> None:
    rows = sft("generate", tiny, rows_file, *PLAIN, "--max-new-tokens", 9, "--completion-logprobs").rows
    assert played.options["logprobs_mode"] == "raw_logprobs"
    assert {params["logprobs"] for _, params in played.asked} == {0}
    for row in rows:
        found = None if row["error"] else {"sum": -row["prompt_tokens"] / 4, "tokens": 3}
        assert row["completion_logprob"] == found


def test_an_adapter_is_asked_for_with_every_request(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, played: Played
) -> None:
    out = tmp_path / "lora"
    assert sft("train", rows_file, "--model", tiny, "-o", out, "--adapter", "lora", "--rank", 32).code == 0
    assert sft("generate", out, rows_file, *PLAIN, "--max-new-tokens", 9).code == 0
    assert played.loras == {("adapter", 1, str(out))}
    assert (played.options["model"], played.options["max_lora_rank"]) == (str(tiny), 32)
    assert [lora_room(rank) for rank in (1, 8, 9, 24, 64, 65)] == [8, 8, 16, 32, 64, 128]  # as vLLM's MaxLoRARanks
    assert played.options["enable_lora"] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num-beams", 2), "--num-beams: expected --engine transformers, got --engine vllm"),
        (("--logprobs",), "--logprobs: expected --engine transformers, got --engine vllm"),
        (("--max-new-tokens", 0), "--max-new-tokens: expected at least 1 with vLLM, got 0\nhint: --engine transform"),
        (("--dtype", "bfloat16"), "tiny: vLLM cannot load it: no such number format here\n"),
        (("--engine", "openai", "--tensor-parallel-size", 2), "--tensor-parallel-size: expected --engine vllm, got"),
    ],
)  # fmt: skip
def test_what_vllm_does_not_do_is_said(
    sft: Any, tiny: Path, rows_file: Path, played: Played, words: Any, message: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("sft_cli.model.device.multiplies_bfloat16", lambda: True)
    result = sft("generate", tiny, rows_file, *PLAIN, *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_what_a_checkpoint_asks_for_and_vllm_has_not_is_said(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, played: Played, monkeypatch: Any
) -> None:
    shy = tmp_path / "shy"
    shy.mkdir()
    for path in tiny.iterdir():
        (shy / path.name).write_bytes(path.read_bytes())
    (shy / "generation_config.json").write_text(json.dumps({"num_beams": 3, "eos_token_id": 2}))
    result = sft("generate", shy, rows_file, *PLAIN)
    assert (
        "generation_config uses num_beams, which --engine vllm does not "
        "support\nhint: --generation-config" in result.err
    )
    assert sft("generate", shy, rows_file, *PLAIN, "--max-new-tokens", 9, "--generation-config", "none").code == 0
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    several = sft("generate", tiny, rows_file, *PLAIN, "-o", tmp_path / "o.jsonl")
    assert "--engine vllm: expected one process, got several\nhint: --tensor-parallel-size 8" in several.err


def test_a_missing_vllm_is_named(sft: Any, tiny: Path, rows_file: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None)
    result = sft("generate", tiny, rows_file, *PLAIN)
    assert "--engine vllm: needs the package vllm\nhint: pip install 'vllm>=0.12'" in result.err


def test_a_stop_string_that_is_a_special_token_is_a_stop_token(
    sft: Any, tmp_path: Path, rows_file: Path, played: Played
) -> None:
    model = tiny_models.save("writes-a-special-token", tmp_path)
    command = ("generate", model, rows_file, *PLAIN, "--max-new-tokens", 9)
    assert sft(*command, "--stop", "<|eot|>", "--stop", "x").code == 0
    (special,) = load_tokenizer(str(model)).convert_tokens_to_ids(["<|eot|>"])
    assert all(params["stop"] == ["x"] for _, params in played.asked)
    assert all(params["stop_token_ids"] == [2, special] for _, params in played.asked)
    mixed = sft(*command, "--stop", "a<|eot|>")
    problem = (
        "--stop: 'a<|eot|>' has a special token and other text; vLLM cannot find such "
        "a stop text\nhint: use only the special token"
    )
    assert (mixed.code, problem in mixed.err) == (2, True)


def test_a_bad_word_that_vllm_lets_through_is_an_error_row(
    sft: Any, tiny: Path, rows_file: Path, played: Played
) -> None:
    result = sft("generate", tiny, rows_file, *PLAIN, "--max-new-tokens", 9, "--bad-words", "1")
    assert any(row["finish_reason"] == "stop" for row in result.rows)
    bad = [row for row in result.rows if "1" in str(row["prompt_tokens"]) and 21 != row["prompt_tokens"] <= 70]
    assert bad
    for row in bad:
        assert row["error"] == "the completion has '1' of --bad-words: vLLM did not forbid these tokens"
        assert row["completion"] == ""
