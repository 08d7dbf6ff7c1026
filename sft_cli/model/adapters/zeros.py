"""Weights of zeros, which have no direction: DoRA would divide by zero, and PiSSA and CorDA could not start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sft_cli.run.errors import UserError
from sft_cli.run.text import counted


def direct_zero_rows(adapted: Any, seed: int) -> list[str]:
    """Set each row of zeros under a DoRA to a random direction; return a line about each layer with such rows.

    DoRA writes a row as length · direction, and the direction of zeros is 0/0 (padded vocabularies and new layers have
    such rows). The length stays 0, so the model does not change; row and length are trained, and plain peft loads the
    result.
    """
    import torch

    generator, lines = torch.Generator().manual_seed(seed), []
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
            verb = "is" if len(rows) == 1 else "are"
            lines.append(
                f"{layer}: {counted(len(rows), 'row')} of the weight matrix {verb} zero (the first is matrix row "
                f"{int(rows[0])}); DoRA starts such rows with magnitude 0 and a random direction"
            )
    return lines


def refuse_zero_layers(adapter: str, layers: Mapping[str, Any]) -> None:
    """Raise UserError for a layer of zeros: an adapter made from parts of it would be and stay zero."""
    for name, layer in layers.items():
        if not layer.weight.any():
            raise UserError(
                f"--adapter {adapter}: expected weights that are not zero in {name}, got only zeros\n"
                "hint: --adapter lora trains it, --target-modules leaves it out"
            )
