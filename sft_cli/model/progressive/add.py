"""One more column beside a model."""

from __future__ import annotations

from typing import Any

import torch

from sft_cli.model.adapters import ColumnPlan
from sft_cli.model.attention import can_pack
from sft_cli.model.column_shape import BASE, ColumnShape, LoraShape, Shape, column_shape, lateral_sources
from sft_cli.model.forward import has_plain_head
from sft_cli.model.progressive.config import ProgressiveConfig
from sft_cli.model.progressive.model import ProgressiveForCausalLM
from sft_cli.run.errors import UserError


def is_progressive(model: Any) -> bool:
    """Whether a model has columns."""
    return isinstance(model, ProgressiveForCausalLM)


def add_column(model: Any, plan: ColumnPlan, seed: int) -> Any:
    """`model` with a trained network beside it, everything else frozen; see `_append_column`.

    Raises UserError for an unsuitable model, a name that exists, or a size that is too large.
    """
    model, name = _ready(model, plan.name)
    ratio, stride = plan.ratio, plan.stride
    base = model.body.base.config
    width, layers = base.hidden_size, base.num_hidden_layers
    if ratio > width // 2:
        raise UserError(f"--column-ratio: expected at most {width // 2} (the model is {width} wide), got {ratio}")
    if stride > layers:
        raise UserError(f"--column-stride: expected at most {layers} (the model's layers), got {stride}")
    sources = lateral_sources(plan.laterals, _older(model, ColumnShape))
    return _append_column(model, column_shape(base, name, ratio, stride, sources), seed)


def add_lora_column(model: Any, plan: ColumnPlan, rank: int, scale: float, seed: int) -> Any:
    """`model` with a trained gated LoRA, everything else frozen; see `_append_column`.

    Raises UserError for an unsuitable model and for a name that exists.
    """
    model, name = _ready(model, plan.name)
    return _append_column(
        model, LoraShape(name, rank, scale, lateral_sources(plan.laterals, _older(model, LoraShape))), seed
    )


def _ready(model: Any, name: str | None) -> tuple[Any, str]:
    """The model as a model with columns, and the name of the new column (default: column-N, from N = 1)."""
    if not is_progressive(model):
        model = _around(model)
    _check_hashes(model)
    taken = model.column_names
    if name is not None and name in taken:
        raise UserError(f"--column-name: expected a new name, got {name!r}; existing names: {', '.join(taken)}")
    return model, name or free_name(taken)


def _older(model: Any, kind: type[Shape]) -> list[int]:
    return [number for number, shape in enumerate(model.config.shapes) if isinstance(shape, kind)]


def _append_column(model: Any, shape: Shape, seed: int) -> Any:
    """Train the new column, with weights from `seed`, and let it answer; freeze all others and store their hashes."""
    model.requires_grad_(False)
    model.frozen = model.hashes()
    torch.manual_seed(seed)
    like = next(model.parameters())
    column = model.body.add(shape).to(like.device, like.dtype)
    column.requires_grad_(True)
    model.config.add(shape)
    model.use_column(shape.name)
    return model


def free_name(taken: list[str]) -> str:
    """`column-N` for the Nth column, or the next free number; `taken` also has the name of the base."""
    number = len(taken)
    while f"column-{number}" in taken:
        number += 1
    return f"column-{number}"


def choose_column(model: Any, name: str) -> None:
    """Let a column answer. Raises UserError with the names of the columns."""
    if not is_progressive(model):
        if name != BASE:
            raise UserError(f"--column: the model has no columns, got {name!r}")
    elif name not in model.column_names:
        raise UserError(f"--column: expected one of {', '.join(model.column_names)}, got {name!r}")
    else:
        model.use_column(name)


def answering(model: Any) -> dict[str, str]:
    """{"column": the name of the column that answers}; empty for a model without columns."""
    if not is_progressive(model):
        return {}
    return {"column": model.column_names[0 if model.body.active is None else model.body.active + 1]}


def _around(base: Any) -> ProgressiveForCausalLM:
    """A model without columns, whose base is `base`."""
    kind = base.config.model_type
    if not can_pack(base.config):
        raise UserError(f"--model: expected plain causal attention for progressive columns, got {kind}")
    if not has_plain_head(base):
        raise UserError(f"--model: expected a head of one matrix for progressive columns, got {kind}")
    attention = base.config._attn_implementation
    described = {name: value for name, value in base.config.to_dict().items() if name != "_name_or_path"}
    config = ProgressiveConfig(described, attn_implementation=attention, dtype=base.dtype)
    with torch.device("meta"):
        model = ProgressiveForCausalLM(config)
    model.body.base = base
    model.generation_config = base.generation_config
    return model.eval()


def _check_hashes(model: ProgressiveForCausalLM) -> None:
    """Raise UserError if weights have changed since they were saved with the columns."""
    known = model.config.sha256
    hashes = model.hashes() if known else {}
    for name, value in known.items():
        if hashes.get(name) != value:
            raise UserError(
                f"--model: the weights of {name!r} do not match their hash in config.json\n"
                "hint: use the checkpoint as sft train wrote it, because later columns depend on these weights"
            )
