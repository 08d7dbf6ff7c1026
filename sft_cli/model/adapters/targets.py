"""The layers that get an adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sft_cli.model.adapters import AdapterPlan
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name


def linear_layers(model: Any, targets: Iterable[str]) -> dict[str, Any]:
    """The linear layers by name: those that `targets` name in full or by an ending, or all except the head.

    Raises UserError for a target that names no layer.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    layers = {name: module for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))}
    wanted = tuple(targets)
    if not wanted:
        return {name: layer for name, layer in layers.items() if layer is not model.get_output_embeddings()}
    for target in wanted:
        if not any(_is_named(name, target) for name in layers):
            endings = list(dict.fromkeys(name.split(".")[-1] for name in layers))
            raise UserError(
                f"--target-modules: no linear layer has the name {target!r}.{near_name(target, endings)} "
                f"Known: {', '.join(endings)}, or full names such as {next(iter(layers))}"
            )
    return {name: layer for name, layer in layers.items() if any(_is_named(name, target) for target in wanted)}


def _is_named(name: str, target: str) -> bool:
    return name == target or name.endswith("." + target)


def check_rank(
    plan: AdapterPlan,
    layers: Mapping[str, Any],
    most: Callable[[Any], int] = lambda layer: min(layer.weight.shape),
) -> None:
    """Raise UserError if the rank of the plan is too large for a layer."""
    name = min(layers, key=lambda name: most(layers[name]))
    if plan.rank is not None and plan.rank > most(layers[name]):
        rows, columns = layers[name].weight.shape
        raise UserError(
            f"--rank: expected at most {most(layers[name])} with --adapter {plan.name} "
            f"({name} is {rows} × {columns}), got {plan.rank}"
        )
