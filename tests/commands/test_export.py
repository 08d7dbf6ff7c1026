"""`sft export`: adapters merged, weights interpolated."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sft_cli.model.formats import in_format, stored_dtype
from sft_cli.model.load import load_model
from sft_cli.run.errors import UserError

QUICK = ("--batch-size", 4, "--learning-rate", 1e-2, "--dtype", "float32", "--threads", 1, "-q")


@pytest.fixture
def tuned(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> Path:
    """A folder with a full model, `full`, and an adapter, `lora`, both trained from `tiny`."""
    for name, flags in {"full": (), "lora": ("--adapter", "lora", "--rank", 4)}.items():
        command = ("train", rows_file, "--model", tiny, *QUICK, *flags, "--record-importance", "ewc")
        assert sft(*command, "-o", tmp_path / name).code == 0
    return tmp_path


def logits(path: Path) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_model(str(path), "float32")(input_ids=torch.arange(3, 60)[None]).logits
    return found


@pytest.mark.slow
def test_a_merged_adapter_is_a_full_model_that_says_the_same(sft: Any, tuned: Path) -> None:
    result = sft("export", tuned / "lora", "-o", tuned / "merged")
    assert (result.code, result.out) == (0, f"{tuned / 'merged'}\n")
    assert not (tuned / "merged" / "adapter_config.json").exists()
    assert torch.allclose(logits(tuned / "merged"), logits(tuned / "lora"), atol=1e-4)
    # What a later --regularizer needs is of the same weights, by the same names.
    kept = load_file(tuned / "merged" / "continual" / "importance.safetensors")
    assert set(kept) <= set(load_file(tuned / "merged" / "model.safetensors"))
    assert json.loads((tuned / "merged" / "manifest.json").read_text())["command"] == "export"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("name", ["full", "lora"])
def test_weights_lie_on_the_line_from_the_base_to_the_tuned_model(
    sft: Any, tiny: Path, tuned: Path, name: str, share: float
) -> None:
    assert sft("export", tuned / name, "--interpolate", share, "-o", tuned / "half").code == 0
    if name == "lora":
        assert sft("export", tuned / "lora", "-o", tuned / "end").code == 0
    end = load_file(tuned / ("end" if name == "lora" else "full") / "model.safetensors")
    start, half = load_file(tiny / "model.safetensors"), load_file(tuned / "half" / "model.safetensors")
    for weight, value in half.items():
        if share in (0.0, 1.0):
            assert torch.equal(value, (end if share else start)[weight])
        assert torch.allclose(value, (1 - share) * start[weight] + share * end[weight], atol=1e-6)
    assert (tuned / "half" / "continual").exists() == (
        share == 1.0
    )  # an importance is of the weights it was measured at


# What an adapter may be on, where head and embedding are one: peft's flags.
ON_TIED: dict[str, dict[str, Any]] = {
    "head": {"target_modules": ["lm_head", "q_proj"]},
    "embedding": {"target_modules": ["embed_tokens"]},
    "both": {"target_modules": ["lm_head", "embed_tokens"]},
    "both, alike": {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
    "saved head": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "saved embedding": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "saved both, alike": {
        "target_modules": ["q_proj"],
        "modules_to_save": ["embed_tokens"],
        "ensure_weight_tying": True,
    },
    "some tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [5, 370]},
    "neither": {"target_modules": ["q_proj"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("where", ON_TIED)
def test_an_adapter_on_a_tied_layer_changes_what_it_is_on_alone(
    sft: Any, tiny: Path, tmp_path: Path, where: str
) -> None:
    """peft's own merge would change the embedding with the head."""
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(load_model(str(tiny), "float32"), LoraConfig(r=2, **ON_TIED[where]))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in adapted.parameters():
            weight += 0.1 * torch.randn_like(weight) * weight.requires_grad
    adapted.peft_config["default"].base_model_name_or_path = str(tiny)
    adapted.save_pretrained(tmp_path / "adapter")
    result = sft("export", tmp_path / "adapter", "-o", tmp_path / "merged")
    assert result.code == 0, result.err
    assert (logits(tmp_path / "adapter") - logits(tiny)).abs().max() > 0.1
    assert torch.allclose(logits(tmp_path / "merged"), logits(tmp_path / "adapter"), atol=1e-4)
    is_tied = json.loads((tmp_path / "merged" / "config.json").read_text())["tie_word_embeddings"]
    assert is_tied == (where in ("neither", "some tokens") or "alike" in where)
    assert is_tied == ("lm_head.weight" not in load_file(tmp_path / "merged" / "model.safetensors"))


