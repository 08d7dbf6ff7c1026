"""The weights of a model that are not trained."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from sft_cli.model.forward import inner_model
from sft_cli.run.errors import UserError


def freeze(model: Any, bottom: int | None, frozen: Sequence[str], only: Sequence[str]) -> None:
    """Freeze the weights that the flags name.

    bottom: the embedding and this many of the lowest decoder layers (--freeze-bottom). frozen, only: regular
    expressions, searched for in the names of weights (--freeze, --train-only). A weight that two layers share has both
    names. Raises UserError for a pattern without a match, too many layers, or if no weight is left to train.
    """
    names = trained_names(model)
    stopped: set[Any] = set()
    if bottom is not None:
        stopped |= set(_bottom(model, bottom))
    for pattern in frozen:
        stopped |= set(_matching(names, pattern, "--freeze"))
    if only:
        kept = {weight for pattern in only for weight in _matching(names, pattern, "--train-only")}
        stopped |= set(names) - kept
    for weight in stopped:
        weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in names):
        raise UserError("--freeze, --freeze-bottom, --train-only: expected some weights to train, got none")


def trained_names(model: Any) -> dict[Any, list[str]]:
    """Each trained weight, with its names without the parts that peft adds."""
    names: dict[Any, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if weight.requires_grad:
            plain = name.removeprefix("base_model.model.").replace(".default.", ".").removesuffix(".default")
            names.setdefault(weight, []).append(plain)
    return names


def head_is_frozen_with_embedding(model: Any) -> bool:
    """Whether the head shares the embedding's weights, and these are not trained."""
    inner = inner_model(model)
    head, embedding = inner.get_output_embeddings(), inner.get_input_embeddings()
    weight = getattr(head, "weight", None)
    return weight is embedding.weight and not weight.requires_grad


def _matching(names: dict[Any, list[str]], pattern: str, flag: str) -> list[Any]:
    try:
        searched: Callable[[str], Any] = re.compile(pattern).search
    except re.error as error:
        raise UserError(f"{flag}: expected a regular expression, got {pattern!r} ({error})") from error
    matches = [weight for weight, known in names.items() if any(searched(name) for name in known)]
    if not matches:
        every = [name for known in names.values() for name in known]
        words = dict.fromkeys(word for name in every for word in name.split("."))
        near = difflib.get_close_matches(pattern, [*words, *every], n=3, cutoff=0.4) or every[:3]
        raise UserError(f"{flag}: no trained weight matches {pattern!r}; similar names: {', '.join(near)}")
    return matches


def _bottom(model: Any, layers: int) -> list[Any]:
    import torch

    inner = inner_model(model)
    stacks = [
        module
        for module in inner.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == inner.config.num_hidden_layers
    ]
    if not stacks:
        raise UserError("--freeze-bottom: the decoder layers of this model are not in one list\nhint: use --freeze")
    if layers > len(stacks[0]):
        raise UserError(f"--freeze-bottom: expected at most {len(stacks[0])} (the model's layers), got {layers}")
    frozen = [inner.get_input_embeddings(), *stacks[0][:layers]]
    return [weight for module in frozen for weight in module.parameters()]
