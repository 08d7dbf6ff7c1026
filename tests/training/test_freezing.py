"""Frozen weights stay as they are, bit by bit, and cost no optimizer memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_model

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.add import add_adapter
from sft_cli.model.freezing import freeze, head_is_frozen_with_embedding, trained_names
from sft_cli.model.load import load_model
from sft_cli.run.errors import UserError
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tables import OPTIMIZERS

QUICK = ("--batch-size", 4, "--dtype", "float32", "--learning-rate", 1e-2)


def weights(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "is_frozen"),
    [
        (("--freeze-bottom", 1), lambda name: "embed" in name or ".layers.0." in name),
        (("--freeze-bottom", 0), lambda name: "embed" in name),
        (("--freeze", r"mlp\.", "--freeze", "norm"), lambda name: "mlp." in name or "norm" in name),
        (("--train-only", "down_proj", "--train-only", "lm_head"), lambda n: "down_proj" not in n and "embed" not in n),
        (("--train-only", "layers.1", "--freeze", "mlp"), lambda name: "layers.1." not in name or "mlp" in name),
    ],
)
def test_frozen_weights_are_the_same_bits_afterwards_and_all_others_move(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, words: Any, is_frozen: Any
) -> None:
    out = tmp_path / "run"
    command = ("train", rows_file, "--model", tiny, "-o", out, *words, "--weight-decay", 0.1, "--epochs", 2, *QUICK)
    result = sft(*command)
    assert result.code == 0, result.err
    before, after = weights(tiny), weights(out)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if is_frozen(name)}
    assert ("the head and the embedding share their weights" in result.err) == any("embed" in n for n in same)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adamw-8bit"])
def test_a_frozen_weight_has_no_place_in_the_optimizer(tiny: Path, name: str) -> None:
    model = load_model(str(tiny))
    freeze(model, 1, ["mlp"], [])
    optimizer = OPTIMIZERS.load(name)(model, TrainSettings(model="tiny", optimizer=name))
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert held == {id(weight) for weight in model.parameters() if weight.requires_grad}
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight) if weight.requires_grad else None
    optimizer.step()
    assert {id(weight) for weight in optimizer.state} <= held


def test_patterns_are_searched_in_the_names_of_an_adapter_too(tiny: Path) -> None:
    adapted = add_adapter(load_model(str(tiny)), str(tiny), AdapterPlan("lora", 4, 8))
    freeze(adapted, 1, [], [r"q_proj\.lora_B\.weight$"])
    names = [name for known in trained_names(adapted).values() for name in known]
    assert names == ["model.layers.1.self_attn.q_proj.lora_B.weight"]


def test_a_head_of_its_own_still_trains_over_a_frozen_embedding() -> None:
    model = make_model(50, tied=False)
    freeze(model, 2, [], [])
    assert sorted(name for known in trained_names(model).values() for name in known) == [
        "lm_head.weight",
        "model.norm.weight",
    ]
    assert not head_is_frozen_with_embedding(model)


@pytest.mark.parametrize(
    ("bottom", "frozen", "only", "message"),
    [
        (None, ["q_porj"], [], r"--freeze: no trained weight matches 'q_porj'; similar names: q_proj"),
        (None, [], ["layer.0"], r"--train-only: no trained weight matches 'layer.0'; similar names: layers"),
        (None, ["("], [], r"--freeze: expected a regular expression, got '\(' \("),
        (3, [], [], r"--freeze-bottom: expected at most 2 \(the model's layers\), got 3"),
        (None, ["."], [], r"--freeze, --freeze-bottom, --train-only: expected some weights to train, got none"),
    ],
)
def test_what_cannot_be_frozen_is_named(tiny: Path, bottom: Any, frozen: Any, only: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        freeze(load_model(str(tiny)), bottom, frozen, only)
