"""`sft export`: adapters merged, weights interpolated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sft_cli.model.load import load_model

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


def test_a_merged_adapter_is_a_full_model_that_says_the_same(sft: Any, tuned: Path) -> None:
    result = sft("export", tuned / "lora", "-o", tuned / "merged")
    assert (result.code, result.out) == (0, f"{tuned / 'merged'}\n")
    assert not (tuned / "merged" / "adapter_config.json").exists()
    assert torch.allclose(logits(tuned / "merged"), logits(tuned / "lora"), atol=1e-4)
    # What a later --regularizer needs is of the same weights, by the same names.
    kept = load_file(tuned / "merged" / "continual" / "importance.safetensors")
    assert set(kept) <= set(load_file(tuned / "merged" / "model.safetensors"))
    assert json.loads((tuned / "merged" / "manifest.json").read_text())["command"] == "export"


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

    assert "is a full model already, there is no adapter to merge\nhint: --interpolate A" in refusal(tuned / "full")
    assert "--base: expected --interpolate A beside it" in refusal(tuned / "lora", "--base", tiny)
    assert "--limit: export reads no rows" in refusal(tuned / "lora", "--limit", 3)
    nowhere = refusal(tiny, "--interpolate", 0.5)
    assert f"{tiny}: does not say what it was trained from\nhint: --base MODEL" in nowhere
    other = refusal(tuned / "full", "--interpolate", 0.5, "--base", tiny_teacher)
    assert f"--base: {tiny_teacher} and {tuned / 'full'} are not the same kind of model: lm_head.weight" in other
    assert "--interpolate: expected at most 1" in refusal(tuned / "full", "--interpolate", 1.5)