@pytest.mark.slow
def test_half_of_an_adapter_on_a_tied_head_is_half_of_its_change(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    flags = ("--adapter", "lora", "--rank", 4, "--target-modules", "lm_head")
    assert sft("train", rows_file, "--model", tiny, *QUICK, *flags, "-o", tmp_path / "head").code == 0
    assert sft("export", tmp_path / "head", "--interpolate", 0.5, "-o", tmp_path / "half").code == 0
    middle = (logits(tiny) + logits(tmp_path / "head")) / 2
    assert (logits(tmp_path / "head") - logits(tiny)).abs().max() > 0.01
    assert torch.allclose(logits(tmp_path / "half"), middle, atol=1e-4)


def test_a_merge_that_gives_another_model_is_refused(sft: Any, tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sft_cli.model import merge

    right = merge.merge_adapter

    def wrong(model: Any) -> Any:
        merged = right(model)
        merged.model.layers[0].mlp.up_proj.weight.data *= 1.1
        return merged

    monkeypatch.setattr(merge, "merge_adapter", wrong)
    result = sft("export", tuned / "lora", "-o", tuned / "merged")
    assert (result.code, (tuned / "merged").exists()) == (2, False)
    assert f"{tuned / 'lora'}: the merged model computes other logits: they differ by up to " in result.err
    monkeypatch.undo()
    broken = load_file(tuned / "lora" / "adapter_model.safetensors")
    save_file({name: value * torch.nan for name, value in broken.items()}, tuned / "lora" / "adapter_model.safetensors")
    result = sft("export", tuned / "lora", "-o", tuned / "merged")
    assert (result.code, "expected a working model, got logits that are not numbers" in result.err) == (2, True)


def test_a_stop_token_that_training_added_stays(sft: Any, tuned: Path) -> None:
    config = tuned / "lora" / "generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "eos_token_id": [2, 0]}))
    assert sft("export", tuned / "lora", "-o", tuned / "merged").code == 0
    assert json.loads((tuned / "merged" / "generation_config.json").read_text())["eos_token_id"] == [2, 0]


def test_what_is_written_is_told(sft: Any, tuned: Path) -> None:
    result = sft("export", tuned / "lora", "--dtype", "bfloat16", "-o", tuned / "merged")
    told = re.search(
        r"written in bfloat16; merging changes logits by at most (.+); rounding to bf.* \(largest logit: [\d.]+\)",
        result.err,
    )
    assert told
    found = json.loads((tuned / "merged" / "manifest.json").read_text())["run"]
    assert 0 <= found["largest change of a logit (merging)"] < 1e-4
    assert 1e-4 < found["largest change of a logit (rounding to bfloat16)"] < 0.2
    assert found["number format"] == "bfloat16"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_full_model_changes_its_format_alone(sft: Any, tuned: Path, dtype: str) -> None:
    assert sft("export", tuned / "full", "--dtype", dtype, "-o", tuned / "other").code == 0
    before = load_file(tuned / "full" / "model.safetensors")
    after = load_file(tuned / "other" / "model.safetensors")
    assert set(after) == set(before)
    for name, weight in before.items():
        assert torch.equal(after[name], weight.to(getattr(torch, dtype)))
    assert json.loads((tuned / "other" / "config.json").read_text())["dtype"] == dtype
    assert stored_dtype(str(tuned / "other")) == dtype


@pytest.mark.slow
@pytest.mark.parametrize("is_said", [True, False])
def test_a_float16_model_stays_one(sft: Any, tuned: Path, is_said: bool) -> None:
    narrow = load_model(str(tuned / "full"), "float32").half()
    narrow.save_pretrained(tuned / "full")
    if not is_said:  # older configs do not name the format
        config = json.loads((tuned / "full" / "config.json").read_text())
        del config["dtype"]
        (tuned / "full" / "config.json").write_text(json.dumps(config))
    assert stored_dtype(str(tuned / "full")) == "float16"
    half = ("export", tuned / "full", "--interpolate", 0.5, "-o", tuned / "half")
    assert sft(*half).code == 0
    assert {value.dtype for value in load_file(tuned / "half" / "model.safetensors").values()} == {torch.float16}


def test_a_number_too_large_for_float16_is_refused() -> None:
    with pytest.raises(UserError, match=r"^norm: expected at most 65504, the largest number of float16, got 70000"):
        in_format({"norm": torch.tensor([70000.0])}, "float16")
    assert in_format({"norm": torch.tensor([torch.inf, 1.0])}, "float16")["norm"].tolist() == [torch.inf, 1.0]


def test_the_format_is_the_one_asked_for(sft: Any, tuned: Path) -> None:
    def formats(folder: Path) -> set[torch.dtype]:
        return {value.dtype for value in load_file(folder / "model.safetensors").values()}

    assert sft("export", tuned / "lora", "--dtype", "bfloat16", "-o", tuned / "narrow").code == 0
    assert formats(tuned / "narrow") == {torch.bfloat16}
    assert (
        sft("export", tuned / "narrow", "--interpolate", 0.5, "--base", tuned / "full", "-o", tuned / "half").code == 0
    )
    assert formats(tuned / "half") == {torch.bfloat16}  # as it is stored


def test_what_cannot_be_exported_is_told(sft: Any, tiny: Path, tiny_teacher: Path, tuned: Path) -> None:
    def refusal(*words: Any) -> str:
        result = sft("export", *words, "-o", tuned / "out")
        assert result.code == 2
        assert not (tuned / "out").exists()
        return str(result.err)

    assert "expected an adapter to merge, got a full model\nhint: --interpolate A" in refusal(tuned / "full")
    assert "--base: has an effect only with --interpolate A\n" in refusal(tuned / "lora", "--base", tiny)
    assert "--limit: has no effect: export reads no rows" in refusal(tuned / "lora", "--limit", 3)
    assert "--max-line-bytes: has no effect: export reads no rows" in refusal(tuned / "lora", "--max-line-bytes", 3)
    nowhere = refusal(tiny, "--interpolate", 0.5)
    assert f"{tiny}: expected the name of its base in its manifest, got none\nhint: --base MODEL" in nowhere
    other = refusal(tuned / "full", "--interpolate", 0.5, "--base", tiny_teacher)
    assert f"--base: {tiny_teacher} and {tuned / 'full'} have different weights: lm_head.weight" in other
    assert "--interpolate: expected at most 1" in refusal(tuned / "full", "--interpolate", 1.5)
