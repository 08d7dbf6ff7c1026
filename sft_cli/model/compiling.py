"""Ways to run the body of a model: with less memory, or compiled."""

from __future__ import annotations

from typing import Any

from sft_cli.model.forward import body_of, inner_model
from sft_cli.run.errors import UserError


def checkpoint_activations(model: Any) -> None:
    """Keep only each layer's input for the backward pass, and compute the layer again there.

    Gradients do not change. Raises UserError for a model that does not support this.
    """
    inner = inner_model(model)
    if not inner.supports_gradient_checkpointing:
        raise UserError(f"--checkpoint-activations: {type(inner).__name__} does not support this")
    # Not re-entrant: the re-entrant kind has no gradient if the input of a layer needs none, as with an adapter.
    options = {"use_reentrant": False}
    if hasattr(inner, "activation_checkpointing_enable"):
        inner.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:  # its earlier name
        inner.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def compile_body(model: Any) -> None:
    """Compile the body for batches of any size; weights keep their names. Raises UserError without a compiler."""
    import torch
    from transformers import AttentionInterface

    from sft_cli.model.attention import NAME, document_attention

    _try_compiler()
    # If it were traced, the loop over documents would be compiled again for every number of documents.
    AttentionInterface.register(NAME, torch.compiler.disable(document_attention))
    body_of(inner_model(model)).compile(dynamic=True)


def _try_compiler() -> None:
    import torch

    try:
        torch.compile(lambda x: x.sin() + 1.0)(torch.ones(8))
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(
            f"--compile: torch.compile does not work here: {first}\n"
            "hint: it needs a C++ compiler (Debian: apt install g++) and Python's header files"
        ) from error
