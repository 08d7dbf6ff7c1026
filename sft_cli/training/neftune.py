"""NEFTune: uniform noise on the input embeddings during training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.model.forward import inner_model


def add_neftune(model: Any, alpha: float) -> None:
    """Add noise in [−1, 1]·α/√(L·d) to the embeddings of `model` from now on, only in training mode.

    d is the width of an embedding, L the number of tokens of its document, at any place in a packed or padded batch.
    The noise comes from torch's global generator of the device. Source: Jain et al. 2023 (arXiv 2310.05914), algorithm
    1. The hook of transformers and TRL uses the padded or packed length for L, so there the noise depends on the rest
    of the batch.
    """
    inner = inner_model(model)
    lengths: list[Tensor | None] = [None]

    def remember(body: Any, _: Any, inputs: dict[str, Any]) -> None:
        lengths[0] = _lengths_of_documents(inputs) if body.training else None

    def add_noise(embedding: Any, _: Any, embedded: Tensor) -> Tensor:
        if not embedding.training:
            return embedded
        width = embedded.shape[-1]
        tokens = embedded.shape[1] if lengths[0] is None else lengths[0]  # one document, or of each token
        size = alpha / torch.sqrt(torch.as_tensor(tokens * width, device=embedded.device, dtype=torch.float32))
        noise = torch.empty_like(embedded).uniform_(-1.0, 1.0)
        return embedded + noise * size.to(embedded.dtype)

    inner.base_model.register_forward_pre_hook(remember, with_kwargs=True)
    inner.get_input_embeddings().register_forward_hook(add_noise)


def _lengths_of_documents(inputs: dict[str, Any]) -> Tensor | None:
    """Length of the document of each token, to broadcast over (B, T, d); None for a single document."""
    edges, mask = inputs.get("cu_seq_lens_q"), inputs.get("attention_mask")
    if edges is not None:  # packed, (1, N)
        lengths = edges.diff()
        of_tokens = lengths.repeat_interleave(lengths)
        filler = inputs["input_ids"].shape[1] - len(of_tokens)  # tokens after the last document
        return functional.pad(of_tokens, (0, filler), value=1)[None, :, None]
    if mask is not None:  # padded, (B, T)
        row_lengths: Tensor = mask.sum(-1)[:, None, None]
        return row_lengths
    return None
