"""Models whose head is their embedding."""

from __future__ import annotations

from typing import Any


def is_tied(model: Any) -> bool:
    """Whether the model's head is its embedding."""
    head = bare(model.get_output_embeddings())
    return head is not None and head.weight is bare(model.get_input_embeddings()).weight


def untie_head(model: Any) -> None:
    """Set the head to a copy of the embedding as a separate weight."""
    import torch

    head = bare(model.get_output_embeddings())
    head.weight = torch.nn.Parameter(head.weight.detach().clone(), head.weight.requires_grad)


def bare(layer: Any) -> Any:
    """The layer of the model inside the layer of peft that replaces it."""
    if hasattr(layer, "original_module"):
        return layer.original_module
    return layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer
