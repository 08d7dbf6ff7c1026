"""One more column beside a model."""

from __future__ import annotations

from typing import Any

import torch

from sft_cli.model.attention import can_pack
from sft_cli.model.column_shape import BASE, column_shape, sources_of
from sft_cli.model.forward import has_plain_head
from sft_cli.model.progressive.config import ProgressiveConfig
from sft_cli.model.progressive.model import ProgressiveForCausalLM
from sft_cli.run.errors import UserError


def is_progressive(model: Any) -> bool:
    """Whether a model has columns."""
    return isinstance(model, ProgressiveForCausalLM)


def add_column(model: Any, name: str | None, ratio: int, stride: int, laterals: str, seed: int) -> Any:
    """`model` with a new column that trains, everything else frozen; a model without columns becomes their base.

    The column's weights are drawn from `seed`. Without a name it is called column-N, N counting from 1.
    Raises UserError for a model that this does not fit, a name that is taken, a size that is too large.
    """
    if not is_progressive(model):
        model = _around(model)
    _check_hashes(model)
    taken = model.column_names
    if name is not None and name in taken:
        raise UserError(f"--column-name: expected a new name, got {name!r}; there are {', '.join(taken)}")
    base = model.body.base.config
    width, layers = base.hidden_size, base.num_hidden_layers
    if ratio > width // 2:
        raise UserError(f"--column-ratio: expected at most {width // 2} (the model is {width} wide), got {ratio}")
    if stride > layers:
        raise UserError(f"--column-stride: expected at most {layers} (the model's layers), got {stride}")
    model.requires_grad_(False)
    model.frozen = model.hashes()
    sources = sources_of(laterals, len(taken) - 1)
    shape = column_shape(base, name or free_name(taken), ratio, stride, sources)
    torch.manual_seed(seed)
    like = next(model.parameters())
    column = model.body.add(shape).to(like.device, like.dtype)
    column.requires_grad_(True)
    model.config.add(shape)
    model.use_column(shape.name)
    return model


def free_name(taken: list[str]) -> str:
    """`column-N` for the Nth column, or the next number that is free; `taken` has the base's name, too."""
    number = len(taken)
    while f"column-{number}" in taken:
        number += 1
    return f"column-{number}"


def choose_column(model: Any, name: str) -> None:
    """Let a column answer. Raises UserError, naming those there are."""
    if not is_progressive(model):
        if name != BASE:
            raise UserError(f"--column: the model has no columns, got {name!r}")
    elif name not in model.column_names:
        raise UserError(f"--column: expected one of {', '.join(model.column_names)}, got {name!r}")
    else:
        model.use_column(name)


def answering(model: Any) -> dict[str, str]:
    """{"column": the name of the one that answers}, nothing for a model without columns."""
    if not is_progressive(model):
        return {}
    return {"column": model.column_names[0 if model.body.active is None else model.body.active + 1]}


def _around(base: Any) -> ProgressiveForCausalLM:
    """A model without columns yet, whose base is `base` itself."""
    kind = base.config.model_type
    if not can_pack(base.config):
        raise UserError(f"--adapter progressive: expected a model with plain causal attention, got {kind}")
    if not has_plain_head(base):
        raise UserError(f"--adapter progressive: expected a model whose head is one matrix, got {kind}")
    attention = base.config._attn_implementation
    described = {name: value for name, value in base.config.to_dict().items() if name != "_name_or_path"}
    config = ProgressiveConfig(described, attn_implementation=attention, dtype=base.dtype)
    with torch.device("meta"):
        model = ProgressiveForCausalLM(config)
    model.body.base = base
    model.generation_config = base.generation_config
    return model.eval()


def _check_hashes(model: ProgressiveForCausalLM) -> None:
    """Raise UserError if weights are not those that were saved with the columns."""
    known = model.config.sha256
    found = model.hashes() if known else {}
    for name, value in known.items():
        if found.get(name) != value:
            raise UserError(
                f"--model: the weights of {name!r} are not those that its config.json has the hash of\n"
                "hint: take the checkpoint as sft train wrote it; later columns rest on these weights"
            )
