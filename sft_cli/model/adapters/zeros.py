"""Weights of zeros, which have no direction: what DoRA divides by, and what PiSSA and CorDA start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sft_cli.run.errors import UserError
from sft_cli.run.text import counted


def direct_zero_rows(adapted: Any, seed: int) -> list[str]:
    """Give each row of zeros under a DoRA a direction at random; gives a line on each layer that has such rows.

    DoRA writes a row as length · direction, and the direction of zeros is 0/0 (padded vocabularies and new layers have
    such rows). The length stays 0, so the model is as before; row and length train, and plain peft loads the result.
    """
    import torch

    generator, found = torch.Generator().manual_seed(seed), []
    for name, module in adapted.named_modules():
        lengths = getattr(module, "lora_magnitude_vector", {})
        if "default" not in lengths:
            continue
        rows = (lengths["default"].weight.detach() == 0).nonzero()[:, 0]
        if len(rows):
            factor = module.lora_B["default"].weight
            drawn = torch.randn(len(rows), factor.shape[1], generator=generator)
            factor.data[rows] = drawn.to(factor)
            layer = name.removeprefix("base_model.model.")
            found.append(
                f"{layer}: {counted(len(rows), 'row')} of zeros (the first is row {int(rows[0])}); DoRA starts with "
                "length 0 and a direction at random there"
            )
    return found


def refuse_zero_layers(adapter: str, layers: Mapping[str, Any]) -> None:
    """Raise UserError for a layer that is all zeros: an adapter made of parts of it would be zeros, and stay so."""
    for name, layer in layers.items():
        if not layer.weight.any():
            raise UserError(
                f"--adapter {adapter}: {name} is all zeros, expected a weight with directions to start from\n"
                "hint: --adapter lora trains it, --target-modules leaves it out"
            )
