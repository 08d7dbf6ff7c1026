"""What the plan says of memory counts what regularizers hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_training import add_lora

from sft_cli.model.load import load_model
from sft_cli.training.memory import kept_for_old_tasks
from sft_cli.training.settings import TrainSettings


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(model="tiny", **changes)


@pytest.mark.parametrize(
    ("flags", "copies"),
    [
        ({}, 0),
        ({"regularizer": ["l2-sp"]}, 1),  # first weights
        ({"regularizer": ["ewc"]}, 2),  # and an importance
        ({"regularizer": ["ewc", "l2-sp"]}, 3),
        ({"regularizer": ["ewc"], "strength": ["0"]}, 0),
        ({"record_importance": "si"}, 4),
        ({"regularizer": ["kl"]}, 0.5),  # an old model in bfloat16
    ],
)
def test_copies_of_the_weights(tiny: Path, flags: dict[str, Any], copies: float) -> None:
    model = load_model(str(tiny), "float32")
    weights = sum(weight.numel() for weight in model.parameters())
    assert kept_for_old_tasks(model, settings(**flags), 2) == 4 * copies * weights


def test_a_lora_keeps_the_importance_of_what_it_changes_and_no_first_weights(tiny: Path) -> None:
    model = add_lora(load_model(str(tiny), "float32"), str(tiny), 2, 4, 0.0, 0)
    changed = sum(weight.numel() for name, weight in model.named_parameters() if name.endswith("base_layer.weight"))
    assert kept_for_old_tasks(model, settings(regularizer=["l2-sp"]), 2) == 0
    assert kept_for_old_tasks(model, settings(regularizer=["ewc"]), 2) == 4 * changed
    kl = {"regularizer": ["kl"], "adapter": "lora"}
    assert kept_for_old_tasks(model, settings(**kl), 2) == 0  # its adapter switched off
    assert kept_for_old_tasks(model, settings(**kl, shard=True), 2) == 2 * sum(w.numel() for w in model.parameters())


def test_what_is_split_over_processes_is_divided_and_a_copy_is_not(tiny: Path) -> None:
    model = load_model(str(tiny), "float32")
    weights = sum(weight.numel() for weight in model.parameters())
    both = settings(regularizer=["ewc", "kl"], shard=True)
    assert kept_for_old_tasks(model, both, 2, shards=4) == 4 * 2 * weights / 4 + 2 * weights
